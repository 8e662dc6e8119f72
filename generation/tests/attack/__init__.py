"""The attack on a scene's life: processes are killed, stopped and starved, and a checker counts what is left."""
