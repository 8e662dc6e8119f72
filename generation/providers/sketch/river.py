"""The river: out of the distance and past the figures, or below the bridge they stand on."""

import math

from . import plants
from .land import band, fill, rolling, stage
from .landmarks import paint_landmarks
from .palette import hexed, mix
from .pen import Layer, Pen, smooth
from .scene import Ridge, Scene
from .sea import afloat, open_water, ripple
from .woods import hills, tree


def river(scene: Scene) -> Ridge:
    """A valley whose river comes out of the distance and passes the figures."""
    unit = scene.unit
    band(scene, 0.05, rolling(scene, scene.y(0.53), 0.05, 0.8), at=scene.y(0.53), tall=0.05)
    hills(scene, 0.2, scene.y(0.59), each=0.06, high=(0.05, 0.1))
    scene.mist(scene.y(0.62), 0.06 * unit, 0.45)
    ridge = rolling(scene, scene.y(0.645), 0.012, 0.9)
    band(scene, 0.32, ridge, at=scene.y(0.645), tall=0.05)
    _ribbon(scene)
    paint_landmarks(scene, ridge)
    if afloat(scene):
        return open_water(scene)
    scene.mist(scene.y(0.73), 0.08 * unit, 0.3)
    ground = stage(scene)

    def bank(pen: Pen) -> None:
        for x in scene.scatter(0.05, jitter=0.5):
            if scene.clear_of_figures(x, reach=0.13):
                size = scene.rng.uniform(0.04, 0.1) * unit
                plants.reed(pen.at(x, ground(x) + 0.006 * unit, unit=size), scene.rng, scene.colours.tone(0.85))

    def willow(pen: Pen) -> None:
        x = scene.focus[0] - scene.facing * scene.rng.uniform(0.26, 0.3) * unit
        tree(
            scene,
            pen.at(x, ground(x) + 0.012 * unit, unit=scene.rng.uniform(0.34, 0.46) * unit),
            "pine" if scene.colours.snowy else "round",
            0.7,
        )

    if scene.has("bridge"):
        return _bridge(scene)
    band(scene, 0.68, ground, at=scene.focus[1], tall=0.48, planted=willow, ground_only=bank)
    return ground


def _ribbon(scene: Scene) -> None:
    """The river: narrow at the horizon, as wide as half the picture below."""
    unit, rng, colours = scene.unit, scene.rng, scene.colours
    top = scene.y(0.648)
    x = scene.width / 2 + scene.facing * 0.22 * unit
    bends = (
        (0.0, 0.0, 0.012),
        (0.03, -0.1, 0.03),
        (0.07, 0.05, 0.06),
        (0.12, -0.12, 0.13),
        (0.2, 0.0, 0.26),
        (0.36, 0.1, 0.5),
    )
    left = [(x + scene.facing * (bend - wide) * unit, top + low * unit) for low, bend, wide in bends]
    right = [(x + scene.facing * (bend + wide) * unit, top + low * unit) for low, bend, wide in bends]
    water = mix(colours.hour.horizon, colours.hour.middle, 0.3)
    layer = Layer(
        (0, int(top), scene.width, scene.height),
        mix(water, colours.hour.light, 0.3),
        mix(water, colours.tone(0.5), 0.45),
    )
    layer.pen.polygon([*smooth(left, closed=False), *reversed(smooth(right, closed=False))])
    for _ in range(26):
        low, bend, wide = rng.choice(bends[2:])
        spot = x + scene.facing * (bend + rng.uniform(-0.7, 0.7) * wide) * unit
        y = top + (low + rng.uniform(-0.02, 0.02)) * unit
        ripple(
            layer.pen, spot, y, wide * rng.uniform(0.06, 0.2) * unit, 0.0016 * unit, mix(water, colours.hour.light, 0.6)
        )
    scene.lay(layer)


def _bridge(scene: Scene) -> Ridge:
    """A stone bridge over the full width; the figures stand on it."""
    unit, colours = scene.unit, scene.colours
    x0, y0 = scene.focus

    def deck(x: float) -> float:
        return y0 - 0.06 * unit + 0.05 * unit * min(1.6, ((x - x0) / (0.5 * unit)) ** 2)

    surface = mix(colours.hour.horizon, colours.hour.middle, 0.35)
    water = Layer((0, int(y0), scene.width, scene.height), surface, mix(surface, colours.tone(0.6), 0.6))
    water.pen.polygon([(0, y0), (scene.width, y0), (scene.width, scene.height), (0, scene.height)])
    for _ in range(math.ceil(14 * min(scene.span, 12))):
        spot, low = scene.rng.uniform(0, scene.width), scene.rng.uniform(0.02, 0.18) * unit
        ripple(
            water.pen,
            spot,
            y0 + low,
            scene.rng.uniform(0.02, 0.07) * unit,
            0.002 * unit,
            mix(surface, colours.hour.light, 0.5),
        )
    scene.lay(water)
    stone = mix(colours.tone(0.7), colours.lit(hexed("9a8478")), 0.3)
    layer = Layer((0, max(0, int(y0 - 0.16 * unit)), scene.width, scene.height), stone, mix(stone, colours.near, 0.35))
    fill(scene, layer, deck)
    for index in range(-math.ceil(scene.span * 2) - 1, math.ceil(scene.span * 2) + 2):
        x, reach = x0 + (index + 0.5) * 0.46 * unit, 0.18 * unit
        arch = [(x + reach * math.cos(t), deck(x) + 0.23 * unit + 0.165 * unit * math.sin(t)) for t in _half()]
        layer.pen.cut([(x + reach, scene.height + 4), (x - reach, scene.height + 4), *arch])
    rim = mix(stone, colours.haze, 0.35)
    xs = [index * unit / 40 for index in range(math.ceil(scene.width / unit * 40) + 1)]
    layer.pen.polygon(
        [(x, deck(x)) for x in xs] + [(x, deck(x) + 0.014 * unit) for x in reversed(xs)], rim, inside=True
    )
    scene.lay(layer)
    return deck


def _half() -> list[float]:
    return [math.pi + math.pi * index / 16 for index in range(17)]
