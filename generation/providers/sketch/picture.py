"""From a reading to a picture: from the sky to the grain, far to near."""

import hashlib
import math
import random

from PIL import Image, ImageChops

from . import clouds, heights, plants, river, room, sea, strange, things, town, woods
from .figures import paint_figures
from .group import arrange
from .land import band
from .landmarks import paint_beams, paint_near_things
from .palette import LAMPLIGHT, colours_of, hexed, mix
from .pen import Layer, Pen
from .reading import Reading
from .scene import Scene
from .sky import paint_sky, paint_weather

PLACES = {
    "forest": woods.forest,
    "sea": sea.sea,
    "city": town.city,
    "mountain": heights.mountain,
    "desert": heights.desert,
    "space": strange.space,
    "meadow": woods.meadow,
    "village": town.village,
    "river": river.river,
    "cave": strange.cave,
    "room": room.room,
    "clouds": clouds.clouds,
}

GRAIN = 0.014


def paint(reading: Reading, *, prompt: str, seed: int, size: tuple[int, int], deadline: float) -> Image.Image:
    """The whole picture. The same arguments give the same pixels. Raises ProviderUnavailable after `deadline`."""
    rng = random.Random(hashlib.sha256(f"{seed}\n{prompt}".encode()).digest())
    scene = _compose(reading, size, rng, deadline)
    scene.check_deadline()
    paint_sky(scene)
    _aloft(scene)
    ground = PLACES[reading.place](scene)
    paint_beams(scene)
    _halo(scene)
    paint_near_things(scene, ground)
    paint_figures(scene, ground)
    if sea.afloat(scene):
        sea.paint_hull(scene)
    if clouds.riding(scene):
        clouds.paint_basket(scene)
    _foreground(scene)
    for x, y, radius, colour, strength in scene.glows:
        scene.glow(x, y, radius, colour, strength)
    if scene.has("fireflies"):
        _fireflies(scene)
    paint_weather(scene)
    scene.check_deadline()
    return _grained(scene.picture, rng)


def _compose(reading: Reading, size: tuple[int, int], rng: random.Random, deadline: float) -> Scene:
    """Where the figures stand and where the light is: on thirds, across from each other or one behind the other."""
    width, height = size
    unit = float(min(height, 1.25 * width))
    colours = colours_of(reading.hour, reading.place, snowy=_snowy(reading))
    side = rng.choice((-1, 1))
    off = rng.choice((0.0, 0.13, 0.16, 0.18)) * (0.7 if reading.place == "cave" else 1)
    facing = -side if off else rng.choice((-1, 1))
    x = width * (0.5 + side * off)
    group = arrange(
        reading.looks, rng, x=x, facing=facing, unit=unit, room=0.92 * width, lantern="lantern" in reading.things
    )
    # A wide group moves towards the middle rather than over the edge.
    edge = 0.03 * width
    shift = max(0.0, edge - group.left) - max(0.0, group.right - (width - edge))
    scene = Scene(
        picture=Image.new("RGB", size),
        reading=reading,
        colours=colours,
        rng=rng,
        deadline=deadline,
        unit=unit,
        focus=(x + shift, 0.0),
        facing=facing,
        group=group.moved(shift),
        light=(0.0, 0.0, 0.0),
    )
    scene.focus = (x + shift, scene.y(rng.uniform(0.785, 0.815)))
    scene.light = _light(scene)
    return scene


def _snowy(reading: Reading) -> bool:
    return reading.weather == "snow" or (
        reading.hour == "winter" and reading.place not in {"room", "cave", "space", "desert"}
    )


def _light(scene: Scene) -> tuple[float, float, float]:
    rng, unit, hour = scene.rng, scene.unit, scene.reading.hour
    low, high, radius = {
        "dusk": (0.36, 0.44, 0.088),
        "dawn": (0.36, 0.43, 0.08),
        "night": (0.16, 0.27, 0.066),
        "mist": (0.26, 0.36, 0.07),
        "storm": (0.18, 0.26, 0.055),
    }.get(hour, (0.16, 0.3, 0.066))
    x = scene.focus[0] + scene.facing * rng.uniform(0.2, 0.34) * min(scene.width, 1.5 * unit)
    if rng.random() < 0.3 and hour in {"dusk", "dawn", "mist"}:
        x = scene.focus[0] + rng.uniform(-0.02, 0.02) * unit
    y = scene.y(rng.uniform(low, high))
    if scene.reading.place == "cave":
        x, y = scene.focus[0] + scene.facing * 0.08 * unit, scene.y(0.42)
    if scene.reading.place == "room":
        x, y = scene.focus[0] + scene.facing * 0.2 * unit, scene.y(0.29)
    if clouds.riding(scene):
        x = scene.focus[0] + scene.facing * 0.37 * unit
    if scene.reading.place == "space":
        x = scene.width * (0.24 if scene.focus[0] > scene.width / 2 else 0.76)
        y, radius = scene.y(0.2), 0.05
    return min(max(x, 0.12 * scene.width), 0.88 * scene.width), y, radius * unit


def _aloft(scene: Scene) -> None:
    """What flies: birds by day as often as not, a balloon or a comet where the words say so."""
    rng, unit = scene.rng, scene.unit
    if scene.reading.place in {"room", "cave"}:
        return
    layer = Layer((0, 0, scene.width, max(2, int(scene.y(0.6)))), scene.colours.near, scene.colours.near)
    if scene.has("lightning"):
        _lightning(scene, layer.pen)
    if scene.has("balloon") and not clouds.riding(scene):
        body = scene.colours.lit(hexed("d8573f"))
        pen = layer.pen.at(scene.width - scene.light[0], scene.y(0.42), unit=0.27 * unit)
        things.balloon(pen, body, scene.colours.lit(hexed("f2d9a2")), scene.colours.lit(hexed("6b4237")))
    if scene.has("comet"):
        _comet(scene, layer.pen)
    by_day = not scene.colours.hour.dark or scene.reading.hour == "dusk"
    if scene.reading.place != "space" and (scene.has("birds") or (by_day and rng.random() < 0.6)):
        # Beside the sun, which is too beautiful to be crossed.
        x = scene.light[0] + (0.3 if scene.light[0] < scene.width / 2 else -0.3) * unit
        y = scene.y(rng.uniform(0.2, 0.38))
        ink = mix(scene.colours.tone(0.75), scene.colours.hour.middle, 0.15)
        for _ in range(rng.randint(3, 6)):
            spot = layer.pen.at(
                x + rng.uniform(-0.13, 0.13) * unit,
                y + rng.gauss(0, 0.035) * unit,
                unit=unit * rng.uniform(0.009, 0.018),
            )
            things.gull(spot, ink, beat=rng.uniform(0, 0.35))
    layer.lay_on(scene.picture)


def _lightning(scene: Scene, pen: Pen) -> None:
    """Into the hills on the far side."""
    unit = scene.unit
    x, y = scene.width - scene.light[0] + 0.04 * unit, scene.y(0.12)
    zigzag = ((0.03, 0.0), (-0.05, 0.17), (-0.012, 0.165), (-0.075, 0.33), (-0.03, 0.32), (-0.1, 0.5))
    right = [(x + (dx + 0.007) * unit, y + dy * unit) for dx, dy in zigzag[:-1]]
    left = [(x + (dx - 0.007) * unit, y + dy * unit) for dx, dy in zigzag]
    pen.polygon([*right, *reversed(left)], (255, 246, 205))
    scene.glow(x - 0.03 * unit, y + 0.2 * unit, 0.45 * unit, (214, 226, 255), 0.4)


def _comet(scene: Scene, pen: Pen) -> None:
    unit = scene.unit
    x, y = scene.width - scene.light[0], scene.y(0.2)
    tail = mix(scene.colours.hour.light, scene.colours.hour.middle, 0.45)
    pen.polygon([(x, y - 0.006 * unit), (x + 0.24 * unit, y - 0.13 * unit), (x + 0.006 * unit, y + 0.006 * unit)], tail)
    pen.oval(x, y, 0.009 * unit, 0.009 * unit, scene.colours.hour.light)
    scene.glows.append((x, y, 0.09 * unit, scene.colours.hour.light, 0.6))


def _halo(scene: Scene) -> None:
    """A little more light in the air behind the figures than anywhere near them."""
    if scene.reading.looks and scene.reading.place != "room":
        x, y = scene.focus
        scene.glow(
            x, y - 0.1 * scene.unit, 0.24 * scene.unit, scene.colours.haze, 0.3 if scene.colours.hour.dark else 0.2
        )


def _foreground(scene: Scene) -> None:
    """The dark bank at the reader's feet, high at the edges and low below the figures; a trunk in the forest."""
    place = scene.reading.place
    if place == "clouds":
        clouds.paint_front(scene)
    if place in {"room", "clouds"} or sea.afloat(scene) or (place == "river" and scene.has("bridge")):
        return
    unit, rng = scene.unit, scene.rng
    at = scene.y(0.94)
    x0 = scene.focus[0]

    def bank(x: float) -> float:
        away = min(1.0, abs(x - x0) / (0.75 * unit))
        bumps = (x / unit * 7) % 2 - 1
        return at + unit * (0.006 * bumps * bumps - 0.075 * away * math.sqrt(away))

    def grown(pen: Pen) -> None:
        for x in scene.scatter(0.045):
            spot = pen.at(x, bank(x) + 0.01 * unit, unit=unit * rng.uniform(0.03, 0.065))
            if place in {"forest", "cave"}:
                plants.fern(spot, rng)
            elif place == "river":
                plants.reed(spot.at(0, 0, unit=1.5), rng)
            elif place in {"meadow", "village"} and not scene.colours.snowy and rng.random() < 0.3:
                plants.flower(
                    spot, rng, None, mix(scene.colours.lit(rng.choice(woods.PETALS)), scene.colours.near, 0.3)
                )
            elif place in {"meadow", "village", "sea", "mountain", "river"}:
                plants.tuft(spot, rng)
        if place == "forest":
            side = 0 if x0 > scene.width / 2 else 1
            edge = scene.width * side + (0.03 if side else -0.03) * unit * -1
            plants.trunk(pen.at(edge, scene.height, unit=1.0 * unit, mirrored=side == 1), rng)

    tall = 1.0 if place == "forest" else 0.2
    band(scene, 1.0, bank, at=at, tall=tall, planted=None if place in {"desert", "space", "city"} else grown)


def _fireflies(scene: Scene) -> None:
    for _ in range(14):
        x = scene.focus[0] + scene.rng.gauss(0, 0.22) * scene.unit
        y = scene.focus[1] - scene.rng.uniform(0, 0.28) * scene.unit
        scene.glow(x, y, 0.035 * scene.unit, LAMPLIGHT, 0.9)
        scene.glow(x, y, 0.01 * scene.unit, (255, 250, 214), 1.0)


def _grained(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Paper: noise of 1.4 % over everything, from the picture's own source of chance."""
    width, height = picture.size
    tile = min(512, max(width, height))
    noise = Image.frombytes("L", (tile, tile), rng.randbytes(tile * tile))
    reach = round(255 * GRAIN * 1.73)
    noise = noise.point([round(level * 2 * reach / 255) for level in range(256)])
    sheet = Image.new("L", picture.size)
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            turned = noise.transpose(Image.Transpose(rng.randrange(5)))
            sheet.paste(turned, (x, y))
    return ImageChops.add(picture, Image.merge("RGB", (sheet, sheet, sheet)), 1, -reach)
