"""Drawing in any unit onto a layer: shapes at twice the size in a mask, reduced when the layer is laid down."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from .palette import Colour, gradient

Point = tuple[float, float]
Box = tuple[int, int, int, int]

CIRCLES = tuple(
    tuple((math.cos(2 * math.pi * i / steps), math.sin(2 * math.pi * i / steps)) for i in range(steps))
    for steps in (8, 14, 28, 64)
)


class Layer:
    """One depth of the picture.

    Its mask says where it is; its paint, a vertical gradient until somebody draws with an ink, says what colour it
    has there. Both are `scale` times the size of `box`, which is in pixels of the picture.
    """

    def __init__(
        self, box: Box, upper: Colour, lower: Colour, *, fade: tuple[float, float] = (0, 0), scale: int = 2
    ) -> None:
        left, top, right, bottom = box
        self.box = box
        self.scale = scale
        self.size = ((right - left) * scale, (bottom - top) * scale)
        self.mask = Image.new("L", self.size, 0)
        self.shape = ImageDraw.Draw(self.mask)
        height = max(1, bottom - top)
        start, end = ((fade[0] - top) / height, (fade[1] - top) / height) if fade != (0, 0) else (0.0, 1.0)
        self._column = gradient([(start, upper), (max(end, start + 0.01), lower)], length=min(96, height + 2))
        self._paint: Image.Image | None = None
        self._painter: ImageDraw.ImageDraw | None = None

    @property
    def pen(self) -> "Pen":
        """A pen in pixels of the picture.

        Made anew each time: a layer that held its pen would be a circle, and its megabytes would wait for the
        garbage collector.
        """
        return Pen(self, -self.box[0] * self.scale, -self.box[1] * self.scale, self.scale, 0, 0, self.scale)

    @property
    def paint(self) -> ImageDraw.ImageDraw:
        """Made with the first ink: most layers need none, and a sheet of colour costs as much as ten masks."""
        if self._painter is None:
            self._paint = self._column.resize(self.size, Image.Resampling.BILINEAR)
            self._painter = ImageDraw.Draw(self._paint)
        return self._painter

    def flattened(self) -> tuple[Image.Image, Image.Image]:
        """Colour and mask at the picture's own size."""
        size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
        mask = self.mask.reduce(self.scale)
        if self._paint is None:
            return self._column.resize(size, Image.Resampling.BILINEAR), mask
        return self._paint.reduce(self.scale), mask

    def lay_on(self, picture: Image.Image) -> None:
        colour, mask = self.flattened()
        picture.paste(colour, self.box[:2], mask)


class Pen:
    """Draws on one layer in its own unit, place and direction. No ink means the layer's gradient.

    `inside=True` colours only what the layer's shape already covers: snow on a peak, a window in a wall.
    """

    __slots__ = ("_layer", "_x", "_xx", "_xy", "_y", "_yx", "_yy")

    def __init__(self, layer: Layer, x: float, y: float, xx: float, xy: float, yx: float, yy: float) -> None:
        self._layer = layer
        self._x, self._y = x, y
        self._xx, self._xy, self._yx, self._yy = xx, xy, yx, yy

    def at(self, x: float, y: float, *, unit: float = 1, mirrored: bool = False, turn: float = 0) -> "Pen":
        """A pen whose origin is (x, y) of this one's; `turn` in degrees, clockwise."""
        cos, sin = math.cos(math.radians(turn)) * unit, math.sin(math.radians(turn)) * unit
        side = -1 if mirrored else 1
        left, top = self._place(x, y)
        return Pen(
            self._layer,
            left,
            top,
            side * (self._xx * cos + self._xy * sin),
            self._xy * cos - self._xx * sin,
            side * (self._yx * cos + self._yy * sin),
            self._yy * cos - self._yx * sin,
        )

    def polygon(self, points: Sequence[Point], ink: Colour | None = None, *, inside: bool = False) -> None:
        left, top, xx, xy, yx, yy = self._x, self._y, self._xx, self._xy, self._yx, self._yy
        placed = [(left + x * xx + y * xy, top + x * yx + y * yy) for x, y in points]
        if not inside:
            self._layer.shape.polygon(placed, fill=255)
        if ink is not None:
            self._layer.paint.polygon(placed, fill=ink)

    def cut(self, points: Sequence[Point]) -> None:
        """Take the shape away: a window in a wall."""
        self._layer.shape.polygon([self._place(x, y) for x, y in points], fill=0)

    def blob(self, points: Sequence[Point], ink: Colour | None = None, *, inside: bool = False) -> None:
        """A smooth closed curve through the points, with as many steps as its size is worth."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        wide = max(max(xs) - min(xs), max(ys) - min(ys)) * self._grain
        steps = 2 if wide < 14 else 4 if wide < 60 else 7
        self.polygon(smooth(points, closed=True, steps=steps), ink, inside=inside)

    def oval(
        self, x: float, y: float, wide: float, high: float, ink: Colour | None = None, *, inside: bool = False
    ) -> None:
        """An ellipse by its centre and half axes."""
        size = self._grain * max(wide, high)
        circle = CIRCLES[0] if size < 4 else CIRCLES[1] if size < 14 else CIRCLES[2] if size < 60 else CIRCLES[3]
        self.polygon([(x + wide * cos, y + high * sin) for cos, sin in circle], ink, inside=inside)

    def limb(
        self,
        points: Sequence[Point],
        start: float,
        end: float,
        ink: Colour | None = None,
        *,
        inside: bool = False,
    ) -> None:
        """A round-ended stroke along the points whose width runs from `start` to `end`."""
        last = len(points) - 1
        widths = [start + (end - start) * i / last for i in range(last + 1)]
        for (x0, y0), (x1, y1), w0, w1 in zip(points, points[1:], widths, widths[1:], strict=False):
            length = math.hypot(x1 - x0, y1 - y0) or 1
            nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
            self.polygon(
                [
                    (x0 + nx * w0, y0 + ny * w0),
                    (x1 + nx * w1, y1 + ny * w1),
                    (x1 - nx * w1, y1 - ny * w1),
                    (x0 - nx * w0, y0 - ny * w0),
                ],
                ink,
                inside=inside,
            )
        for (x, y), width in zip(points, widths, strict=True):
            self.oval(x, y, width / 2, width / 2, ink, inside=inside)

    @property
    def _grain(self) -> float:
        """Dots of the sheet to one unit of this pen."""
        return abs(self._xx) + abs(self._xy)

    def _place(self, x: float, y: float) -> Point:
        return self._x + x * self._xx + y * self._xy, self._y + x * self._yx + y * self._yy


def smooth(points: Sequence[Point], *, closed: bool, steps: int = 6) -> list[Point]:
    """The points with a Catmull-Rom curve drawn between them."""
    count = len(points)
    curve: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(max(index + shift, 0), count - 1)] for shift in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append((_between(a[0], b[0], c[0], d[0], t), _between(a[1], b[1], c[1], d[1], t)))
    if not closed:
        curve.append(points[-1])
    return curve


def _between(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
