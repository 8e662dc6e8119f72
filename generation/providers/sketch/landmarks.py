"""The buildings and things that a scene names: across from the figures, or the picture's subject where it has none."""

from collections.abc import Callable

from . import buildings, things
from .palette import LAMPLIGHT, Colour, hexed, mix
from .pen import Layer, Pen
from .scene import Ridge, Scene

# How high each stands, in squares, when it is across the valley from somebody.
STANDING = {
    "lighthouse": 0.3, "castle": 0.34, "windmill": 0.26, "tower": 0.3, "house": 0.15, "tent": 0.1, "rocket": 0.27,
    "snowman": 0.13, "campfire": 0.05,
}  # fmt: skip
NEAR = frozenset({"tent", "campfire", "snowman"})


def paint_landmarks(scene: Scene, ridge: Ridge) -> None:
    """What stands on the land behind the stage. Sky and water have their own."""
    named = [thing for thing in STANDING if scene.has(thing) and thing not in NEAR]
    if not named or scene.reading.place in {"room", "cave"}:
        return
    layer = _sheet(scene)
    for index, thing in enumerate(named[:2]):
        x = across(scene, index)
        _stand(scene, layer, thing, x, ridge(x) + 0.02 * scene.unit, 0.4)
    scene.lay(layer)
    # A breath of haze at the foot, so that a straight wall does not end on a curved hill.
    scene.mist(ridge(across(scene)) + 0.035 * scene.unit, 0.045 * scene.unit, 0.6)


def paint_near_things(scene: Scene, ground: Ridge) -> None:
    """What is beside the figures on their own ground."""
    named = [thing for thing in STANDING if scene.has(thing) and thing in NEAR]
    if not named:
        return
    layer = _sheet(scene)
    for index, thing in enumerate(named[:2]):
        side = scene.facing if index == 0 else -scene.facing
        air = 0.55 * STANDING[thing] * scene.unit + 0.02 * scene.unit if scene.reading.looks else 0.0
        x = scene.group.right + air if side > 0 else scene.group.left - air
        _stand(scene, layer, thing, x, ground(x) + 0.008 * scene.unit, 0.0)
    scene.lay(layer)


def across(scene: Scene, index: int = 0) -> float:
    """Where the eye goes after the figures: the far third on the side they look to."""
    side = scene.facing if index == 0 else -scene.facing
    if not scene.reading.looks and index == 0:
        return scene.focus[0]
    reach = min(0.36 * scene.width, max(0.34 * scene.unit, 0.3 * scene.width))
    return min(max(scene.focus[0] + side * reach, 0.14 * scene.unit), scene.width - 0.14 * scene.unit)


def _sheet(scene: Scene) -> Layer:
    tone = scene.colours.tone(0.5)
    return Layer((0, max(0, int(scene.y(0.1))), scene.width, scene.height), tone, tone)


def _stand(scene: Scene, layer: Layer, thing: str, x: float, y: float, haze: float) -> None:
    size = STANDING[thing] * scene.unit * (1.0 if scene.reading.looks else 1.25)

    def tint(text: str) -> Colour:
        return mix(scene.colours.lit(hexed(text)), scene.colours.haze, haze * 0.45)

    window = LAMPLIGHT if scene.colours.hour.dark else tint("5a5566")
    pen = layer.pen.at(x, y, unit=size)
    draw: dict[str, Callable[[Pen], None]] = {
        "lighthouse": lambda p: buildings.lighthouse(p, tint("f6efe2"), tint("c9473a"), LAMPLIGHT),
        "castle": lambda p: buildings.castle(p, tint("8f86a8"), tint("4f4673"), window),
        "windmill": lambda p: buildings.windmill(
            p, tint("e9dcc4"), tint("7a4a3c"), window, turn=scene.rng.uniform(15, 75)
        ),
        "tower": lambda p: buildings.tower(p, tint("8f86a8"), tint("7a3f4c"), window),
        "house": lambda p: buildings.house(p, scene.rng, tint("ead9bd"), tint("a8503f"), window),
        "tent": lambda p: things.tent(p, tint("d9793f"), LAMPLIGHT if scene.colours.hour.dark else tint("6a3f3a")),
        "rocket": lambda p: things.rocket(p, tint("efeae0"), tint("d2503f"), tint("6fb4c8")),
        "snowman": lambda p: things.snowman(p, tint("ffffff"), tint("8fa6cf"), tint("cf4332")),
        "campfire": lambda p: things.campfire(p, tint("5a3a2e")),
    }
    draw[thing](pen)
    _shine(scene, thing, x, y, size)


def _shine(scene: Scene, thing: str, x: float, y: float, size: float) -> None:
    if thing == "lighthouse":
        beam(scene, x, y - 0.86 * size)
    elif thing == "campfire":
        scene.lamp(x, y - 0.5 * size, 0.26 * scene.unit)
    elif thing in {"house", "castle", "windmill", "tower", "tent"} and scene.colours.hour.dark:
        scene.lamp(x, y - 0.35 * size, size * 0.7, strength=0.35)


def beam(scene: Scene, x: float, y: float) -> None:
    """A lighthouse's two arms of light: seen in the dark, in mist and at the edges of the day."""
    scene.lamp(x, y, 0.2 * scene.unit, strength=0.9)
    if scene.reading.hour in {"day", "autumn", "winter"}:
        return
    scene.beams.append((x, y))


def paint_beams(scene: Scene) -> None:
    """Laid over the sky and the land, thin as light in the air is."""
    for x, y in scene.beams:
        reach, spread = 1.4 * scene.width, 0.13
        layer = Layer((0, 0, scene.width, scene.height), LAMPLIGHT, LAMPLIGHT)
        for side, lean in ((-scene.facing, 0.02), (scene.facing, -0.08)):
            layer.pen.polygon(
                [
                    (x, y),
                    (x + side * reach, y + (lean - spread * 0.5) * reach),
                    (x + side * reach, y + (lean + spread * 0.5) * reach),
                ]
            )
        scene.fading(layer, x, 0.34, reach=0.85 * scene.unit)
