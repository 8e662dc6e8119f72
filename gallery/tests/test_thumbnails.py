from io import BytesIO

import pytest
from PIL import Image, ImageCms

from gallery.picture import NotAPicture
from gallery.tests.test_picture import drawn, saved
from gallery.thumbnails import SIZES, make_thumbnails


def opened(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        image.load()
    return image


def shapes(content: bytes) -> dict[int, tuple[int, int]]:
    return {width: opened(small).size for width, small in make_thumbnails(content).items()}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1024), {320: (320, 320), 640: (640, 640)}),
        ((1600, 901), {320: (320, 180), 640: (640, 360)}),
        ((700, 2000), {320: (320, 914), 640: (640, 1829)}),
        ((500, 300), {320: (320, 192), 640: (500, 300)}),
        ((64, 200), {320: (64, 200), 640: (64, 200)}),
    ],
)
def test_the_width_is_limited_and_nothing_is_enlarged(
    form: str, size: tuple[int, int], expected: dict[int, tuple[int, int]]
) -> None:
    assert shapes(saved(drawn(size=size), form)) == expected


def test_every_size_is_a_webp() -> None:
    thumbnails = make_thumbnails(saved(drawn()))
    assert set(thumbnails) == set(SIZES)
    assert {opened(small).format for small in thumbnails.values()} == {"WEBP"}


def test_extreme_shapes_stay_within_what_a_webp_can_be() -> None:
    assert shapes(saved(Image.new("RGB", (30, 40_000)), "PNG")) == {320: (12, 16_383), 640: (12, 16_383)}
    assert shapes(saved(Image.new("RGB", (40_000, 30)), "PNG")) == {320: (320, 1), 640: (640, 1)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_small_picture_stands_upright(orientation: int) -> None:
    upright = Image.new("RGB", (800, 400), "#ffffff")
    upright.paste("#ff0000", (0, 0, 400, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    small = opened(make_thumbnails(saved(as_stored(upright, orientation), exif=exif))[320])
    assert small.size == (320, 160)
    assert _is_red(small.convert("RGB"), (20, 20))
    assert not any(_is_red(small.convert("RGB"), corner) for corner in [(300, 20), (20, 140), (300, 140)])


def as_stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels that a camera would store for it (the inverse of what a viewer does)."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return upright.transpose(turns[orientation]) if orientation in turns else upright


def _is_red(image: Image.Image, place: tuple[int, int]) -> bool:
    red, green, _blue = image.crop((*place, place[0] + 1, place[1] + 1)).tobytes()
    return red > 200 and green < 80


def _opacity(image: Image.Image, place: tuple[int, int]) -> int:
    return image.crop((*place, place[0] + 1, place[1] + 1)).tobytes()[3]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_transparent_pixels_stay_transparent(form: str) -> None:
    image = Image.new("RGBA", (800, 800), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 400, 400))
    small = opened(make_thumbnails(saved(image, form))[320])
    assert small.mode == "RGBA"
    assert [_opacity(small, (20, 20)), _opacity(small, (300, 300))] == [0, 255]


def test_a_palette_with_a_transparent_colour_keeps_it() -> None:
    image = Image.new("P", (400, 400), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(0, (0, 0, 200, 200))
    small = opened(make_thumbnails(saved(image, "PNG", transparency=0))[320])
    assert [_opacity(small, (20, 20)), _opacity(small, (300, 300))] == [0, 255]


@pytest.mark.parametrize(
    ("mode", "form"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("L", "JPEG")],
)
def test_every_mode_gives_its_greys(mode: str, form: str) -> None:
    small = opened(make_thumbnails(saved(drawn(mode, (640, 640)), form))[320]).convert("L")
    above, below = small.crop((0, 0, 320, 40)), small.crop((0, 280, 320, 320))
    assert _mean(above) < 80 < 170 < _mean(below)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    small = opened(make_thumbnails(saved(Image.new("I;16", (400, 400), 0x8000), "PNG"))[320])
    assert abs(_mean(small.convert("L")) - 128) < 3


def _mean(grey: Image.Image) -> float:
    return grey.resize((1, 1), Image.Resampling.BOX).tobytes()[0]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_no_metadata_is_carried(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera that knows where it was"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = saved(drawn(size=(800, 600)), form, exif=exif, icc_profile=profile)
    for small in make_thumbnails(content).values():
        assert not {"exif", "icc_profile", "xmp"} & set(opened(small).info)


def test_the_same_picture_gives_the_same_bytes() -> None:
    content = saved(drawn(size=(800, 600)))
    assert make_thumbnails(content) == make_thumbnails(content)


def test_bytes_that_cannot_be_decoded_are_not_a_picture() -> None:
    content = saved(drawn())
    for broken in (b"<html>", content[: len(content) // 2]):
        with pytest.raises(NotAPicture):
            make_thumbnails(broken)
