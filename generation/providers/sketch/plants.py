"""Trees, grass and flowers. Each is drawn a unit high with its foot at the pen's origin."""

import random

from .palette import Colour, mix
from .pen import Pen, smooth


def pine(pen: Pen, rng: random.Random, ink: Colour | None = None, *, snow: Colour | None = None) -> None:
    """Tiers with drooping hems; under snow the upper edge of each is white."""
    tiers = rng.choice((3, 4, 4, 5))
    wide = rng.uniform(0.17, 0.22)
    pen.polygon([(-0.022, 0), (-0.018, -0.25), (0.018, -0.25), (0.022, 0)], ink)
    for tier in range(tiers):
        low = -0.1 - 0.72 * tier / tiers
        top = max(-1.0, low - 0.42 + 0.03 * tier)
        reach = wide * (1 - 0.72 * tier / tiers)
        pen.polygon(
            [
                (0, top),
                (reach * 0.45, low - 0.1),
                (reach, low),
                (0, low - 0.035),
                (-reach, low),
                (-reach * 0.45, low - 0.1),
            ],
            ink,
        )
        if snow:
            pen.polygon(
                [
                    (0, top),
                    (reach * 0.45, low - 0.1),
                    (reach, low),
                    (reach * 0.1, low - 0.13),
                    (-reach * 0.3, low - 0.1),
                ],
                snow,
            )


def spruce(pen: Pen, rng: random.Random, ink: Colour | None = None) -> None:
    """A slender tree in one stroke, for the distance."""
    wide = rng.uniform(0.1, 0.16)
    pen.polygon(
        [
            (0, -1),
            (wide * 0.5, -0.5),
            (wide, -0.06),
            (0.015, -0.07),
            (0.015, 0),
            (-0.015, 0),
            (-0.015, -0.07),
            (-wide, -0.06),
            (-wide * 0.5, -0.5),
        ],
        ink,
    )


def round_tree(pen: Pen, rng: random.Random, ink: Colour | None = None, crown: Colour | None = None) -> None:
    """A broad crown of overlapping rounds, the light side a little paler where the crown has an ink."""
    pen.polygon([(-0.035, 0.01), (-0.02, -0.5), (0.02, -0.5), (0.035, 0.01)], ink)
    pen.limb([(0, -0.34), (0.12, -0.52)], 0.025, 0.015, ink)
    rounds = [(0.0, -0.72, 0.24, 0.27), (-0.17, -0.57, 0.17, 0.18), (0.18, -0.6, 0.17, 0.19), (0.02, -0.52, 0.2, 0.15)]
    shifts = [(rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.02)) for _ in rounds]
    for (x, y, wide, high), (dx, dy) in zip(rounds, shifts, strict=True):
        pen.oval(x + dx, y + dy, wide, high, crown or ink)
    if crown:
        for x, y, wide, high in ((-0.07, -0.79, 0.12, 0.12), (-0.2, -0.62, 0.08, 0.08), (0.16, -0.66, 0.08, 0.09)):
            pen.oval(x, y, wide, high, mix(crown, (255, 236, 190), 0.16))


def poplar(pen: Pen, rng: random.Random, ink: Colour | None = None, crown: Colour | None = None) -> None:
    """A leaf on a stem: the simplest tree of a picture book."""
    wide = rng.uniform(0.13, 0.19)
    pen.polygon([(-0.02, 0.01), (-0.012, -0.6), (0.012, -0.6), (0.02, 0.01)], ink)
    pen.blob(
        [(0, -1.02), (wide * 0.7, -0.72), (wide, -0.42), (0, -0.16), (-wide, -0.42), (-wide * 0.7, -0.72)], crown or ink
    )
    if crown:
        pen.limb([(0, -0.1), (0, -0.75)], 0.022, 0.01, ink)
        pen.limb([(0, -0.4), (wide * 0.5, -0.56)], 0.012, 0.008, ink)
        pen.limb([(0, -0.32), (-wide * 0.5, -0.46)], 0.012, 0.008, ink)


def birch(pen: Pen, rng: random.Random, bark: Colour, mark: Colour) -> None:
    """A pale trunk that leaves the picture at its top."""
    lean = rng.uniform(-0.03, 0.03)
    wide = rng.uniform(0.018, 0.026)
    pen.polygon([(-wide, 0.02), (lean - wide * 0.6, -1), (lean + wide * 0.6, -1), (wide, 0.02)], bark)
    for _ in range(7):
        y = -rng.uniform(0.05, 0.95)
        side = rng.choice((-1, 1))
        x = -lean * y
        pen.polygon(
            [(x + side * wide, y), (x + side * wide, y - 0.012), (x + side * wide * 0.1, y - 0.004)], mark, inside=True
        )


def trunk(pen: Pen, rng: random.Random, ink: Colour | None = None) -> None:
    """A great tree that stands beside the reader: roots, and a bough that reaches in to the right."""
    pen.polygon(
        smooth(
            [
                (-0.11, 0.04),
                (-0.055, -0.06),
                (-0.045, -0.4),
                (-0.06, -1.05),
                (0.075, -1.05),
                (0.05, -0.7),
                (0.048, -0.3),
                (0.06, -0.07),
                (0.14, 0.04),
            ],
            closed=True,
        ),
        ink,
    )
    high = rng.uniform(0.7, 0.8)
    bough = [(0.03, -high), (0.13, -high - 0.05), (0.23, -high - 0.045), (0.34, -high - 0.085)]
    pen.limb(smooth(bough, closed=False, steps=3), 0.028, 0.005, ink)
    for x, y, turn, size in (
        (0.1, -0.05, 70, 0.07), (0.15, -0.055, -50, 0.07), (0.18, -0.045, 75, 0.08), (0.22, -0.05, -35, 0.075),
        (0.25, -0.045, 55, 0.08), (0.28, -0.06, -60, 0.07), (0.31, -0.07, 30, 0.07), (0.34, -0.085, -20, 0.07),
    ):  # fmt: skip
        leaf = pen.at(x, y - high, unit=size, turn=turn + rng.uniform(-12, 12))
        leaf.blob([(0, 0), (0.45, -0.2), (1, 0), (0.45, 0.2)], ink)


def cactus(pen: Pen, ink: Colour | None = None) -> None:
    pen.limb([(0, 0), (0, -0.92)], 0.17, 0.15, ink)
    pen.limb(smooth([(0, -0.36), (0.24, -0.4), (0.27, -0.72)], closed=False, steps=4), 0.11, 0.1, ink)
    pen.limb(smooth([(0, -0.5), (-0.22, -0.53), (-0.25, -0.8)], closed=False, steps=4), 0.1, 0.09, ink)


def tuft(pen: Pen, rng: random.Random, ink: Colour | None = None) -> None:
    """Blades of grass, bent to one side."""
    for _ in range(rng.randint(4, 6)):
        x, lean, high = rng.uniform(-0.3, 0.3), rng.uniform(-0.25, 0.45), rng.uniform(0.5, 1)
        pen.polygon(
            [
                (x - 0.05, 0.08),
                (x + lean * 0.4, -high * 0.6),
                (x + lean, -high),
                (x + lean * 0.45 + 0.05, -high * 0.5),
                (x + 0.05, 0.08),
            ],
            ink,
        )


def fern(pen: Pen, rng: random.Random, ink: Colour | None = None) -> None:
    for lean in (-0.75, -0.35, 0.1, 0.5, 0.85):
        lean += rng.uniform(-0.1, 0.1)
        high = 1 - abs(lean) * 0.35
        pen.blob([(0, 0.08), (lean * 0.35 - 0.07, -high * 0.55), (lean, -high), (lean * 0.5 + 0.06, -high * 0.45)], ink)


def reed(pen: Pen, rng: random.Random, ink: Colour | None = None) -> None:
    for _ in range(3):
        x, lean, high = rng.uniform(-0.16, 0.16), rng.uniform(-0.08, 0.12), rng.uniform(0.7, 1)
        pen.limb([(x, 0.05), (x + lean * 0.4, -high * 0.5), (x + lean, -high)], 0.035, 0.015, ink)
        pen.limb([(x + lean * 0.8, -high * 0.8), (x + lean, -high)], 0.07, 0.06, ink)


def flower(pen: Pen, rng: random.Random, stem: Colour | None, petals: Colour) -> None:
    lean = rng.uniform(-0.2, 0.2)
    pen.limb([(0, 0.05), (lean * 0.4, -0.5), (lean, -0.85)], 0.07, 0.05, stem)
    pen.polygon([(0, -0.15), (0.26, -0.45), (0.05, -0.3)], stem)
    for dx, dy in ((-0.15, 0), (0.15, 0), (0, -0.15), (0, 0.13)):
        pen.oval(lean + dx, -0.88 + dy, 0.15, 0.15, petals)
    pen.oval(lean, -0.88, 0.09, 0.09, mix(petals, (255, 240, 170), 0.75))


def mushroom(pen: Pen, cap: Colour, stem: Colour) -> None:
    pen.limb([(0, 0.05), (0, -0.5)], 0.24, 0.2, stem)
    pen.blob([(-0.5, -0.42), (-0.3, -0.82), (0.3, -0.82), (0.5, -0.42), (0, -0.48)], cap)
    for x, y in ((-0.2, -0.6), (0.08, -0.72), (0.26, -0.54)):
        pen.oval(x, y, 0.07, 0.06, stem)
