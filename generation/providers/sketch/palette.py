"""The colours of an hour, tinted by a place; and the small arithmetic that mixes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

Colour = tuple[int, int, int]


def hexed(text: str) -> Colour:
    """`"9a3d16"` as a colour."""
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` 0 is `one`, 1 is `other`."""
    return (
        round(one[0] + (other[0] - one[0]) * share),
        round(one[1] + (other[1] - one[1]) * share),
        round(one[2] + (other[2] - one[2]) * share),
    )


def gradient(stops: Sequence[tuple[float, Colour]], *, length: int = 256) -> Image.Image:
    """A column of one pixel's width through colours at rising places between 0 and 1, for `resize`."""
    column: list[Colour] = []
    index = 0
    (start, upper), (end, lower) = stops[:2]
    for row in range(length):
        place = row / (length - 1)
        while place > end and index < len(stops) - 2:
            index += 1
            (start, upper), (end, lower) = stops[index : index + 2]
        if place <= start or place >= end:
            column.append(upper if place <= start else lower)
            continue
        share = (place - start) / (end - start)
        column.append(mix(upper, lower, share * share * (3 - 2 * share)))
    image = Image.new("RGB", (1, length))
    image.putdata(column)
    return image


WHITE = hexed("ffffff")
SNOW = hexed("f3f7fd")
LAMPLIGHT = hexed("ffc96b")


@dataclass(frozen=True, slots=True)
class Hour:
    """Three colours of the sky from its top to the horizon, and two of the land, far and near.

    `light` is the sun or the moon, `tint` how much of a place's own colour the hour lets through, `dim` how much
    of the land's near colour lies over figures and things.
    """

    zenith: Colour
    middle: Colour
    horizon: Colour
    far: Colour
    near: Colour
    light: Colour
    tint: float
    dim: float
    dark: bool


def _hour(colours: str, *, light: str = "fff4d8", tint: float, dim: float, dark: bool = False) -> Hour:
    zenith, middle, horizon, far, near = map(hexed, colours.split())
    return Hour(zenith, middle, horizon, far, near, hexed(light), tint, dim, dark)


HOURS: dict[str, Hour] = {
    "day": _hour("6db1d6 a8d5e2 f8f0da a9cdc4 2c5a5c", tint=0.55, dim=0.02),
    "dawn": _hour("7d92cb e2b4cb ffe2b6 d2aac0 4a3a64", tint=0.28, dim=0.06),
    "dusk": _hour("3a2a63 b9577f fab877 ae5b7f 25173f", light="ffe3b0", tint=0.2, dim=0.14, dark=True),
    "night": _hour("0b1535 1d3768 5f88b8 456899 0a122d", light="fdf3d3", tint=0.22, dim=0.24, dark=True),
    "autumn": _hour("d99a6c f0c48c fdebc8 dda263 5a2c25", tint=0.12, dim=0.04),
    "mist": _hour("a7b8bf cdd7d5 f2f0e6 bccac9 3c565e", light="fffdf4", tint=0.2, dim=0.06),
    "storm": _hour("252f3d 51616e c0c4b0 6e808a 18222c", light="f4f0dc", tint=0.22, dim=0.18, dark=True),
    "winter": _hour("86a3cb c3d4e8 fdf1ea b9cbe2 3a5278", light="fffaf0", tint=0.12, dim=0.04),
}

# What a place adds to the land's far and near colours.
TINTS: dict[str, tuple[Colour, Colour]] = {
    "forest": (hexed("8fbfa0"), hexed("12403a")),
    "sea": (hexed("8cc4cf"), hexed("0f4a63")),
    "city": (hexed("c2a6b0"), hexed("33305c")),
    "mountain": (hexed("a7b6d0"), hexed("2b4a5e")),
    "desert": (hexed("f3c48d"), hexed("9c4a2c")),
    "space": (hexed("8f7cc4"), hexed("241a52")),
    "meadow": (hexed("b9d69a"), hexed("2f6b3d")),
    "village": (hexed("b8cf9f"), hexed("35604a")),
    "river": (hexed("a5cdb4"), hexed("1f5a55")),
    "cave": (hexed("6fa6b8"), hexed("1d1f3f")),
    "room": (hexed("e0b48c"), hexed("5a3140")),
    "clouds": (hexed("f3d3d8"), hexed("6a6fae")),
}


@dataclass(frozen=True, slots=True)
class Colours:
    """An hour at a place: what everything in one picture is painted from."""

    hour: Hour
    far: Colour
    near: Colour
    snowy: bool

    def tone(self, depth: float) -> Colour:
        """The land at a depth between 0 (far) and 1 (near)."""
        return mix(self.far, self.near, depth)

    def ground(self, depth: float) -> Colour:
        """The tone, under snow where it lies."""
        if not self.snowy:
            return self.tone(depth)
        shade = mix(self.hour.far, self.hour.zenith, 0.25)
        return mix(SNOW, shade, 0.62 - 0.5 * depth if not self.hour.dark else 0.8 - 0.42 * depth)

    @property
    def haze(self) -> Colour:
        """What lies in the air between two layers."""
        return mix(self.hour.horizon, self.far, 0.25)

    def lit(self, colour: Colour) -> Colour:
        """A thing's own colour in this hour's light."""
        return mix(colour, mix(self.hour.near, self.hour.middle, 0.3), self.hour.dim)


def colours_of(hour: str, place: str, *, snowy: bool) -> Colours:
    """The palette of one picture."""
    base = HOURS[hour]
    far, near = TINTS[place]
    return Colours(
        base,
        mix(base.far, mix(far, base.far, 0.3) if base.dark else far, base.tint),
        mix(base.near, mix(near, base.near, 0.4) if base.dark else near, base.tint),
        snowy,
    )
