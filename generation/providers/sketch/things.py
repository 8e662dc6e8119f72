"""Boats, balloons, fires and other things of a story. A unit high, the foot at the pen's origin."""

from .palette import Colour, mix
from .pen import Pen, smooth


def sailing_boat(pen: Pen, hull: Colour, sail: Colour, pennant: Colour) -> None:
    pen.limb([(0.02, -0.1), (0.02, -1)], 0.022, 0.016, hull)
    pen.polygon(smooth([(0.05, -0.93), (0.3, -0.52), (0.4, -0.2), (0.05, -0.2)], closed=False, steps=5), sail)
    pen.polygon([(-0.01, -0.88), (-0.01, -0.22), (-0.33, -0.2)], mix(sail, hull, 0.14))
    pen.polygon([(0.02, -1.0), (-0.13, -0.97), (0.02, -0.93)], pennant)
    boat(pen, hull)


def boat(pen: Pen, hull: Colour) -> None:
    """The hull alone, 1.04 wide; its rim is at -0.14."""
    pen.polygon(
        smooth(
            [(-0.5, -0.17), (-0.36, 0.0), (-0.1, 0.05), (0.22, 0.04), (0.4, -0.03), (0.54, -0.2)], closed=False, steps=5
        ),
        hull,
    )
    pen.polygon([(-0.47, -0.14), (-0.45, -0.1), (0.47, -0.11), (0.51, -0.16)], mix(hull, (255, 244, 220), 0.4))


def balloon(pen: Pen, body: Colour, stripe: Colour, basket: Colour) -> None:
    pen.blob(
        [
            (0, -1),
            (0.27, -0.9),
            (0.35, -0.66),
            (0.22, -0.4),
            (0.07, -0.22),
            (-0.07, -0.22),
            (-0.22, -0.4),
            (-0.35, -0.66),
            (-0.27, -0.9),
        ],
        body,
    )
    for outer, inner in ((0.24, 0.12), (-0.24, -0.12)):
        pen.blob(
            [
                (outer * 0.3, -0.995),
                (outer, -0.66),
                (outer * 0.28, -0.22),
                (inner * 0.3, -0.22),
                (inner, -0.66),
                (inner * 0.3, -1),
            ],
            stripe,
            inside=True,
        )
    for x in (-0.055, 0.055):
        pen.limb([(x, -0.23), (x * 0.8, -0.1)], 0.008, 0.008, basket)
    pen.polygon([(-0.065, -0.11), (0.065, -0.11), (0.05, 0), (-0.05, 0)], basket)


def rocket(pen: Pen, body: Colour, fins: Colour, glass: Colour) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.12, -0.36), (side * 0.3, -0.08), (side * 0.28, 0.02), (side * 0.1, -0.1)], fins)
    pen.blob([(0, -1), (0.12, -0.78), (0.165, -0.5), (0.1, -0.08), (-0.1, -0.08), (-0.165, -0.5), (-0.12, -0.78)], body)
    pen.blob([(0, -1), (0.075, -0.88), (0.11, -0.8), (-0.11, -0.8), (-0.075, -0.88)], fins)
    pen.oval(0, -0.58, 0.075, 0.075, fins)
    pen.oval(0, -0.58, 0.052, 0.052, glass)
    pen.polygon([(-0.02, -0.34), (0.02, -0.34), (0.02, 0.02), (-0.02, 0.02)], fins)


def tent(pen: Pen, cloth: Colour, inside: Colour) -> None:
    pen.polygon([(-0.75, 0.03), (0, -1), (0.75, 0.03)], cloth)
    pen.polygon([(0, -1), (0.12, -1.08), (0.9, -0.02), (0.75, 0.03)], mix(cloth, (20, 16, 36), 0.3))
    pen.polygon([(-0.26, 0.03), (0, -0.72), (0.26, 0.03)], inside)
    pen.polygon([(0, -0.72), (-0.02, -0.3), (-0.26, 0.03), (-0.36, 0.03)], mix(cloth, (255, 250, 230), 0.25))


def campfire(pen: Pen, wood: Colour) -> None:
    pen.limb([(-0.5, 0.0), (0.42, -0.14)], 0.14, 0.12, wood)
    pen.limb([(0.5, 0.0), (-0.42, -0.14)], 0.14, 0.12, wood)
    for size, ink in ((1.0, (232, 98, 48)), (0.7, (247, 158, 62)), (0.42, (255, 222, 138))):
        pen.blob(
            [
                (0.02 * size, -1.05 * size),
                (0.26 * size, -0.55 * size),
                (0.3 * size, -0.2),
                (0, -0.06),
                (-0.3 * size, -0.2),
                (-0.16 * size, -0.62 * size),
            ],
            ink,
        )


def snowman(pen: Pen, snow: Colour, shade: Colour, scarf: Colour) -> None:
    dark = (44, 38, 52)
    pen.oval(0, -0.24, 0.28, 0.26, snow)
    pen.oval(0, -0.58, 0.2, 0.19, snow)
    pen.oval(0, -0.84, 0.14, 0.14, snow)
    pen.oval(0.06, -0.22, 0.2, 0.2, mix(snow, shade, 0.18))
    pen.limb([(-0.15, -0.72), (0.15, -0.72)], 0.08, 0.08, scarf)
    pen.limb([(0.1, -0.7), (0.13, -0.52)], 0.07, 0.08, scarf)
    pen.polygon([(0.02, -0.87), (0.2, -0.84), (0.02, -0.81)], (235, 128, 52))
    for x, y, size in ((-0.05, -0.89, 0.017), (0.05, -0.89, 0.017), (0, -0.6, 0.02), (0, -0.5, 0.02)):
        pen.oval(x, y, size, size, dark)
    pen.polygon(
        [
            (-0.17, -0.95),
            (0.17, -0.95),
            (0.17, -0.98),
            (0.1, -0.98),
            (0.1, -1.14),
            (-0.1, -1.14),
            (-0.1, -0.98),
            (-0.17, -0.98),
        ],
        dark,
    )


def whale(pen: Pen, back: Colour, belly: Colour, spout: Colour) -> None:
    """Half out of the water, 2.4 wide; the water covers its foot."""
    pen.polygon(
        smooth([(-1.1, 0.25), (-0.95, -0.3), (-0.45, -0.62), (0.2, -0.52), (0.75, -0.1), (1.1, 0.25)], closed=False),
        back,
    )
    pen.polygon(smooth([(-1.08, 0.25), (-0.98, -0.08), (-0.5, 0.02), (-0.1, 0.25)], closed=False), belly, inside=True)
    tail = pen.at(1.25, -0.25, turn=18)
    tail.limb([(-0.15, 0.6), (0, 0.0)], 0.34, 0.14, back)
    tail.blob([(0, 0.05), (-0.42, -0.28), (-0.3, -0.36), (0, -0.14), (0.3, -0.36), (0.42, -0.28)], back)
    pen.oval(-0.72, -0.12, 0.045, 0.045, (24, 24, 40))
    for side in (-1, 1):
        pen.limb(
            smooth([(-0.4, -0.6), (-0.4 + side * 0.06, -0.95), (-0.4 + side * 0.3, -0.92)], closed=False, steps=4),
            0.05,
            0.09,
            spout,
        )


def gull(pen: Pen, ink: Colour, *, beat: float) -> None:
    """Two bent wings; `beat` lifts them."""
    for side in (-1, 1):
        pen.blob(
            [(0, 0.06), (side * 0.5, -0.26 - beat), (side * 1, -0.06 - beat * 0.4), (side * 0.5, -0.12 - beat)], ink
        )
    pen.oval(0, 0.02, 0.13, 0.07, ink)
