"""Mountain and desert: ridges and dunes with a lit and a dark side."""

import math

from . import plants
from .land import band, caps, facets, fill, jagged, level, rolling, stage
from .landmarks import paint_landmarks
from .palette import SNOW, hexed, mix
from .pen import Pen
from .scene import Ridge, Scene
from .woods import tree, wood


def mountain(scene: Scene) -> Ridge:
    """Two ranges with a lit and a dark side, wooded foothills, and a rocky ledge."""
    _range(scene, 0.04, scene.y(0.58), high=0.24, each=0.3)
    scene.mist(scene.y(0.57), 0.08 * scene.unit, 0.5)
    _range(scene, 0.24, scene.y(0.66), high=0.22, each=0.42)
    scene.mist(scene.y(0.66), 0.1 * scene.unit, 0.55)
    ridge = wood(scene, 0.46, scene.y(0.7), each=0.05, high=(0.06, 0.13), kind="pine", reach=0.1)
    scene.mist(scene.y(0.76), 0.1 * scene.unit, 0.45)
    paint_landmarks(scene, ridge)
    ground = stage(scene)

    def pines(pen: Pen) -> None:
        for x in scene.scatter(0.22, jitter=0.5):
            if scene.clear_of_figures(x, reach=0.26):
                size = scene.rng.uniform(0.16, 0.34) * scene.unit
                tree(scene, pen.at(x, ground(x) + 0.012 * scene.unit, unit=size), "pine", 0.74)

    def stones(pen: Pen) -> None:
        for x in scene.scatter(0.13):
            if scene.clear_of_figures(x, reach=0.12):
                rock(
                    scene,
                    pen.at(x, ground(x) + 0.008 * scene.unit, unit=scene.rng.uniform(0.018, 0.05) * scene.unit),
                    0.74,
                )

    band(scene, 0.74, ground, at=scene.focus[1], tall=0.36, planted=pines, ground_only=stones)
    return ground


def _range(scene: Scene, depth: float, foot: float, *, high: float, each: float) -> None:
    unit = scene.unit
    ridge, peaks = jagged(scene, foot - 0.05 * unit, high, each)
    layer = scene.layer(depth, top=foot - (high + 0.1) * unit, fade_from=foot - high * unit * 0.7)
    fill(scene, layer, ridge)
    away = -1 if scene.light[0] > scene.width / 2 else 1
    shade = mix(scene.colours.tone(depth), scene.colours.near, 0.16)
    facets(layer.pen, ridge, peaks, foot=foot, away=away, shade=shade)
    snow = mix(
        scene.colours.tone(depth),
        mix(scene.colours.hour.light, SNOW, 0.5),
        0.72 if not scene.colours.hour.dark else 0.4,
    )
    caps(layer.pen, ridge, peaks, foot=foot, snow=snow, away=away, shade=mix(snow, shade, 0.35))
    scene.lay(layer)


def rock(scene: Scene, pen: Pen, depth: float) -> None:
    """A stone with a light top."""
    shape = [(-1, 0.2), (-0.8, -0.5), (-0.2, -0.95), (0.45, -0.8), (0.95, -0.2), (1, 0.2)]
    body = scene.colours.tone(depth + 0.08)
    pen.polygon(shape, body)
    top = mix(body, SNOW if scene.colours.snowy else scene.colours.haze, 0.7 if scene.colours.snowy else 0.25)
    pen.polygon([(-0.8, -0.5), (-0.2, -0.95), (0.45, -0.8), (0.1, -0.5)], top)


def desert(scene: Scene) -> Ridge:
    """Mesas in the haze, dunes with a sharp crest, cacti well aside."""
    unit = scene.unit
    layer = scene.layer(0.1, top=scene.y(0.4), fade_from=scene.y(0.48))
    fill(scene, layer, rolling(scene, scene.y(0.59), 0.01, 1.0))
    for x in scene.scatter(0.34, jitter=0.5):
        wide, high = scene.rng.uniform(0.05, 0.13) * unit, scene.rng.uniform(0.06, 0.16) * unit
        foot = scene.y(0.6)
        layer.pen.polygon(
            [
                (x - wide * 1.5, foot),
                (x - wide * 1.12, foot - high * 0.45),
                (x - wide, foot - high),
                (x + wide * 0.9, foot - high * 0.97),
                (x + wide * 1.05, foot - high * 0.5),
                (x + wide * 1.6, foot),
            ]
        )
    scene.lay(layer)
    scene.mist(scene.y(0.6), 0.07 * unit, 0.5)
    dunes(scene, 0.26, scene.y(0.64), 0.035)
    scene.mist(scene.y(0.68), 0.07 * unit, 0.35)
    dunes(scene, 0.44, scene.y(0.71), 0.04)
    scene.mist(scene.y(0.77), 0.09 * unit, 0.35)
    paint_landmarks(scene, level(scene.y(0.7)))
    ground = stage(scene)

    def cacti(pen: Pen) -> None:
        green = mix(scene.colours.tone(0.85), scene.colours.lit(hexed("3f7a58")), 0.5)
        for x in scene.scatter(0.26, jitter=0.5):
            if scene.clear_of_figures(x, reach=0.2):
                size = scene.rng.uniform(0.07, 0.17) * unit
                plants.cactus(pen.at(x, ground(x) + 0.008 * unit, unit=size, mirrored=scene.rng.random() < 0.5), green)

    band(scene, 0.66, ground, at=scene.focus[1], tall=0.2, ground_only=cacti)
    return ground


def dunes(scene: Scene, depth: float, at: float, swell: float) -> None:
    """Each crest falls off in shadow on the side away from the light."""
    unit, rng = scene.unit, scene.rng
    layer = scene.layer(depth, top=at - 0.16 * unit, fade_from=at - 0.05 * unit)
    away = -1 if scene.light[0] > scene.width / 2 else 1
    fill(scene, layer, rolling(scene, at + 0.02 * unit, swell * 0.5, 0.9))
    lit = mix(scene.colours.tone(depth), scene.colours.hour.horizon, 0.3)
    shade = mix(scene.colours.tone(depth), scene.colours.near, 0.2)
    for x in scene.scatter(0.42, jitter=0.35):
        high, wide = rng.uniform(1.2, 2.4) * swell * unit, rng.uniform(0.22, 0.34) * unit
        foot = at + 0.05 * unit
        slope = [(x + side * wide * (1 - t), foot - high * (1 - (1 - t) ** 1.7)) for side in (-away,) for t in _steps()]
        lee = [(x + away * wide * 0.75 * t, foot - high * (1 - t) ** 1.35) for t in _steps()]
        seam = [(x + away * wide * 0.16 * math.sin(t * 3.1), foot - high * (1 - t)) for t in _steps()]
        layer.pen.polygon([*slope, *seam], lit)
        layer.pen.polygon([*lee, *reversed(seam)], shade)
    scene.lay(layer)


def _steps() -> list[float]:
    return [index / 10 for index in range(11)]
