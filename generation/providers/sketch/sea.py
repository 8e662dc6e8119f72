"""The sea: islands, the light's path on the water, a headland, a shore or a boat."""

import math

from . import plants, things
from .heights import rock
from .land import band, fill, level, rolling, stage
from .landmarks import across, paint_landmarks
from .palette import Colour, hexed, mix
from .pen import Layer, Pen, smooth
from .scene import Ridge, Scene


def sea(scene: Scene) -> Ridge:
    """Islands, water with the light's path on it, a headland for the lighthouse, a shore or a boat."""
    horizon = scene.y(0.57)
    layer = scene.layer(0.06, top=scene.y(0.4), fade_from=scene.y(0.5))
    _islands(scene, layer, horizon)
    scene.lay(layer)
    _water(scene, horizon)
    _headland(scene)
    if afloat(scene):
        return open_water(scene)
    _swell(scene, 0.4, scene.y(0.7))
    if not scene.has("lighthouse"):
        _sail(scene, across(scene), scene.y(0.635), 0.12 if not scene.has("boat") else 0.17)
    ground = stage(scene)

    def shore(pen: Pen) -> None:
        for x in scene.scatter(0.1, jitter=0.5):
            if scene.clear_of_figures(x, reach=0.11):
                size = scene.rng.uniform(0.014, 0.045) * scene.unit
                if scene.rng.random() < 0.55:
                    rock(scene, pen.at(x, ground(x) + 0.008 * scene.unit, unit=size), 0.7)
                else:
                    plants.tuft(
                        pen.at(x, ground(x) + 0.004 * scene.unit, unit=size * 1.1), scene.rng, scene.colours.tone(0.86)
                    )

    band(scene, 0.68, ground, at=scene.focus[1], tall=0.06, ground_only=shore)
    return ground


def afloat(scene: Scene) -> bool:
    """Whether the figures are in the boat."""
    return scene.has("boat") and scene.reading.place in {"sea", "river"} and bool(scene.reading.looks)


def _islands(scene: Scene, layer: Layer, horizon: float) -> None:
    for _ in range(math.ceil(2 * min(scene.span, 12))):
        x = scene.rng.uniform(0, scene.width)
        wide, high = scene.rng.uniform(0.12, 0.28) * scene.unit, scene.rng.uniform(0.03, 0.1) * scene.unit
        layer.pen.polygon(
            smooth(
                [
                    (x - wide, horizon + 2),
                    (x - wide * 0.5, horizon - high * 0.5),
                    (x - wide * 0.1, horizon - high),
                    (x + wide * 0.3, horizon - high * 0.6),
                    (x + wide * 0.6, horizon - high * 0.5),
                    (x + wide, horizon + 2),
                ],
                closed=False,
            )
        )


def _water(scene: Scene, horizon: float) -> None:
    """The water from the horizon down, paler where sky and light lie on it."""
    unit, rng, colours = scene.unit, scene.rng, scene.colours
    far = mix(colours.hour.horizon, colours.tone(0.3), 0.45)
    layer = Layer((0, int(horizon), scene.width, scene.height), far, colours.tone(0.62))
    pen = layer.pen
    pen.polygon([(0, horizon), (scene.width, horizon), (scene.width, scene.height), (0, scene.height)])
    sparkle = mix(colours.hour.light, far, 0.25)
    for row in range(26):
        share = row / 26
        y = horizon + (0.004 + 0.2 * share**1.5) * unit
        reach = (0.02 + 0.09 * share) * unit
        for _ in range(3):
            x = scene.light[0] + rng.gauss(0, 0.75) * reach
            ripple(
                pen,
                x,
                y,
                rng.uniform(0.25, 0.8) * reach,
                (0.0012 + 0.0026 * share) * unit,
                mix(sparkle, far, 0.45 * share),
            )
    pale = mix(colours.hour.horizon, colours.tone(0.45), 0.55)
    for _ in range(int(min(26 * scene.span, 300))):
        share = rng.random()
        y = horizon + (0.01 + 0.2 * share) * unit
        ripple(
            pen,
            rng.uniform(0, scene.width),
            y,
            (0.015 + 0.05 * share * rng.random()) * unit,
            (0.001 + 0.0016 * share) * unit,
            pale,
        )
    scene.lay(layer)


def ripple(pen: Pen, x: float, y: float, wide: float, thick: float, ink: Colour) -> None:
    thick = max(thick, 0.4)
    pen.polygon(
        [
            (x - wide, y),
            (x - wide * 0.4, y - thick),
            (x + wide * 0.4, y - thick),
            (x + wide, y),
            (x + wide * 0.4, y + thick),
            (x - wide * 0.4, y + thick),
        ],
        ink,
    )


def _swell(scene: Scene, depth: float, at: float) -> Ridge:
    """A wave over the full width with a pale crest."""
    unit = scene.unit
    ridge = rolling(scene, at, 0.009, 0.3)
    layer = scene.layer(depth, top=at - 0.05 * unit, fade_from=at)
    fill(scene, layer, ridge)
    crest = mix(scene.colours.tone(depth), scene.colours.hour.horizon, 0.3)
    thick = max(0.7, 0.004 * unit)
    step = max(2.0, unit / 100)
    xs = [index * step for index in range(math.ceil(scene.width / step) + 2)]
    layer.pen.polygon(
        [(x, ridge(x)) for x in xs] + [(x, ridge(x) + thick * (1.2 + math.sin(x / unit * 17))) for x in reversed(xs)],
        crest,
        inside=True,
    )
    scene.lay(layer)
    return ridge


def _headland(scene: Scene) -> None:
    """A cliff from the edge that the figures look to; the lighthouse stands on it."""
    unit = scene.unit
    if not any(map(scene.has, ("lighthouse", "castle", "house", "tower", "windmill"))):
        return
    x = across(scene)
    side = scene.facing if scene.reading.looks else -scene.facing
    top, foot = scene.y(0.575), scene.y(0.7)
    layer = scene.layer(0.42, top=scene.y(0.5), fade_from=scene.y(0.57))
    edge = x + side * 1.0 * max(unit, scene.width - x)
    layer.pen.polygon(
        [
            *smooth(
                [
                    (x - side * 0.26 * unit, foot),
                    (x - side * 0.17 * unit, foot - 0.05 * unit),
                    (x - side * 0.12 * unit, top + 0.03 * unit),
                    (x - side * 0.04 * unit, top - 0.004 * unit),
                    (x + side * 0.08 * unit, top + 0.004 * unit),
                    (x + side * 0.2 * unit, top + 0.05 * unit),
                    (edge, top + 0.02 * unit),
                ],
                closed=False,
            ),
            (edge, foot),
        ]
    )
    scene.lay(layer)
    paint_landmarks(scene, level(top - 0.012 * unit))
    scene.mist(foot, 0.035 * unit, 0.5)


def _sail(scene: Scene, x: float, y: float, size: float) -> None:
    unit = scene.unit
    if scene.has("whale"):
        layer = scene.layer(0.5, top=y - 0.2 * unit, fade_from=y)
        x = max((scene.width * share for share in (0.16, 0.3, 0.5, 0.7, 0.84)), key=lambda x: _free(scene, x))
        back = scene.colours.lit(mix(hexed("4a6f96"), scene.colours.tone(0.6), 0.3))
        things.whale(
            layer.pen.at(x, y + 0.005 * unit, unit=0.13 * unit, mirrored=scene.facing > 0),
            back,
            mix(back, (255, 255, 255), 0.6),
            mix(scene.colours.haze, (255, 255, 255), 0.5),
        )
        # The water line: what is below it is not seen.
        layer.pen.cut(
            [(0, y + 0.012 * unit), (scene.width, y + 0.012 * unit), (scene.width, scene.height), (0, scene.height)]
        )
        scene.lay(layer)
        return
    layer = scene.layer(0.5, top=y - 0.3 * unit, fade_from=y)
    pen = layer.pen.at(x, y, unit=size * unit, mirrored=scene.facing < 0)
    things.sailing_boat(
        pen, scene.colours.lit(hexed("6b4237")), scene.colours.lit(hexed("f7efe0")), scene.colours.lit(hexed("cf4332"))
    )
    scene.lay(layer)


def _free(scene: Scene, x: float) -> float:
    """How far a place on the water is from the figures and from the light's path."""
    middle, half = (scene.group.left + scene.group.right) / 2, (scene.group.right - scene.group.left) / 2
    return min(abs(x - scene.light[0]), abs(x - middle) - half)


def open_water(scene: Scene) -> Ridge:
    _swell(scene, 0.36, scene.y(0.665))
    if scene.has("whale"):
        _sail(scene, across(scene), scene.y(0.69), 0.12)
    _swell(scene, 0.5, scene.y(0.73))
    scene.mist(scene.y(0.76), 0.06 * scene.unit, 0.25)
    x, y = scene.focus
    unit = scene.unit
    layer = scene.layer(0.6, top=y - 0.7 * unit, fade_from=y)
    pen = layer.pen.at(x, y + 0.012 * unit, unit=_length(scene) * 0.92, mirrored=scene.facing < 0)
    sail = scene.colours.lit(hexed("f7efe0"))
    wood = scene.colours.lit(hexed("5a382f"))
    pen.limb([(-0.36, -0.1), (-0.36, -0.98)], 0.022, 0.014, wood)
    pen.polygon([*smooth([(-0.38, -0.95), (-0.57, -0.6), (-0.62, -0.26), (-0.38, -0.22)], closed=False)], sail)
    pen.polygon([(-0.34, -0.9), (-0.34, -0.42), (-0.2, -0.38)], mix(sail, wood, 0.12))
    pen.polygon([(-0.36, -1.0), (-0.47, -0.965), (-0.36, -0.93)], scene.colours.lit(hexed("cf4332")))
    scene.lay(layer)
    return level(y - 0.02 * unit)


def _length(scene: Scene) -> float:
    """Of the boat: room for everybody, and for the mast behind them."""
    return max(0.44 * scene.unit, 1.5 * (scene.group.right - scene.group.left))


def paint_hull(scene: Scene) -> None:
    """In front of those who sit in the boat, with the wave it lies in."""
    x, y = scene.focus
    unit = scene.unit
    layer = scene.layer(0.6, top=y - 0.2 * unit, fade_from=y)
    pen = layer.pen.at(x, y + 0.014 * unit, unit=_length(scene), mirrored=scene.facing < 0)
    things.boat(pen, scene.colours.lit(hexed("7a4334")))
    scene.lay(layer)
    _swell(scene, 0.62, y + 0.028 * unit)
