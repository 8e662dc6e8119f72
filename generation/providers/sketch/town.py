"""City and village."""

import math
from itertools import pairwise

from . import buildings
from .land import band, level, rolling, stage
from .landmarks import paint_landmarks
from .palette import LAMPLIGHT, WHITE, Colour, hexed, mix
from .pen import Layer, Pen
from .scene import Ridge, Scene
from .woods import flowers, hills, tree

WALLS = tuple(map(hexed, ("e9d8bd", "d9b48f", "c98f74", "d8c9b8", "b9a7a0")))


ROOFS = tuple(map(hexed, ("a5493b", "8a4a55", "b3623f", "6f5068")))


def city(scene: Scene) -> Ridge:
    """Three rows of houses, windows lit when it is dark, and a street with lamps."""
    _row(scene, 0.08, scene.y(0.62), wide=(0.025, 0.06), high=(0.12, 0.36), lit=0.0)
    scene.mist(scene.y(0.6), 0.1 * scene.unit, 0.5)
    _row(scene, 0.26, scene.y(0.69), wide=(0.045, 0.08), high=(0.16, 0.32), lit=0.3)
    scene.mist(scene.y(0.7), 0.1 * scene.unit, 0.5)
    paint_landmarks(scene, level(scene.y(0.68)))
    _row(scene, 0.46, scene.y(0.77), wide=(0.06, 0.1), high=(0.16, 0.27), lit=0.5)
    scene.mist(scene.y(0.79), 0.11 * scene.unit, 0.55)
    return _street(scene)


def _row(
    scene: Scene, depth: float, foot: float, *, wide: tuple[float, float], high: tuple[float, float], lit: float
) -> None:
    """Houses side by side; low and unlit behind the figures, so that nothing glitters around them."""
    unit, rng, colours = scene.unit, scene.rng, scene.colours
    layer = scene.layer(depth, top=foot - (high[1] * 1.3) * unit, fade_from=foot - high[1] * 0.75 * unit)
    window = (
        mix(LAMPLIGHT, colours.tone(depth), 0.55 - depth)
        if colours.hour.dark
        else mix(colours.tone(depth), colours.near, 0.28)
    )
    x = -wide[1] * unit
    while x < scene.width + wide[1] * unit:
        half = rng.uniform(*wide) * unit / 2
        clear = scene.clear_of_figures(x + half, reach=0.13)
        tall = rng.uniform(*high) * unit * (1.0 if clear else 0.62)
        pen = layer.pen.at(x + half, foot, unit=tall)
        buildings.townhouse(pen, rng, half / tall * 1.03, None, window, lit=lit if clear else lit * 0.12)
        x += half * 2
    layer.pen.polygon(
        [(0, foot - 0.01 * unit), (scene.width, foot - 0.01 * unit), (scene.width, scene.height), (0, scene.height)]
    )
    scene.lay(layer)


def _street(scene: Scene) -> Ridge:
    unit = scene.unit
    x0, y0 = scene.focus
    slope = scene.rng.uniform(-0.02, 0.02)

    def ground(x: float) -> float:
        return y0 + slope * (x - x0) + 0.02 * unit * (1 - math.exp(-(((x - x0) / (0.4 * unit)) ** 2)))

    def lamps(pen: Pen) -> None:
        post = scene.colours.tone(0.95)
        size = 0.26 * unit
        outward = [0.09 * unit + index * 0.44 * unit for index in range(math.ceil(scene.span * 2.5))]
        beside = [scene.group.left - far for far in outward] + [scene.group.right + far for far in outward]
        for x in beside:
            glass = LAMPLIGHT if scene.colours.hour.dark else mix(LAMPLIGHT, WHITE, 0.5)
            buildings.street_lamp(pen.at(x, ground(x) + 0.006 * unit, unit=size), post, glass)
            if -size < x < scene.width + size:
                scene.lamp(x, ground(x) - 0.9 * size, 0.17 * unit, strength=0.75)

    def stones(pen: Pen) -> None:
        tone = mix(scene.colours.ground(0.7), scene.colours.haze, 0.16)
        for row in range(1, 7):
            for x in scene.scatter(0.05 + 0.012 * row):
                y = ground(x) + (0.012 + 0.005 * row * row) * unit
                long = (0.008 + 0.0035 * row) * unit
                if scene.rng.random() < 0.6:
                    pen.oval(x, y, long, long * 0.22, tone, inside=True)
        if scene.colours.snowy:
            lamps(pen)

    band(scene, 0.7, ground, at=y0, tall=0.3, planted=None if scene.colours.snowy else lamps, ground_only=stones)
    return ground


def village(scene: Scene) -> Ridge:
    """Hills with a handful of houses, a church, and smoke from a chimney."""
    unit = scene.unit
    band(scene, 0.05, rolling(scene, scene.y(0.53), 0.05, 0.9), at=scene.y(0.53), tall=0.05)
    hills(scene, 0.18, scene.y(0.59), each=0.07, high=(0.04, 0.09))
    scene.mist(scene.y(0.62), 0.06 * unit, 0.35)
    ridge = rolling(scene, scene.y(0.66), 0.022, 0.8)
    band(scene, 0.36, ridge, at=scene.y(0.66), tall=0.05)
    _houses(scene, ridge)
    scene.mist(scene.y(0.74), 0.09 * unit, 0.3)
    paint_landmarks(scene, ridge)
    ground = stage(scene)

    def near(pen: Pen) -> None:
        _fence(scene, pen, ground)
        if not scene.colours.snowy:
            flowers(scene, pen, ground, each=0.06, size=(0.018, 0.03), depth=0.66)

    def one_tree(pen: Pen) -> None:
        x = scene.focus[0] - scene.facing * scene.rng.uniform(0.27, 0.31) * unit
        tree(
            scene,
            pen.at(x, ground(x) + 0.012 * unit, unit=scene.rng.uniform(0.3, 0.4) * unit),
            "pine" if scene.colours.snowy else "round",
            0.66,
        )

    band(scene, 0.66, ground, at=scene.focus[1], tall=0.42, planted=one_tree, ground_only=near)
    return ground


def _houses(scene: Scene, ridge: Ridge) -> None:
    unit, rng, colours = scene.unit, scene.rng, scene.colours
    layer = Layer((0, max(0, int(scene.y(0.38))), scene.width, int(scene.y(0.8))), colours.tone(0.4), colours.tone(0.4))
    window = LAMPLIGHT if colours.hour.dark or colours.snowy else colours.lit(hexed("5b5560"))
    spire = scene.focus[0] + scene.facing * 0.3 * unit
    for x in [spire, *scene.scatter(0.12, jitter=0.3)]:
        if not scene.clear_of_figures(x, reach=0.14) or (x != spire and abs(x - spire) < 0.1 * unit):
            continue
        wall = mix(
            colours.lit(rng.choice(WALLS)), colours.tone(0.36), 0.45 if colours.hour.dark or colours.snowy else 0.2
        )
        roof = colours.lit(rng.choice(ROOFS))
        if colours.snowy:
            roof = colours.ground(0.9)
        size = 0.2 * unit if x == spire else rng.uniform(0.075, 0.11) * unit
        pen = layer.pen.at(x, ridge(x) + rng.uniform(0.005, 0.03) * unit, unit=size)
        if x == spire:
            buildings.church(pen, wall, roof, window)
        else:
            buildings.house(pen, rng, wall, roof, window)
            if colours.hour.dark:
                scene.lamp(x, ridge(x) - 0.01 * unit, 0.07 * unit, strength=0.5)
            elif rng.random() < 0.4:
                _smoke(pen, mix(colours.haze, WHITE, 0.35))
    scene.lay(layer)


def _smoke(pen: Pen, ink: Colour) -> None:
    for x, y, size in ((0.24, -1.1, 0.05), (0.28, -1.24, 0.07), (0.24, -1.42, 0.09), (0.31, -1.62, 0.11)):
        pen.oval(x, y, size, size * 0.8, ink)


def _fence(scene: Scene, pen: Pen, ground: Ridge) -> None:
    unit = scene.unit
    ink = mix(scene.colours.lit(hexed("e9dcc4")), scene.colours.tone(0.66), 0.4)
    start = scene.focus[0] + scene.facing * 0.2 * unit
    xs = [start + scene.facing * index * 0.045 * unit for index in range(math.ceil(12 * scene.span))]
    for one, other in pairwise(xs):
        for high in (0.02, 0.036):
            pen.limb(
                [(one, ground(one) - high * unit), (other, ground(other) - high * unit)],
                0.005 * unit,
                0.005 * unit,
                ink,
            )
    for x in xs:
        pen.limb([(x, ground(x) + 0.006 * unit), (x, ground(x) - 0.048 * unit)], 0.009 * unit, 0.007 * unit, ink)
