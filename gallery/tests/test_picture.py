import hashlib
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image, ImageFile

from gallery.picture import (
    IncompletePicture,
    NotAPicture,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    check_picture,
)


def drawn(mode: str = "RGB", size: tuple[int, int] = (320, 200)) -> Image.Image:
    """Something with detail: a gradient from black above to white below, with noise."""
    noise = Image.effect_noise(size, 40)
    grey = Image.blend(Image.linear_gradient("L").resize(size), noise, 0.3)
    return grey.convert(mode)


def saved(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_claiming(width: int, height: int) -> bytes:
    content = saved(drawn())
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">2H", height, width) + content[at + 4 :]


def webp_claiming(kind: bytes, width: int, height: int) -> bytes:
    w, h = width - 1, height - 1
    bodies = {
        b"VP8X": bytes(4) + w.to_bytes(3, "little") + h.to_bytes(3, "little"),
        b"VP8L": b"\x2f" + (w | h << 14).to_bytes(4, "little"),
        b"VP8 ": b"\x10\0\0\x9d\x01\x2a" + struct.pack("<2H", width, height),
    }
    body = bodies[kind].ljust(64, b"\0")
    riff = b"WEBP" + kind + struct.pack("<L", len(body)) + body
    return b"RIFF" + struct.pack("<L", len(riff)) + riff


PICTURES = {
    "jpeg": saved(drawn()),
    "progressive jpeg": saved(drawn(), progressive=True),
    "png": saved(drawn(), "PNG"),
    "webp": saved(drawn(), "WEBP"),
    "lossless webp": saved(drawn(), "WEBP", lossless=True),
}


@pytest.mark.parametrize(
    ("form", "content_type", "extension"),
    [("JPEG", "image/jpeg", "jpg"), ("PNG", "image/png", "png"), ("WEBP", "image/webp", "webp")],
)
def test_a_whole_picture_is_described(form: str, content_type: str, extension: str) -> None:
    content = saved(drawn(), form)
    picture = check_picture(content)
    assert picture.content is content
    assert (picture.content_type, picture.extension) == (content_type, extension)
    assert (picture.width, picture.height) == (320, 200)
    assert picture.sha256 == hashlib.sha256(content).hexdigest()
    assert picture.crc32 == zlib.crc32(content)


def test_the_content_does_not_fill_a_log() -> None:
    assert len(repr(check_picture(PICTURES["png"]))) < 300


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("RGBA", "WEBP"),
    ],
)
def test_every_mode_is_accepted_and_has_its_gradient(mode: str, form: str) -> None:
    gradient = check_picture(saved(drawn(mode), form)).gradient
    rows = [int(gradient[at : at + 2], 16) for at in range(0, 24, 6)]
    assert rows == sorted(rows)
    assert rows[0] < 90 < 150 < rows[3]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    image = Image.new("I;16", (40, 40), 0x8000)
    assert check_picture(saved(image, "PNG")).gradient == "808080" * 4


def test_the_gradient_is_four_averages_from_top_to_bottom() -> None:
    image = Image.new("RGB", (100, 80))
    for row, colour in enumerate(["#ff0000", "#00ff00", "#0000ff", "#102030"]):
        image.paste(colour, (0, 20 * row, 100, 20 * row + 20))
    assert check_picture(saved(image, "PNG")).gradient == "ff000000ff000000ff102030"


def test_the_gradient_of_a_transparent_picture_is_that_of_our_paper() -> None:
    assert check_picture(saved(Image.new("RGBA", (9, 9)), "PNG")).gradient == "faf7f1" * 4


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (2000, 2)])
def test_tiny_pictures_have_a_gradient(size: tuple[int, int]) -> None:
    assert check_picture(saved(Image.new("RGB", size, "#123456"), "PNG")).gradient == "123456" * 4


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_on_its_side_is_measured_as_displayed(form: str) -> None:
    image = Image.new("RGB", (80, 40), "#ff0000")
    image.paste("#0000ff", (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = check_picture(saved(image, form, exif=exif))
    assert (picture.width, picture.height) == (40, 80)
    top, bottom = bytes.fromhex(picture.gradient[:6]), bytes.fromhex(picture.gradient[-6:])
    assert top[0] > 200 > 50 > top[2]
    assert bottom[2] > 200 > 50 > bottom[0]


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 0, 9, 77])
def test_other_orientations_keep_the_stored_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = check_picture(saved(drawn(), exif=exif))
    assert (picture.width, picture.height) == (320, 200)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_broken_exif_data_does_not_refuse_the_picture(form: str) -> None:
    content = saved(drawn(), form, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken" * 3)
    assert check_picture(content).width == 320


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"<!doctype html><title>502 Bad Gateway</title>",
        b'{"error": "model is loading"}',
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>',
        b'<?xml version="1.0"?><svg/>',
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"%PDF-1.7",
        b"\0" * 5000,
        saved(drawn(), "GIF"),
        saved(drawn(), "BMP"),
        saved(drawn(), "TIFF"),
        b" " + PICTURES["jpeg"],
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_jpeg_png_or_webp_is_refused(content: bytes) -> None:
    with pytest.raises(NotAPicture) as caught:
        check_picture(content)
    assert type(caught.value) is NotAPicture
    assert caught.value.message == "This is not a JPEG, PNG or WebP picture."


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_cut_anywhere_is_incomplete(name: str) -> None:
    content = PICTURES[name]
    cuts = {12, 20, 40, len(content) // 10, len(content) // 2, *range(len(content) - 30, len(content))}
    for cut in cuts:
        with pytest.raises(IncompletePicture):
            check_picture(content[:cut])


@pytest.mark.parametrize("name", PICTURES)
def test_half_a_picture_followed_by_an_error_page_is_incomplete(name: str) -> None:
    content = PICTURES[name]
    with pytest.raises(IncompletePicture):
        check_picture(content[: len(content) // 2] + b"<html>upstream timed out</html>" * 100)


@pytest.mark.parametrize("name", PICTURES)
def test_bytes_after_the_end_are_kept_as_they_came(name: str) -> None:
    content = PICTURES[name] + b"trailer of a camera"
    assert check_picture(content).content == content


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X"])
def test_a_signature_alone_is_incomplete(start: bytes) -> None:
    for content in (start, start + b"\0" * 100, start + b"\xff" * 100):
        with pytest.raises(NotAPicture):
            check_picture(content)


def test_a_body_of_26_megabytes_is_refused_unread() -> None:
    with pytest.raises(TooManyBytes, match="26 MB; up to 25 MB"):
        check_picture(PICTURES["jpeg"].ljust(26 * 1024 * 1024, b"\0"))


def test_limits_can_be_set() -> None:
    content = PICTURES["png"]
    assert check_picture(content, max_bytes=len(content), max_pixels=64_000).width == 320
    with pytest.raises(TooManyBytes):
        check_picture(content, max_bytes=len(content) - 1)
    with pytest.raises(TooManyPixels, match="320 × 200"):
        check_picture(content, max_pixels=63_999)


# Pillow says nothing to 5,000², warns at 10,000² and raises at 30,000².
BOMBS = {
    "png just over our limit": png_claiming(5_000, 5_000),
    "png that Pillow warns of": png_claiming(10_000, 10_000),
    "png that Pillow refuses": png_claiming(30_000, 30_000),
    "jpeg that Pillow warns of": jpeg_claiming(10_000, 10_000),
    "jpeg that Pillow refuses": jpeg_claiming(60_000, 60_000),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BOMBS)
def test_a_pixel_bomb_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", _must_not_be_called)
    with pytest.raises(TooManyPixels):
        check_picture(BOMBS[name])


def test_a_bomb_is_too_many_pixels_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TooManyPixels):
            check_picture(BOMBS["png that Pillow warns of"])


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_bomb_is_refused_before_pillow_sees_it(kind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", _must_not_be_called)
    with pytest.raises(TooManyPixels, match="16000 × 5000"):
        check_picture(webp_claiming(kind, 16_000, 5_000))


def _must_not_be_called(*args: object, **options: object) -> None:
    raise AssertionError("decoded")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}])
def test_the_size_of_a_webp_is_read_from_every_kind_of_header(mode: str, options: dict[str, object]) -> None:
    content = saved(drawn(mode, (301, 77)), "WEBP", **options)
    with pytest.raises(TooManyPixels, match="301 × 77"):
        check_picture(content, max_pixels=1000)
    assert check_picture(content).width == 301


def test_a_small_file_that_inflates_to_a_huge_text_is_refused() -> None:
    content = PICTURES["png"]
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
    with pytest.raises(NotAPicture):
        check_picture(content[:33] + bomb + content[33:])


@pytest.mark.parametrize("form", ["PNG", "WEBP", "MPO"])
def test_more_than_one_frame_is_refused(form: str) -> None:
    frames = [drawn(size=(40, 40)) for _ in range(3)]
    content = saved(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(TooManyFrames, match="3 pictures or frames"):
        check_picture(content)
    assert check_picture(content, max_frames=3).width == 40


def test_an_animated_gif_is_no_picture() -> None:
    content = saved(drawn(), "GIF", save_all=True, append_images=[drawn()])
    with pytest.raises(NotAPicture):
        check_picture(content)


def test_threads_do_not_disturb_each_other_nor_the_process() -> None:
    filters, truncated = list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES
    whole = list(PICTURES.values()) * 8
    contents = [content[: len(content) // 2] if n % 2 else content for n, content in enumerate(whole)]
    with ThreadPoolExecutor(8) as threads:
        accepted = list(threads.map(_is_accepted, contents))
    assert accepted == [n % 2 == 0 for n in range(len(contents))]
    assert (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES) == (filters, truncated)


def _is_accepted(content: bytes) -> bool:
    try:
        check_picture(content)
    except NotAPicture:
        return False
    return True
