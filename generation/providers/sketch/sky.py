"""Sky, stars, sun or moon, clouds; and what falls from them."""

import math

from PIL import Image, ImageChops

from .palette import WHITE, Colour, gradient, mix
from .pen import Layer, Pen
from .scene import Scene

LEAFY = frozenset({"forest", "meadow", "village", "river", "mountain", "city"})


def paint_sky(scene: Scene) -> None:
    """The gradient down to the horizon, stars by night, the sun or the moon, clouds."""
    hour = scene.colours.hour
    horizon = scene.y(0.6) / scene.height
    column = gradient([(0, hour.zenith), (horizon * 0.58, hour.middle), (horizon, hour.horizon), (1.01, hour.horizon)])
    scene.picture.paste(column.resize(scene.picture.size, Image.Resampling.BICUBIC))
    if hour.dark and scene.reading.hour != "storm":
        paint_stars(scene, 150 if scene.reading.hour == "night" else 46)
    if scene.has("rainbow"):
        _rainbow(scene)
    paint_light(scene)
    if scene.reading.place not in {"space", "cave"}:
        paint_clouds(scene)
    scene.check_deadline()


def paint_stars(scene: Scene, count: int) -> None:
    """Small ones in great number, and a few large ones with a halo, all well above the horizon."""
    rng, unit = scene.rng, scene.unit
    bottom = max(2, int(scene.y(0.56)))
    layer = Layer((0, 0, scene.width, bottom), WHITE, WHITE)
    colour = scene.colours.hour.light
    tall = bottom / unit
    for _ in range(int(min(count * scene.span * max(tall / 0.56, 0.2), 1600))):
        x, y = rng.uniform(0, scene.width), rng.random() ** 1.4 * bottom
        size = max(0.3, unit * rng.choice((0.0007, 0.0009, 0.0012, 0.0017)))
        fading = 0.25 + 0.75 * (1 - y / bottom)
        ink = mix(scene.colours.hour.middle, colour, fading * rng.uniform(0.5, 1))
        layer.pen.oval(x, y, size, size, ink)
    for _ in range(int(min(5 * scene.span, 20))):
        x, y = rng.uniform(0, scene.width), rng.uniform(0.04, 0.6) * bottom
        if math.hypot(x - scene.light[0], y - scene.light[1]) > scene.light[2] * 2:
            _twinkle(layer.pen.at(x, y, unit=unit * rng.uniform(0.006, 0.01)), colour)
    layer.lay_on(scene.picture)


def _twinkle(pen: Pen, ink: Colour) -> None:
    thin = 0.16
    pen.polygon([(0, -1), (thin, -thin), (1, 0), (thin, thin), (0, 1), (-thin, thin), (-1, 0), (-thin, -thin)], ink)


def paint_light(scene: Scene) -> None:
    """The sun or the moon with its glow. A storm and the mist keep most of it to themselves."""
    x, y, radius = scene.light
    hour = scene.colours.hour
    veiled = scene.reading.hour in {"storm", "mist"}
    night = scene.reading.hour == "night"
    scene.glow(x, y, radius * 7.5, mix(hour.light, hour.horizon, 0.55), 0.42 if night else 0.6)
    scene.glow(x, y, radius * 2.6, hour.light, 0.38 if night else 0.5)
    edge = math.ceil(radius) + 2
    box = (int(x) - edge, int(y) - edge, int(x) + edge, int(y) + edge)
    disc = mix(hour.light, hour.middle, 0.35) if veiled else hour.light
    layer = Layer(box, disc, mix(disc, hour.horizon, 0.12 if night else 0.3), scale=3)
    layer.pen.oval(x, y, radius, radius)
    if night:
        for dx, dy, size in ((-0.3, -0.25, 0.2), (0.32, 0.1, 0.13), (-0.05, 0.42, 0.16), (0.2, -0.45, 0.08)):
            layer.pen.oval(x + dx * radius, y + dy * radius, size * radius, size * radius, mix(disc, hour.middle, 0.12))
    layer.lay_on(scene.picture)


def paint_clouds(scene: Scene) -> None:
    """Long rounded clouds, none of them across the sun's middle."""
    rng, unit = scene.rng, scene.unit
    hour = scene.colours.hour
    low, high = scene.y(0.08), scene.y(0.44)
    layer = Layer(
        (0, 0, scene.width, max(2, int(scene.y(0.52)))),
        mix(hour.middle, WHITE, 0.1 if hour.dark else 0.45),
        mix(hour.horizon, WHITE, 0.05 if hour.dark else 0.35),
        fade=(low, high),
    )
    count = {"day": 5, "storm": 9, "night": 2}.get(scene.reading.hour, 4)
    for _ in range(math.ceil(count * min(scene.span, 12))):
        x, y = rng.uniform(-0.1, 1.1) * scene.width, rng.uniform(low, high)
        long = rng.uniform(0.07, 0.17) * unit
        if abs(y - scene.light[1]) < scene.light[2] * 1.3 + long * 0.3 and (
            abs(x - scene.light[0]) < long + scene.light[2] * 1.2
        ):
            continue
        cloud(layer.pen.at(x, y, unit=long), rng.choice((0.8, 1, 1.3)), mirrored=rng.random() < 0.5)
    colour, mask = layer.flattened()
    share = 0.4 if scene.reading.hour == "night" else 0.75
    scene.picture.paste(colour, (0, 0), mask.point([round(level * share) for level in range(256)]))


def cloud(pen: Pen, plump: float, *, mirrored: bool = False) -> None:
    """Two units long, on a level foot."""
    pen = pen.at(0, 0, mirrored=mirrored)
    for x, wide, high in ((-0.55, 0.36, 0.13), (-0.12, 0.38, 0.25), (0.3, 0.3, 0.18), (0.66, 0.26, 0.1)):
        pen.oval(x, -high * 0.4 * plump, wide, high * plump)
    pen.limb([(-0.85, 0), (0.9, 0)], 0.15, 0.13)


def _rainbow(scene: Scene) -> None:
    """Six bands between the figure's side and the far edge, only as strong as a rainbow is."""
    unit = scene.unit
    x, y = scene.width - scene.light[0], scene.y(0.66)
    layer = Layer((0, 0, scene.width, max(2, int(scene.y(0.66)))), WHITE, WHITE)
    colours = ((226, 96, 88), (240, 160, 84), (246, 220, 120), (126, 190, 130), (98, 158, 210), (150, 120, 190))
    for index, ink in enumerate(colours):
        radius = (0.52 - index * 0.016) * unit
        layer.pen.oval(x, y, radius, radius, ink)
    colour, mask = layer.flattened()
    hole = Layer((0, 0, scene.width, max(2, int(scene.y(0.66)))), WHITE, WHITE)
    hole.pen.oval(x, y, 0.424 * unit, 0.424 * unit)
    band = ImageChops.subtract(mask, hole.flattened()[1])
    scene.picture.paste(colour, (0, 0), band.point([round(level * 0.42) for level in range(256)]))


def paint_weather(scene: Scene) -> None:
    """Snow or rain in front of everything, leaves in autumn."""
    weather = scene.reading.weather
    autumn = scene.reading.hour == "autumn" and scene.reading.place in LEAFY
    if not weather and not autumn:
        return
    layer = Layer((0, 0, scene.width, scene.height), WHITE, WHITE)
    if weather == "snow":
        _snow(scene, layer.pen)
    elif weather == "rain":
        _rain(scene, layer.pen)
    else:
        _leaves(scene, layer.pen)
    share = 0.4 if weather == "rain" else 0.9
    colour, mask = layer.flattened()
    scene.picture.paste(colour, (0, 0), mask.point([round(level * share) for level in range(256)]))


def _drops(scene: Scene, count: float) -> int:
    return int(min(count * scene.width * scene.height / scene.unit**2, 2500))


def _snow(scene: Scene, pen: Pen) -> None:
    for _ in range(_drops(scene, 190)):
        size = max(0.35, scene.unit * scene.rng.choice((0.0014, 0.002, 0.002, 0.003, 0.0045)))
        pen.oval(scene.rng.uniform(0, scene.width), scene.rng.uniform(0, scene.height), size, size)


def _rain(scene: Scene, pen: Pen) -> None:
    for _ in range(_drops(scene, 170)):
        x, y = scene.rng.uniform(0, scene.width * 1.1), scene.rng.uniform(-0.05, 1) * scene.height
        long = scene.unit * scene.rng.uniform(0.02, 0.05)
        thick = max(0.5, scene.unit * 0.0018)
        pen.polygon([(x, y), (x + thick, y), (x + thick - long * 0.3, y + long), (x - long * 0.3, y + long)])


def _leaves(scene: Scene, pen: Pen) -> None:
    for _ in range(_drops(scene, 34)):
        x, y = scene.rng.uniform(0, scene.width), scene.rng.uniform(0.1, 0.95) * scene.height
        leaf = pen.at(x, y, unit=scene.unit * scene.rng.uniform(0.005, 0.01), turn=scene.rng.uniform(0, 360))
        ink = scene.rng.choice(((205, 92, 44), (226, 140, 52), (178, 66, 42), (238, 178, 78)))
        leaf.blob([(-1, 0), (0, -0.5), (1.2, 0), (0, 0.5)], ink)
