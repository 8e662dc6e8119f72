"""The figures, one after the other: pose, shadow, lantern, and the light on their edge."""

import math
from dataclasses import replace

from PIL import Image, ImageChops

from .animals import bear, canine, cat, hoofed, rabbit
from .builds import DARK, Pose
from .characters import Look
from .creatures import bird, dragon, owl, robot
from .group import Standing
from .palette import LAMPLIGHT, mix
from .pen import Layer, Pen, Point
from .people import person
from .scene import Ridge, Scene

QUADRUPEDS = frozenset({"fox", "wolf", "dog", "cat"})


def paint_figures(scene: Scene, ground: Ridge) -> None:
    """Everybody on the ground, from behind to before."""
    for one in scene.group.standing:
        _paint_one(scene, one, ground(one.x) + 0.006 * scene.unit)


def _paint_one(scene: Scene, one: Standing, y: float) -> None:
    look, x, size = one.look, one.x, scene.group.size
    wide, high = size * 0.95, size * 1.6
    box = (int(x - wide), int(y - high), math.ceil(x + wide), math.ceil(y + size * 0.08))
    colours = scene.colours
    lit = replace(
        look,
        body=colours.lit(look.body),
        accent=colours.lit(look.accent),
        hair=colours.lit(look.hair),
        skin=colours.lit(look.skin),
    )
    layer = Layer(box, colours.lit(DARK), colours.lit(DARK), scale=3 if size > 100 else 4)
    _shadow(scene, x, y, size * (0.3 if look.kind in {"horse", "deer", "dragon"} else 0.2))
    pose = Pose(
        stride=scene.rng.choice((0.0, 0.5, 1.0)),
        raised=one.lantern or scene.rng.random() < 0.25,
        seated=look.kind in QUADRUPEDS and scene.rng.random() < 0.5,
    )
    pen = layer.pen.at(x, y, unit=size / 100, mirrored=one.facing < 0)
    hand = draw_figure(pen, lit, pose)
    if one.lantern and hand:
        flame = _lantern(pen, hand)
        shine = (x + one.facing * flame[0] * size / 100, y + flame[1] * size / 100)
        # Most of its light falls on the air behind, so that it does not wash out who carries it.
        scene.glow(*shine, size * 1.9, LAMPLIGHT, 0.7 if colours.hour.dark else 0.25)
        scene.lamp(*shine, size * 1.1, strength=0.5)
    colour, mask = layer.flattened()
    rim = _rim(scene, mask, x)
    scene.picture.paste(colour, box[:2], mask)
    scene.picture.paste(mix(colours.hour.light, colours.hour.horizon, 0.35), box[:2], rim)


def draw_figure(pen: Pen, look: Look, pose: Pose) -> Point | None:
    """Draws a figure of a hundred units a child's height, and answers where its hand is if it has one."""
    if look.is_person:
        return person(pen, look, pose)
    if look.kind == "robot":
        return robot(pen, look, pose)
    draw = {
        "cat": cat, "bear": bear, "rabbit": rabbit, "mouse": rabbit, "deer": hoofed, "horse": hoofed, "bird": bird,
        "owl": owl, "dragon": dragon,
    }.get(look.kind, canine)  # fmt: skip
    draw(pen, look, pose)
    hands = {"bear": (40.0, -72.0), "rabbit": (18.0, -36.0), "mouse": (18.0, -36.0)}
    return hands.get(look.kind) if pose.raised else None


def _lantern(pen: Pen, hand: Point) -> Point:
    x, y = hand[0] + 1, hand[1] + 5
    metal = (74, 58, 52)
    pen.limb([(x - 3, y + 3), (x, y - 3), (x + 3, y + 3)], 1.5, 1.5, metal)
    pen.polygon([(x - 5.5, y + 5), (x, y + 1), (x + 5.5, y + 5)], metal)
    pen.polygon([(x - 4.4, y + 5), (x + 4.4, y + 5), (x + 5.2, y + 16), (x - 5.2, y + 16)], (255, 226, 146))
    pen.oval(x, y + 11.5, 2.4, 3.6, (255, 250, 226))
    pen.polygon([(x - 6, y + 16), (x + 6, y + 16), (x + 5, y + 19), (x - 5, y + 19)], metal)
    return x, y + 11


def _shadow(scene: Scene, x: float, y: float, reach: float) -> None:
    """What ties the feet to the ground."""
    edge = math.ceil(reach * 1.4)
    deep = max(2, math.ceil(reach * 0.3))
    box = (int(x - edge), int(y - deep), int(x + edge), int(y + deep))
    soft = (
        Image.radial_gradient("L")
        .resize((box[2] - box[0], box[3] - box[1]))
        .point([round(120 * max(0.0, 1 - level / 128)) for level in range(256)])
    )
    scene.picture.paste(scene.colours.near, box[:2], soft)


def _rim(scene: Scene, mask: Image.Image, x: float) -> Image.Image:
    """The edge of a figure that the light touches, half as strong by day."""
    thick = max(1, round(scene.unit / 420))
    side = 1 if scene.light[0] > x else -1
    moved = Image.new("L", mask.size)
    moved.paste(mask, (-side * thick, thick))
    share = 0.55 if scene.colours.hour.dark else 0.3
    return ImageChops.subtract(mask, moved).point([round(level * share) for level in range(256)])
