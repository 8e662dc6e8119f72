"""Space and cave: places with no sky of their own kind."""

import math

from .heights import rock
from .land import band, fill, jagged, rolling, stage
from .landmarks import paint_landmarks
from .palette import Colour, hexed, mix
from .pen import Layer, Pen, smooth
from .scene import Ridge, Scene

PLANETS = tuple(map(hexed, ("d98a6a", "7fa8c9", "c983a8", "8fb59a", "d9b673")))


def space(scene: Scene) -> Ridge:
    """A planet with its ring and a small moon, each clear of the sun, above a cratered ground."""
    unit = scene.unit
    away = scene.width - scene.light[0]
    away += math.copysign(0.04, away - scene.light[0]) * unit
    scene.glow(away, scene.y(0.3), 0.55 * unit, scene.colours.far, 0.35)
    body = scene.rng.choice(PLANETS)
    _planet(scene, away, scene.y(0.27), scene.rng.uniform(0.115, 0.145) * unit, body, ringed=True)
    small = mix(scene.rng.choice(PLANETS), scene.colours.hour.middle, 0.4)
    _planet(scene, scene.width * 0.5, scene.y(0.12), 0.032 * unit, small, ringed=False)
    for depth, share, high, each in ((0.14, 0.6, 0.14, 0.2), (0.3, 0.67, 0.1, 0.26)):
        ridge, _ = jagged(scene, scene.y(share), high, each)
        band(scene, depth, ridge, at=scene.y(share), tall=high + 0.05)
        scene.mist(scene.y(share + 0.02), 0.08 * unit, 0.35)
    ridge = rolling(scene, scene.y(0.72), 0.02, 0.7)
    band(scene, 0.46, ridge, at=scene.y(0.72), tall=0.05)
    scene.mist(scene.y(0.77), 0.09 * unit, 0.5)
    paint_landmarks(scene, ridge)
    ground = stage(scene)

    def craters(pen: Pen) -> None:
        dark, pale = scene.colours.tone(0.92), mix(scene.colours.tone(0.66), scene.colours.haze, 0.35)
        for _ in range(math.ceil(7 * min(scene.span, 12))):
            x = scene.rng.uniform(0, scene.width)
            wide = scene.rng.uniform(0.02, 0.07) * unit
            y = ground(x) + scene.rng.uniform(0.05, 0.16) * unit
            pen.oval(x, y, wide, wide * 0.26, pale, inside=True)
            pen.oval(x, y + wide * 0.05, wide * 0.92, wide * 0.21, dark, inside=True)
        for x in scene.scatter(0.14, jitter=0.5):
            if scene.clear_of_figures(x, reach=0.12):
                rock(scene, pen.at(x, ground(x) + 0.006 * unit, unit=scene.rng.uniform(0.012, 0.036) * unit), 0.7)

    band(scene, 0.66, ground, at=scene.focus[1], tall=0.06, ground_only=craters)
    return ground


def _planet(scene: Scene, x: float, y: float, radius: float, body: Colour, *, ringed: bool) -> None:
    """Banded, in shadow on the side away from the sun."""
    reach = radius * 2.1
    box = (int(x - reach), int(y - reach), int(x + reach), int(y + reach))
    layer = Layer(box, body, mix(body, scene.colours.hour.middle, 0.4), scale=2)
    tilted = layer.pen.at(x, y, unit=radius, turn=-18)
    ring = mix(body, (255, 244, 220), 0.55)
    if ringed:
        _half_ring(tilted, ring, -1)
    tilted.oval(0, 0, 1, 1, body)
    for low, high, share in ((-0.62, -0.36, 0.22), (-0.1, 0.12, 0.16), (0.34, 0.6, 0.26)):
        tilted.polygon(_belt(low, high), mix(body, (255, 238, 210), share))
    side = 1 if scene.light[0] < x else -1
    shadow = [(math.cos(t), math.sin(t)) for t in (math.pi * (i / 20 - 0.5) for i in range(21))]
    inner = [(0.45 * px + 0.05, py) for px, py in reversed(shadow)]
    dusk = layer.pen.at(x, y, unit=radius, mirrored=side < 0)
    dusk.polygon(shadow + inner, mix(body, scene.colours.hour.zenith, 0.55))
    if ringed:
        _half_ring(tilted, ring, 1)
    layer.lay_on(scene.picture)


def _belt(low: float, high: float) -> list[tuple[float, float]]:
    a, b = math.asin(low), math.asin(high)
    angles = [a + (b - a) * i / 6 for i in range(7)]
    right = [(math.cos(t), math.sin(t)) for t in angles]
    return right + [(-px, py) for px, py in reversed(right)]


def _half_ring(pen: Pen, ink: Colour, side: int) -> None:
    angles = [math.pi * i / 30 for i in range(31)]
    outer = [(1.95 * math.cos(t), side * 0.42 * math.sin(t)) for t in angles]
    inner = [(1.5 * math.cos(t), side * 0.3 * math.sin(t)) for t in reversed(angles)]
    pen.polygon(outer + inner, ink)


def cave(scene: Scene) -> Ridge:
    """One arch of rock behind another, the hour outside shining through, crystals on the walls."""
    unit, rng = scene.unit, scene.rng
    x, y = scene.focus[0] + scene.facing * 0.06 * unit, scene.y(0.5)
    ridge = rolling(scene, scene.y(0.64), 0.03, 0.5)
    band(scene, 0.14, ridge, at=scene.y(0.64), tall=0.06)
    for depth, reach in ((0.34, 0.24), (0.54, 0.36), (0.76, 0.5)):
        layer = Layer(
            (0, 0, scene.width, scene.height), scene.colours.tone(depth + 0.1), scene.colours.tone(depth - 0.08)
        )
        layer.pen.polygon([(0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)])
        layer.pen.cut(smooth(_mouth(scene, x, y, reach), closed=True, steps=4))
        for side in (-1, 1):
            for _ in range(3):
                spot = x + side * rng.uniform(0.7, 1.1) * reach * unit
                _stalactite(layer.pen, spot, y - reach * 0.75 * unit, rng.uniform(0.06, 0.16) * unit, unit)
        scene.lay(layer)
        if depth > 0.4:
            _crystals(scene, x, reach)
    scene.glow(x, y + 0.1 * unit, 0.5 * unit, scene.colours.hour.horizon, 0.25)
    ground = stage(scene)

    def stones(pen: Pen) -> None:
        for spot in scene.scatter(0.1, jitter=0.5):
            if scene.clear_of_figures(spot, reach=0.12):
                rock(scene, pen.at(spot, ground(spot) + 0.008 * unit, unit=rng.uniform(0.015, 0.05) * unit), 0.8)

    layer = scene.layer(0.72, top=scene.focus[1] - 0.2 * unit, fade_from=scene.focus[1])
    fill(scene, layer, ground)
    stones(layer.pen)
    scene.lay(layer)
    return ground


def _mouth(scene: Scene, x: float, y: float, reach: float) -> list[tuple[float, float]]:
    """A ragged round, open below."""
    points = []
    for index in range(18):
        turn = 2 * math.pi * index / 18
        far = reach * scene.unit * scene.rng.uniform(0.88, 1.1)
        points.append(
            (x + far * math.cos(turn) * 1.05, y + far * math.sin(turn) * (1.0 if math.sin(turn) < 0 else 1.5))
        )
    return points


def _stalactite(pen: Pen, x: float, y: float, long: float, unit: float) -> None:
    wide = 0.028 * unit
    pen.blob(
        [
            (x - wide, y - 0.12 * unit),
            (x + wide, y - 0.12 * unit),
            (x + wide * 0.35, y),
            (x, y + long),
            (x - wide * 0.35, y),
        ]
    )


CRYSTALS = tuple(map(hexed, ("7fe0d8", "b79af0", "f0a6d0", "8fc4ff")))


def _crystals(scene: Scene, x: float, reach: float) -> None:
    unit, rng = scene.unit, scene.rng
    ink = rng.choice(CRYSTALS)
    top, bottom = scene.y(0.5), scene.y(0.8)
    layer = Layer((0, max(0, int(top)), scene.width, max(2, int(bottom))), ink, ink)
    pen = layer.pen
    for side in (-1, 1):
        spot = x + side * (reach * 1.02 + 0.04) * unit
        foot = scene.y(rng.uniform(0.68, 0.76))
        for lean in (-28, -6, 18):
            shard = pen.at(spot, foot, unit=rng.uniform(0.05, 0.1) * unit, turn=lean + rng.uniform(-8, 8))
            shard.polygon([(-0.2, 0.2), (-0.2, -0.7), (0, -1), (0, 0.2)], mix(ink, (255, 255, 255), 0.3))
            shard.polygon([(0, 0.2), (0, -1), (0.2, -0.7), (0.2, 0.2)], mix(ink, scene.colours.near, 0.3))
        scene.glows.append((spot, foot - 0.03 * unit, 0.17 * unit, ink, 0.5))
    scene.lay(layer)
