"""One picture in the making: its canvas, its colours, and where on it the eye should rest."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image, ImageChops

from generation.providers.exceptions import ProviderUnavailable

from .group import Group
from .palette import LAMPLIGHT, Colour, Colours, mix
from .pen import Layer, Point
from .reading import Reading

Ridge = Callable[[float], float]

# Brightness by distance from the middle: gone at three quarters of the way to the square's edge, so that no edge
# of a square is ever seen.
RADIAL = Image.radial_gradient("L")
FALLOFF = tuple(255 * max(0.0, 1 - level / 181) ** 2.6 for level in range(256))


@dataclass(slots=True)
class Scene:
    """Places are pixels of the picture; `unit` is the side of the square that the land is composed for."""

    picture: Image.Image
    reading: Reading
    colours: Colours
    rng: random.Random
    deadline: float
    unit: float
    focus: Point
    facing: int
    group: Group
    light: tuple[float, float, float]
    beams: list[Point] = field(default_factory=list)
    glows: list[tuple[float, float, float, Colour, float]] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    @property
    def span(self) -> float:
        """How many squares wide the picture is: how many times as many trees it needs."""
        return self.width / self.unit

    def y(self, share: float) -> float:
        """A height as a share of the land's square, which stands on the lower edge: a tall picture gains sky."""
        return self.height - (1 - share) * min(self.height, 1.6 * self.unit)

    def has(self, thing: str) -> bool:
        return thing in self.reading.things

    def check_deadline(self) -> None:
        """Raises ProviderUnavailable once the call's time is over."""
        if time.monotonic() > self.deadline:
            raise ProviderUnavailable("The sketch was not finished in time. Try again.", provider="sketch")

    def layer(
        self, depth: float, *, top: float, fade_from: float, ground: bool = False, bottom: float | None = None
    ) -> Layer:
        """A layer over the full width from `top` down, in the tone of its depth, paler towards its foot."""
        tone = self.colours.ground(depth) if ground else self.colours.tone(depth)
        haze = mix(tone, self.colours.haze, 0.62 - 0.55 * depth)
        lower = self.height if bottom is None else min(self.height, math.ceil(bottom))
        box = (0, max(0, min(int(top), lower - 1)), self.width, lower)
        return Layer(box, tone, haze, fade=(fade_from, fade_from + 0.3 * self.unit))

    def lay(self, *layers: Layer) -> None:
        self.check_deadline()
        for layer in layers:
            layer.lay_on(self.picture)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Light around a point, screened onto what is there."""
        left, top = int(x - radius), int(y - radius)
        size = max(2, int(2 * radius))
        box = (max(left, 0), max(top, 0), min(left + size, self.width), min(top + size, self.height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        ratio = 256 / size
        seen = (
            (box[0] - left) * ratio,
            (box[1] - top) * ratio,
            min(256.0, (box[2] - left) * ratio),
            min(256.0, (box[3] - top) * ratio),
        )
        shine = RADIAL.point([round(strength * level) for level in FALLOFF]).resize(
            (box[2] - box[0], box[3] - box[1]),
            Image.Resampling.BILINEAR,
            box=seen,
        )
        below = self.picture.crop(box)
        light = Image.composite(Image.new("RGB", below.size, colour), Image.new("RGB", below.size), shine)
        self.picture.paste(ImageChops.screen(below, light), box[:2])

    def lamp(self, x: float, y: float, radius: float, *, strength: float = 0.8) -> None:
        """A light that is lit when everything else is painted: by night it shines far, by day hardly."""
        self.glows.append((x, y, radius, LAMPLIGHT, strength if self.colours.hour.dark else strength * 0.35))

    def fading(self, layer: Layer, x: float, strength: float, *, reach: float) -> None:
        """Lay a layer as light that is strongest at `x` and gone at `reach` from it."""
        colour, mask = layer.flattened()
        left, top, right, _ = layer.box
        row = Image.new("L", (right - left, 1))
        row.putdata(
            [round(255 * strength * max(0.0, 1 - abs(left + i - x) / reach) ** 1.5) for i in range(right - left)]
        )
        mask = ImageChops.multiply(mask, row.resize(mask.size))
        light = Image.composite(colour, Image.new("RGB", colour.size), mask)
        below = self.picture.crop(layer.box)
        self.picture.paste(ImageChops.screen(below, light), (left, top))

    def mist(self, y: float, thickness: float, strength: float, colour: Colour | None = None) -> None:
        """A band of haze that is thickest at `y`."""
        top, bottom = max(0, int(y - thickness)), min(self.height, int(y + thickness))
        if bottom - top < 2:
            return
        column = Image.new("L", (1, bottom - top))
        column.putdata(
            [round(255 * strength * max(0.0, 1 - abs(top + row - y) / thickness) ** 1.5) for row in range(bottom - top)]
        )
        veil = column.resize((self.width, bottom - top))
        self.picture.paste(colour or self.colours.haze, (0, top), veil)

    def clear_of_figures(self, x: float, *, reach: float = 0.15) -> bool:
        """Whether something `reach` squares wide on either side can stand here. No figures: clear of the focus."""
        air = (reach - 0.06) * self.unit
        return x < self.group.left - air or x > self.group.right + air

    def scatter(self, each: float, *, jitter: float = 0.4) -> list[float]:
        """Places from edge to edge, about one every `each` squares."""
        step = max(each * self.unit, 1.0)
        count = math.ceil(self.width / step) + 2
        return [(index - 0.5 + self.rng.uniform(-jitter, jitter)) * step for index in range(count)]
