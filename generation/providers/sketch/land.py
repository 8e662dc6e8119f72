"""The lines of the land: ridges as functions of x, and layers filled below them."""

import bisect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from .palette import Colour
from .pen import Layer, Pen, Point
from .scene import Ridge, Scene


def level(y: float) -> Ridge:
    """The same height everywhere."""
    return lambda _: y


def rolling(scene: Scene, base: float, swell: float, length: float = 0.6) -> Ridge:
    """Soft hills around `base` (pixels): `swell` and `length` in squares."""
    unit, rng = scene.unit, scene.rng
    waves = [
        (swell * unit * share, 2 * math.pi / (length * unit * stretch), rng.uniform(0, 2 * math.pi))
        for share, stretch in ((0.6, 1.0), (0.28, 0.53), (0.12, 0.27))
    ]
    return lambda x: base + sum(high * math.sin(x * rate + phase) for high, rate, phase in waves)


def jagged(scene: Scene, base: float, high: float, each: float) -> tuple[Ridge, list[Point]]:
    """A broken ridge, and its peaks."""
    rng, unit = scene.rng, scene.unit
    peaks: list[Point] = []
    corners: list[Point] = []
    for x in scene.scatter(each, jitter=0.28):
        peak = (x, base - high * unit * rng.uniform(0.45, 1))
        peaks.append(peak)
        corners.append(peak)
        corners.append((x + each * unit * rng.uniform(0.4, 0.6), base - high * unit * rng.uniform(0, 0.2)))
    for _ in range(2):
        finer = [corners[0]]
        for (x0, y0), (x1, y1) in pairwise(corners):
            shift = rng.uniform(-0.16, 0.16)
            finer += [((x0 + x1) / 2 + shift * (x1 - x0), (y0 + y1) / 2 + shift * abs(y1 - y0)), (x1, y1)]
        corners = finer
    corners.sort()
    return _through(corners), peaks


def stage(scene: Scene) -> Ridge:
    """The ground that the figures stand on: level at the focus, and shaped to lead the eye there."""
    x0, y0 = scene.focus
    unit = scene.unit
    waves = rolling(scene, 0, 0.018, 0.7)
    shape = scene.rng.choice(("hill", "ledge", "hollow"))
    middle = scene.width / 2

    def rise(x: float) -> float:
        away = (x - x0) / unit
        if shape == "hill":
            return 0.075 * (1 - math.exp(-((away / 0.34) ** 2)))
        if shape == "ledge":
            return 0.12 / (1 + math.exp(-(away * scene.facing - 0.3) / 0.07)) - 0.02 * min(1.0, abs(away))
        return -0.07 * min(1.0, abs(x - middle) / (0.5 * scene.width)) ** 2 * (1 - math.exp(-((away / 0.25) ** 2)))

    def ground(x: float) -> float:
        near = math.exp(-(((x - x0) / (0.2 * unit)) ** 2))
        return y0 + unit * rise(x) + waves(x) * (1 - near)

    return ground


def band(
    scene: Scene,
    depth: float,
    ridge: Ridge,
    *,
    at: float,
    tall: float,
    planted: Callable[[Pen], None] | None = None,
    ground_only: Callable[[Pen], None] | None = None,
) -> None:
    """One layer of land: its ground below the ridge, and what grows on it up to `tall` squares above `at`.

    Under snow the plants keep their own dark tone, so they are a layer of their own behind the ground.
    """
    top = at - (tall + 0.1) * scene.unit
    ground = scene.layer(depth, top=top, fade_from=at - 0.04 * scene.unit, ground=True)
    fill(scene, ground, ridge)
    if planted and scene.colours.snowy:
        plants = scene.layer(depth + 0.14, top=top, fade_from=at - 0.1 * scene.unit, bottom=at + 0.15 * scene.unit)
        planted(plants.pen)
        scene.lay(plants)
    elif planted:
        planted(ground.pen)
    if ground_only:
        ground_only(ground.pen)
    scene.lay(ground)


def fill(scene: Scene, layer: Layer, ridge: Ridge, ink: Colour | None = None) -> None:
    """Everything below the ridge."""
    step = max(1.5, scene.unit / 170)
    count = math.ceil(scene.width / step) + 1
    line = [(index * step, ridge(index * step)) for index in range(count + 1)]
    layer.pen.polygon([*line, (line[-1][0], scene.height + 2), (0, scene.height + 2)], ink)


def facets(pen: Pen, ridge: Ridge, peaks: Sequence[Point], *, foot: float, away: int, shade: Colour) -> None:
    """The side of each peak that the light does not reach; `away` is the light's direction, 1 to the right."""
    for x, y in peaks:
        deep = foot - y
        reach = 0.62 * deep
        edge = [(x + side * reach * t * away, ridge(x + side * reach * t * away)) for side, t in _slope()]
        inner = [
            (x - away * deep * 0.10, y + deep * 0.95),
            (x + away * deep * 0.02, y + deep * 0.72),
            (x - away * deep * 0.07, y + deep * 0.46),
            (x + away * deep * 0.03, y + deep * 0.22),
        ]
        pen.polygon([(x, ridge(x)), *edge, (x + away * reach, foot), *inner], shade, inside=True)


def _slope() -> list[tuple[int, float]]:
    return [(1, index / 8) for index in range(1, 9)]


def caps(
    pen: Pen, ridge: Ridge, peaks: Sequence[Point], *, foot: float, snow: Colour, away: int, shade: Colour
) -> None:
    """Snow on the peaks, with a torn lower edge, darker on the side away from the light."""
    for x, y in peaks:
        deep = (foot - y) * 0.36
        torn = (0.3, 0.85, 0.55, 1.05, 0.62, 0.9, 0.25)
        lower = [(x + deep * 0.95 * (i / 3 - 1), y + deep * share) for i, share in enumerate(torn)]
        upper = [(x + deep * 0.95 * (i / 5 - 1), ridge(x + deep * 0.95 * (i / 5 - 1)) - 2) for i in range(11)]
        pen.polygon([*upper, *reversed(lower)], snow, inside=True)
        half = [point for point in upper if (point[0] - x) * away >= -1e-6]
        under = [point for point in lower if (point[0] - x) * away >= -1e-6]
        if away < 0:
            half, under = half[::-1], under[::-1]
        pen.polygon([*half, *reversed(under)], shade, inside=True)


def _through(corners: list[Point]) -> Ridge:
    xs = [x for x, _ in corners]

    def ridge(x: float) -> float:
        index = min(max(bisect.bisect_right(xs, x), 1), len(xs) - 1)
        (x0, y0), (x1, y1) = corners[index - 1], corners[index]
        return y0 + (y1 - y0) * (x - x0) / ((x1 - x0) or 1)

    return ridge
