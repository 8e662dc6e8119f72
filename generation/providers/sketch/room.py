"""A room: the hour is outside the window."""

import math

from . import plants
from .palette import LAMPLIGHT, WHITE, Colour, hexed, mix
from .pen import Layer, Pen, smooth
from .scene import Ridge, Scene
from .woods import hills

BOOKS = tuple(map(hexed, ("c8513f", "e0a63c", "3f7f86", "7c4d86", "e9d8bd", "4f7a52")))


def room(scene: Scene) -> Ridge:
    """A room with a great window onto the hour outside, a lamp, books, and a rug to stand on."""
    unit, colours = scene.unit, scene.colours
    x0, y0 = scene.focus
    hills(scene, 0.15, scene.y(0.53), each=0.06, high=(0.04, 0.09))
    hills(scene, 0.34, scene.y(0.6), each=0.08, high=(0.05, 0.1))
    wall = mix(hexed("e8c193"), colours.near, 0.5 if colours.hour.dark else 0.08)
    layer = Layer((0, 0, scene.width, scene.height), mix(wall, colours.near, 0.25), wall)
    pen = layer.pen
    pen.polygon([(0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)])
    middle = x0 + scene.facing * 0.17 * unit
    _window(scene, pen, middle, wall)
    _floor(scene, pen, wall)
    _shelf(scene, pen, x0 - scene.facing * 0.27 * unit, wall)
    rug = colours.lit(hexed("b9574a"))
    pen.oval(x0 + scene.facing * 0.04 * unit, y0 + 0.02 * unit, 0.3 * unit, 0.05 * unit, rug)
    pen.oval(x0 + scene.facing * 0.04 * unit, y0 + 0.02 * unit, 0.25 * unit, 0.038 * unit, mix(rug, WHITE, 0.22))
    reach = min(0.47 * unit, abs((scene.width if scene.facing > 0 else 0) - x0) - 0.08 * unit)
    _floor_lamp(scene, pen, x0 + scene.facing * reach, y0 - 0.02 * unit)
    scene.lay(layer)
    return lambda _: y0


def _window(scene: Scene, pen: Pen, x: float, wall: Colour) -> None:
    unit = scene.unit
    wide, top, sill = 0.21 * unit, scene.y(0.14), scene.y(0.63)
    frame = mix(wall, hexed("fff6e6"), 0.65 if not scene.colours.hour.dark else 0.35)
    arch = [
        (x + wide * math.cos(math.pi + math.pi * i / 24), top + wide + wide * math.sin(math.pi + math.pi * i / 24))
        for i in range(25)
    ]
    edge = 0.022 * unit
    outer = [
        (x + (px - x) * (1 + edge / wide), py if py > top + wide else py - edge * (top + wide - py) / wide)
        for px, py in arch
    ]
    pen.polygon([(x - wide - edge, sill + edge), *outer, (x + wide + edge, sill + edge)], frame)
    pen.cut([(x - wide, sill), *arch, (x + wide, sill)])
    thin = 0.011 * unit
    pen.limb([(x, top), (x, sill)], thin, thin, frame)
    for y in (top + wide, (top + wide + sill) / 2):
        pen.limb([(x - wide, y), (x + wide, y)], thin, thin, frame)
    pen.polygon(
        [
            (x - wide - 0.05 * unit, sill),
            (x + wide + 0.05 * unit, sill),
            (x + wide + 0.05 * unit, sill + 0.028 * unit),
            (x - wide - 0.05 * unit, sill + 0.028 * unit),
        ],
        frame,
    )
    curtain = scene.colours.lit(hexed("c06a4f"))
    pen.limb(
        [(x - wide - 0.09 * unit, top - 0.03 * unit), (x + wide + 0.09 * unit, top - 0.03 * unit)],
        0.012 * unit,
        0.012 * unit,
        mix(wall, scene.colours.near, 0.6),
    )
    for side in (-1, 1):
        far, near = x + side * (wide + 0.08 * unit), x + side * wide * 0.72
        tie = scene.y(0.46)
        folds = [
            (near, top - 0.02 * unit),
            (near + side * 0.03 * unit, top + 0.12 * unit),
            (far - side * 0.045 * unit, tie),
        ]
        below = [
            (far - side * 0.045 * unit, tie),
            (far - side * 0.03 * unit, scene.y(0.58)),
            (far - side * 0.04 * unit, scene.y(0.685)),
        ]
        pen.polygon(
            [
                *smooth(folds, closed=False),
                *smooth(below, closed=False),
                (far, scene.y(0.685)),
                (far, top - 0.02 * unit),
            ],
            curtain,
        )
        for share in (0.3, 0.6):
            upper = (near + (far - near) * share, top)
            pen.limb(
                [upper, (far - side * 0.02 * unit, tie)],
                0.004 * unit,
                0.003 * unit,
                mix(curtain, scene.colours.near, 0.25),
            )
        pen.limb(
            [(far - side * 0.045 * unit, scene.y(0.45)), (far + side * 0.005 * unit, scene.y(0.45))],
            0.014 * unit,
            0.014 * unit,
            mix(curtain, WHITE, 0.4),
        )
    pot = pen.at(x + scene.facing * wide * 0.6, sill, unit=0.05 * unit)
    plants.fern(pot.at(0, -0.6, unit=1.3), scene.rng, scene.colours.lit(hexed("4f8a5c")))
    pot.polygon([(-0.42, -0.75), (0.42, -0.75), (0.3, 0.02), (-0.3, 0.02)], scene.colours.lit(hexed("c9673f")))


def _floor(scene: Scene, pen: Pen, wall: Colour) -> None:
    top = scene.y(0.72)
    wood = mix(scene.colours.lit(hexed("8f5a3f")), scene.colours.near, 0.2)
    pen.polygon([(0, top), (scene.width, top), (scene.width, scene.height), (0, scene.height)], wood)
    seam = mix(wood, scene.colours.near, 0.3)
    y = top
    for row in range(1, 9):
        y += 0.009 * row * scene.unit
        pen.limb([(0, y), (scene.width, y)], 0.003 * scene.unit, 0.003 * scene.unit, seam)
    pen.polygon(
        [(0, top - 0.022 * scene.unit), (scene.width, top - 0.022 * scene.unit), (scene.width, top), (0, top)],
        mix(wall, WHITE, 0.3),
    )


def _shelf(scene: Scene, pen: Pen, x: float, wall: Colour) -> None:
    """A bookcase against the wall, behind the figures."""
    unit, rng = scene.unit, scene.rng
    wood = mix(scene.colours.lit(hexed("6b4232")), scene.colours.near, 0.15)
    half, top, foot = 0.1 * unit, scene.y(0.33), scene.y(0.74)
    pen.polygon([(x - half, top), (x + half, top), (x + half, foot), (x - half, foot)], wood)
    shelves = 4
    for row in range(shelves):
        upper = top + (foot - top) * (row + 0.08) / shelves
        lower = top + (foot - top) * (row + 0.92) / shelves
        left, right = x - half * 0.88, x + half * 0.88
        pen.polygon([(left, upper), (right, upper), (right, lower), (left, lower)], mix(wood, scene.colours.near, 0.45))
        at = left + 0.004 * unit
        while at < right - 0.03 * unit:
            wide = rng.uniform(0.01, 0.022) * unit
            high = (lower - upper) * rng.uniform(0.6, 0.92)
            if rng.random() < 0.87:
                book = mix(scene.colours.lit(rng.choice(BOOKS)), wood, 0.25)
                pen.polygon(
                    [(at, lower), (at, lower - high), (at + wide * 0.88, lower - high), (at + wide * 0.88, lower)], book
                )
            at += wide


def _floor_lamp(scene: Scene, pen: Pen, x: float, y: float) -> None:
    unit = scene.unit
    post = scene.colours.lit(hexed("4a3434"))
    pen.limb([(x, y), (x, y - 0.3 * unit)], 0.01 * unit, 0.008 * unit, post)
    pen.oval(x, y, 0.045 * unit, 0.01 * unit, post)
    pen.polygon(
        [
            (x - 0.06 * unit, y - 0.27 * unit),
            (x - 0.036 * unit, y - 0.36 * unit),
            (x + 0.036 * unit, y - 0.36 * unit),
            (x + 0.06 * unit, y - 0.27 * unit),
        ],
        mix(LAMPLIGHT, WHITE, 0.25),
    )
    scene.lamp(x, y - 0.29 * unit, 0.34 * unit, strength=0.7)
