"""Houses, towers and what else people build. A unit high, the foot at the pen's origin, unless it says otherwise."""

import random

from .palette import Colour, mix
from .pen import Pen


def house(pen: Pen, rng: random.Random, wall: Colour, roof: Colour, window: Colour) -> None:
    """A gable in front or a long side, a chimney, one to three windows."""
    wide = rng.uniform(0.34, 0.5)
    eaves = rng.uniform(0.5, 0.6)
    pen.polygon([(wide * 0.4, -0.55), (wide * 0.4, -1), (wide * 0.68, -1), (wide * 0.68, -0.5)], roof)
    pen.polygon([(-wide, 0.06), (-wide, -eaves), (wide, -eaves), (wide, 0.06)], wall)
    if rng.random() < 0.5:
        pen.polygon([(-wide, -eaves), (0, -0.98), (wide, -eaves)], wall)
        pen.polygon(
            [
                (-wide - 0.07, -eaves + 0.05),
                (0, -1),
                (wide + 0.07, -eaves + 0.05),
                (wide, -eaves),
                (0, -0.9),
                (-wide, -eaves),
            ],
            roof,
        )
    else:
        pen.polygon([(-wide - 0.07, -eaves), (-wide + 0.08, -0.92), (wide - 0.08, -0.92), (wide + 0.07, -eaves)], roof)
    for x in (-wide * 0.52, wide * 0.52):
        pen.polygon([(x - 0.075, -0.2), (x - 0.075, -0.4), (x + 0.075, -0.4), (x + 0.075, -0.2)], window)
    pen.polygon([(-0.06, 0.06), (-0.06, -0.22), (0, -0.27), (0.06, -0.22), (0.06, 0.06)], mix(wall, roof, 0.8))


def townhouse(pen: Pen, rng: random.Random, wide: float, wall: Colour | None, window: Colour, *, lit: float) -> None:
    """One of a row, with one of four roofs; `lit` is the share of its windows with a light in them."""
    roof = rng.choice(("gable", "gable", "flat", "steps", "spire"))
    eaves = 0.78
    pen.polygon([(-wide, 0.5), (-wide, -eaves), (wide, -eaves), (wide, 0.5)], wall)
    if roof == "gable":
        pen.polygon([(-wide * 1.08, -eaves), (0, -1), (wide * 1.08, -eaves)], wall)
        pen.polygon([(wide * 0.4, -eaves), (wide * 0.4, -0.99), (wide * 0.62, -0.99), (wide * 0.62, -eaves)], wall)
    elif roof == "steps":
        for index in range(3):
            side = wide * (1 - index * 0.3)
            pen.polygon(
                [
                    (-side, -eaves),
                    (-side, -eaves - 0.07 * (index + 1)),
                    (side, -eaves - 0.07 * (index + 1)),
                    (side, -eaves),
                ],
                wall,
            )
    elif roof == "spire":
        pen.polygon(
            [(-wide * 0.5, -eaves), (-wide * 0.5, -0.9), (0, -1.25), (wide * 0.5, -0.9), (wide * 0.5, -eaves)], wall
        )
    else:
        pen.polygon(
            [
                (-wide * 1.06, -eaves),
                (-wide * 1.06, -eaves - 0.04),
                (wide * 1.06, -eaves - 0.04),
                (wide * 1.06, -eaves),
            ],
            wall,
        )
    columns = 2 if wide < 0.3 else 3
    for row in range(5):
        for column in range(columns):
            if rng.random() < lit:
                x = (column - (columns - 1) / 2) * wide * 1.3 / columns * 1.15
                y = -0.68 + row * 0.17
                half = wide * 0.11 if columns == 3 else wide * 0.14
                pen.polygon(
                    [(x - half, y), (x - half, y - 0.075), (x + half, y - 0.075), (x + half, y)], window, inside=True
                )


def lighthouse(pen: Pen, white: Colour, red: Colour, lamp: Colour) -> None:
    """Banded, with a gallery and a lit lantern room at (0, -0.86)."""
    pen.polygon([(-0.15, 0.05), (-0.085, -0.78), (0.085, -0.78), (0.15, 0.05)], white)
    for low, high in ((-0.1, -0.26), (-0.42, -0.58), (-0.72, -0.78)):
        side_low, side_high = 0.15 + 0.083 * low, 0.15 + 0.083 * high
        pen.polygon([(-side_low, low), (-side_high, high), (side_high, high), (side_low, low)], red)
    pen.polygon([(-0.12, -0.78), (-0.12, -0.81), (0.12, -0.81), (0.12, -0.78)], red)
    pen.polygon([(-0.06, -0.81), (-0.06, -0.91), (0.06, -0.91), (0.06, -0.81)], lamp)
    pen.polygon([(-0.085, -0.91), (0, -1), (0.085, -0.91)], red)
    pen.polygon([(-0.03, 0.05), (-0.03, -0.07), (0, -0.09), (0.03, -0.07), (0.03, 0.05)], mix(red, white, 0.2))


def castle(pen: Pen, wall: Colour, roof: Colour, window: Colour) -> None:
    """Five towers with pointed roofs, about as wide as high."""
    towers = ((-0.36, 0.09, 0.46), (0.38, 0.09, 0.5), (-0.17, 0.08, 0.62), (0.2, 0.075, 0.58), (0.02, 0.11, 0.74))
    pen.polygon([(-0.42, 0.1), (-0.42, -0.3), (0.44, -0.3), (0.44, 0.1)], wall)
    for index in range(7):
        x = -0.38 + index * 0.13
        pen.polygon([(x - 0.035, -0.29), (x - 0.035, -0.35), (x + 0.035, -0.35), (x + 0.035, -0.29)], wall)
    for x, wide, high in towers:
        pen.polygon([(x - wide, 0.1), (x - wide, -high), (x + wide, -high), (x + wide, 0.1)], wall)
        pen.polygon([(x - wide * 1.3, -high), (x, -high - wide * 2.6), (x + wide * 1.3, -high)], roof)
        pen.limb([(x, -high - wide * 2.5), (x, -high - wide * 3)], 0.012, 0.012, roof)
        pen.polygon(
            [
                (x - 0.02, -high + 0.16),
                (x - 0.02, -high + 0.09),
                (x, -high + 0.065),
                (x + 0.02, -high + 0.09),
                (x + 0.02, -high + 0.16),
            ],
            window,
        )
    for x in (-0.28, -0.1, 0.13, 0.3):
        pen.polygon([(x - 0.018, -0.12), (x - 0.018, -0.19), (x + 0.018, -0.19), (x + 0.018, -0.12)], window)
    pen.polygon([(-0.06, 0.1), (-0.06, -0.09), (0.02, -0.16), (0.1, -0.09), (0.1, 0.1)], mix(wall, roof, 0.75))


def windmill(pen: Pen, wall: Colour, roof: Colour, window: Colour, *, turn: float) -> None:
    pen.polygon([(-0.16, 0.05), (-0.1, -0.6), (0.1, -0.6), (0.16, 0.05)], wall)
    pen.blob([(-0.12, -0.59), (-0.07, -0.7), (0.07, -0.7), (0.12, -0.59)], roof)
    pen.polygon([(-0.03, -0.3), (-0.03, -0.38), (0.03, -0.38), (0.03, -0.3)], window)
    pen.polygon([(-0.04, 0.05), (-0.04, -0.13), (0.04, -0.13), (0.04, 0.05)], roof)
    for quarter in range(4):
        sail = pen.at(0, -0.63, turn=turn + 90 * quarter)
        sail.limb([(0, 0), (0, -0.42)], 0.018, 0.014, roof)
        sail.polygon([(0.01, -0.1), (0.01, -0.41), (0.09, -0.41), (0.07, -0.1)], mix(wall, (255, 250, 235), 0.5))
    pen.oval(0, -0.63, 0.025, 0.025, roof)


def tower(pen: Pen, wall: Colour, roof: Colour, window: Colour) -> None:
    pen.polygon([(-0.12, 0.1), (-0.1, -0.66), (0.1, -0.66), (0.12, 0.1)], wall)
    pen.polygon([(-0.14, -0.62), (-0.14, -0.72), (0.14, -0.72), (0.14, -0.62)], wall)
    pen.polygon([(-0.17, -0.72), (0, -1), (0.17, -0.72)], roof)
    for y in (-0.5, -0.25):
        pen.polygon([(-0.025, y), (-0.025, y - 0.08), (0, y - 0.11), (0.025, y - 0.08), (0.025, y)], window)


def church(pen: Pen, wall: Colour, roof: Colour, window: Colour) -> None:
    pen.polygon([(-0.16, 0.1), (-0.16, -0.52), (0.1, -0.52), (0.1, 0.1)], wall)
    pen.polygon([(-0.2, -0.52), (-0.03, -1), (0.14, -0.52)], roof)
    pen.polygon([(0.05, 0.1), (0.05, -0.3), (0.5, -0.3), (0.5, 0.1)], wall)
    pen.polygon([(0.02, -0.3), (0.1, -0.46), (0.48, -0.46), (0.55, -0.3)], roof)
    for x, y in ((-0.03, -0.32), (0.2, -0.06), (0.36, -0.06)):
        pen.polygon([(x - 0.03, y), (x - 0.03, y - 0.1), (x, y - 0.13), (x + 0.03, y - 0.1), (x + 0.03, y)], window)


def street_lamp(pen: Pen, post: Colour | None, lamp: Colour) -> None:
    """Its light is at (0, -0.92)."""
    pen.limb([(0, 0.03), (0, -0.84)], 0.035, 0.025, post)
    pen.polygon([(-0.05, 0.03), (-0.03, -0.1), (0.03, -0.1), (0.05, 0.03)], post)
    pen.polygon([(-0.045, -0.84), (-0.065, -0.97), (0.065, -0.97), (0.045, -0.84)], lamp)
    pen.polygon([(-0.085, -0.96), (0, -1.03), (0.085, -0.96)], post)
