"""Processes by session: all that a child of ours started, however deep, for each child begins a session."""

import os
import signal
import subprocess
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def signal_sessions(leaders: Collection[int], signum: signal.Signals) -> None:
    for pid in members(leaders):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)


def members(leaders: Collection[int]) -> list[int]:
    """The living processes whose session one of `leaders` began."""
    return [pid for pid, session in living().items() if session in leaders]


def living() -> dict[int, int]:
    """The session of every process. A zombie does not live: nothing of it is left that could be stopped."""
    return _from_proc() if (PROC / "self" / "stat").exists() else _from_ps()


def _from_proc() -> dict[int, int]:
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            # The command's name stands in brackets and may hold anything: state, parent, group and session follow.
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if state not in "ZX":
                found[int(entry.name)] = int(session)
    return found


def _from_ps() -> dict[int, int]:
    """macOS: `ps` names no session there that could be compared, but the system call does."""
    listing = subprocess.run(["/bin/ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
    found = {}
    for line in listing.stdout.splitlines():
        pid, state = line.split()
        with suppress(OSError):
            if not state.startswith("Z"):
                found[int(pid)] = os.getsid(int(pid))
    return found
