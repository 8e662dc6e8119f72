"""Above the weather: banks of cloud to stand on, or a balloon to see them from."""

from .land import fill, level, stage
from .landmarks import paint_landmarks
from .palette import LAMPLIGHT, WHITE, hexed, mix
from .pen import Layer
from .scene import Ridge, Scene


def clouds(scene: Scene) -> Ridge:
    """Bank after bank, brightest at their crests."""
    unit = scene.unit
    for depth, share, size in ((0.0, 0.54, 0.06), (0.3, 0.61, 0.085), (0.6, 0.7, 0.11)):
        _bank(scene, depth, level(scene.y(share)), size)
        scene.mist(scene.y(share + 0.07), 0.07 * unit, 0.3)
    if riding(scene):
        return _balloon(scene)
    paint_landmarks(scene, level(scene.y(0.67)))
    ground = stage(scene)
    _bank(scene, 0.85, ground, 0.1)
    return ground


def riding(scene: Scene) -> bool:
    """Whether the figures are in the balloon's basket."""
    return scene.has("balloon") and scene.reading.place == "clouds" and bool(scene.reading.looks)


def _bank(scene: Scene, depth: float, ridge: Ridge, size: float) -> None:
    """Rounds along a line, each with a lighter head; those at the focus keep below the feet."""
    unit, rng, hour = scene.unit, scene.rng, scene.colours.hour
    bright = mix(hour.horizon, mix(hour.light, WHITE, 0.4), 0.2 + 0.6 * depth if not hour.dark else 0.12 + 0.3 * depth)
    shade = mix(bright, mix(hour.middle, hour.zenith, 0.25), 0.3 + 0.3 * depth)
    at = ridge(scene.focus[0])
    box = (0, max(0, min(int(at - 0.3 * unit), scene.height - 2)), scene.width, scene.height)
    layer = Layer(box, mix(bright, shade, 0.45), shade, fade=(at - size * unit, at + 0.16 * unit))
    fill(scene, layer, lambda x: ridge(x) + 0.012 * unit)
    rounds = []
    for x in scene.scatter(size * 0.8):
        radius = size * unit * rng.uniform(0.45, 1)
        low = depth > 0.8 and not scene.clear_of_figures(x, reach=0.14)
        rounds.append((x, ridge(x) + (radius * 0.84 if low else 0.02 * unit), radius))
    lit = 0.12 if scene.light[0] > scene.focus[0] else -0.12
    for x, y, radius in rounds:
        layer.pen.oval(x, y, radius * 1.15, radius * 0.85, mix(bright, shade, 0.3))
    # The heads last, so that no round throws its dark edge over its neighbour's light.
    for x, y, radius in rounds:
        layer.pen.oval(x + lit * radius, y - radius * 0.02, radius * 0.98, radius * 0.68, bright)
    for x, y, radius in rounds:
        layer.pen.oval(x + lit * 2 * radius, y + radius * 0.5, radius * 1.3, radius * 0.78, mix(bright, shade, 0.3))
    scene.lay(layer)


def paint_front(scene: Scene) -> None:
    """The cloud at the reader's feet."""
    _bank(scene, 1.0, level(scene.y(0.955)), 0.1)


def _balloon(scene: Scene) -> Ridge:
    """The balloon above those who ride in it."""
    unit = scene.unit
    x, y = scene.focus[0], scene.focus[1] - 0.03 * unit
    half = _half_basket(scene)
    silk, stripe = scene.colours.lit(hexed("d8573f")), scene.colours.lit(hexed("f4dca6"))
    layer = Layer((0, 0, scene.width, scene.height), silk, mix(silk, scene.colours.near, 0.25))
    mouth, crown = y - 0.3 * unit, y - 0.72 * unit
    pen = layer.pen.at(x, mouth, unit=mouth - crown)
    outline = [(0.16, 0), (0.42, -0.26), (0.56, -0.6), (0.42, -0.9), (0, -1.02)]
    pen.blob([*outline, *[(-dx, dy) for dx, dy in reversed(outline[:-1])]], silk)
    for outer, inner in ((0.74, 0.4), (-0.74, -0.4), (0.12, -0.12)):
        pen.blob(
            [(0.42 * share * outer, dy) for share, dy in _seam()]
            + [(0.42 * share * inner, dy) for share, dy in reversed(_seam())],
            stripe,
            inside=True,
        )
    pen.polygon([(-0.15, -0.02), (0.15, -0.02), (0.12, 0.05), (-0.12, 0.05)], mix(silk, scene.colours.near, 0.35))
    rope = scene.colours.lit(hexed("6b4a3c"))
    thin = max(1.0, 0.005 * unit)
    for side in (-1, 1):
        layer.pen.limb([(x + side * 0.055 * unit, mouth), (x + side * half, y - 0.03 * unit)], thin, thin, rope)
        layer.pen.limb([(x + side * 0.02 * unit, mouth), (x + side * half * 0.4, y - 0.03 * unit)], thin, thin, rope)
    scene.lay(layer)
    if scene.colours.hour.dark:
        scene.glows.append((x, mouth, 0.2 * unit, LAMPLIGHT, 0.6))
    return level(y + 0.015 * unit)


def _seam() -> list[tuple[float, float]]:
    return [(0.36, 0.0), (1.0, -0.26), (1.3, -0.6), (1.0, -0.9), (0.2, -1.02)]


def _half_basket(scene: Scene) -> float:
    return max(0.1 * scene.unit, (scene.group.right - scene.group.left) * 0.5)


def paint_basket(scene: Scene) -> None:
    """In front of those who ride."""
    unit = scene.unit
    x, y = scene.focus[0], scene.focus[1] - 0.03 * unit
    half, rim, foot = _half_basket(scene), y - 0.038 * unit, y + 0.07 * unit
    wicker = scene.colours.lit(hexed("a8703f"))
    layer = Layer((0, max(0, int(rim - 0.05 * unit)), scene.width, scene.height), wicker, wicker)
    layer.pen.polygon([(x - half, rim), (x + half, rim), (x + half * 0.84, foot), (x - half * 0.84, foot)], wicker)
    dark, pale = mix(wicker, scene.colours.near, 0.3), mix(wicker, WHITE, 0.3)
    for row in range(3):
        at = rim + (foot - rim) * (0.32 + 0.24 * row)
        layer.pen.limb([(x - half, at), (x + half, at)], 0.005 * unit, 0.005 * unit, dark, inside=True)
    layer.pen.limb([(x - half, rim), (x + half, rim)], 0.016 * unit, 0.016 * unit, pale)
    layer.pen.limb([(x - half * 0.82, foot), (x + half * 0.82, foot)], 0.014 * unit, 0.014 * unit, dark)
    scene.lay(layer)
