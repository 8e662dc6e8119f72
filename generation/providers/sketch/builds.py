"""How people are built and how figures stand."""

from dataclasses import dataclass

from .palette import Colour

DARK: Colour = (38, 30, 44)


CREAM: Colour = (250, 240, 220)


@dataclass(frozen=True, slots=True)
class Pose:
    """`stride` 0 stands, 1 walks; `raised` lifts the leading arm; `seated` is for animals."""

    stride: float = 0.0
    raised: bool = False
    seated: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """Heights above the ground, and half widths."""

    neck: float
    head: float
    hem: float
    shoulders: float
    skirt: float
    trousers: bool = False


CHILD = Build(neck=64, head=15.5, hem=24, shoulders=10.5, skirt=19)


BUILDS = {
    "girl": CHILD,
    "princess": Build(neck=68, head=14.5, hem=5, shoulders=9.5, skirt=23),
    "boy": Build(neck=63, head=15.5, hem=33, shoulders=11.5, skirt=14, trousers=True),
    "woman": Build(neck=82, head=12.5, hem=20, shoulders=11, skirt=19),
    "grandmother": Build(neck=70, head=13.5, hem=8, shoulders=13, skirt=22),
    "witch": Build(neck=76, head=13, hem=6, shoulders=10.5, skirt=23),
    "man": Build(neck=86, head=12.5, hem=36, shoulders=15, skirt=17, trousers=True),
    "grandfather": Build(neck=76, head=13, hem=32, shoulders=14, skirt=17, trousers=True),
    "king": Build(neck=84, head=13, hem=6, shoulders=15, skirt=25),
    "wizard": Build(neck=80, head=13, hem=3, shoulders=12, skirt=25),
    "knight": Build(neck=82, head=13, hem=42, shoulders=16, skirt=15, trousers=True),
    "astronaut": Build(neck=66, head=18, hem=30, shoulders=16, skirt=17, trousers=True),
}
