"""A small story for a library that is still empty: ten scenes, one picture each."""

SAMPLE_TITLE = "Mira carries the light"

SAMPLE_STYLE = "A quiet picture book, flat shapes, soft grain."

# Name and appearance.
SAMPLE_CHARACTER = ("Mira", "a girl with a red coat, a yellow scarf and long dark hair")

SAMPLE_SCENES: tuple[str, ...] = (
    "The lighthouse at dusk. Mira lights her lantern from its great lamp.",
    "In the misty forest she meets a fox who has lost his way.",
    "The fox knows an old stone bridge, and they cross the river at dawn.",
    "A balloon carries Mira and the fox above the clouds, into the sunny noon.",
    "Autumn has come to the village, and every child wants to pat the fox.",
    "Rain and thunder in the mountains! Mira holds the lantern under her coat.",
    "At sunset in the desert, the fox asks a small dragon to share his campfire.",
    "Night in the snowy city. A lost robot warms his hands at the lantern.",
    "They sail home across the sea under the stars, and a whale sings to the fox.",
    "Morning in her own room. The lantern still burns, and the fox may stay.",
)
