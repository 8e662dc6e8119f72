"""Where the figures of a picture stand: how tall each is, who looks where, how far apart."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .builds import BUILDS
from .characters import Look

# A child's height as a share of the picture's square.
CHILD = 0.2
TALL = {
    "fox": 0.68, "wolf": 0.72, "dog": 0.64, "cat": 0.55, "bear": 1.1, "rabbit": 0.62, "mouse": 0.56, "deer": 1.3,
    "horse": 1.3, "bird": 0.5, "owl": 0.64, "robot": 1.1, "dragon": 1.22,
}  # fmt: skip
# How far each reaches to its front and its back, in children, with a little air.
REACH = {
    "horse": (0.66, 0.5), "deer": (0.62, 0.42), "dragon": (0.44, 0.8), "bear": (0.46, 0.38), "fox": (0.46, 0.6),
    "wolf": (0.46, 0.6),
}  # fmt: skip
LANTERN_HANDS = frozenset({"robot", "bear", "rabbit", "mouse"})


@dataclass(frozen=True, slots=True)
class Standing:
    look: Look
    x: float
    facing: int
    lantern: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Everybody, and the pixels they take from `left` to `right`; `size` is a child's height."""

    standing: tuple[Standing, ...]
    left: float
    right: float
    size: float

    def moved(self, by: float) -> "Group":
        standing = tuple(replace(one, x=one.x + by) for one in self.standing)
        return Group(standing, self.left + by, self.right + by, self.size)


def arrange(
    looks: Sequence[Look], rng: random.Random, *, x: float, facing: int, unit: float, room: float, lantern: bool
) -> Group:
    """The first looks into the picture, the second stands before it, the third behind; all of them around `x`."""
    turns = [facing, facing if rng.random() < 0.6 else -facing, facing]
    order = list(zip(looks, turns, strict=False))
    if len(order) == 3:
        order = [order[2], order[0], order[1]]
    spots: list[float] = []
    edge = 0.0
    for look, turn in order:
        before, behind = REACH.get(look.kind, (0.36, 0.28) if look.is_person else (0.38, 0.36))
        back, front = (behind, before) if turn == facing else (before, behind)
        spots.append(edge + back)
        edge += back + front
    size = _size(looks, unit)
    if edge * size > room:
        size = room / edge
    bearer = _bearer(looks, lantern=lantern)
    standing = tuple(
        Standing(look, x + facing * (spot - edge / 2) * size, turn, look is bearer)
        for (look, turn), spot in zip(order, spots, strict=True)
    )
    return Group(standing, x - edge / 2 * size, x + edge / 2 * size, size)


def height_of(look: Look) -> float:
    """In children."""
    build = BUILDS.get(look.kind)
    return (build.neck + 1.9 * build.head) / 93 if build else TALL[look.kind]


def _size(looks: Sequence[Look], unit: float) -> float:
    size = CHILD * unit
    if looks and height_of(looks[0]) < 0.95:
        # An animal that has the picture for itself, or leads it, is as large as a child would be.
        size *= min(1.45, max(1.0, 0.95 / max(map(height_of, looks))))
    return size


def _bearer(looks: Sequence[Look], *, lantern: bool) -> Look | None:
    """Who owns a lantern carries it; a lantern of the scene goes to the first who has a hand for it."""
    owner = next((look for look in looks if look.lantern), None)
    if owner or not lantern:
        return owner
    return next((look for look in looks if look.is_person or look.kind in LANTERN_HANDS), None)
