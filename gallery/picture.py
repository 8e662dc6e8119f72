"""Bytes from outside -> a checked picture.

    NotAPicture(ValueError)     the bytes are no JPEG, PNG or WebP
      IncompletePicture         it begins like one, but cannot be decoded to its end
      TooManyBytes              more than MAX_BYTES
      TooManyPixels             more than MAX_PIXELS by its header; nothing was decoded
      TooManyFrames             an animation, or several pictures in one file

No Django, and no change to what threads share in Pillow (LOAD_TRUNCATED_IMAGES, warning filters): everything
here may run in many threads at once.
"""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 24_000_000
MAX_FRAMES = 1

FORMATS = ("JPEG", "PNG", "WEBP")
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}

# The length, type and checksum of the chunk that ends every PNG (PNG specification, 11.2.5).
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

# The paper that our pages lie on in the light theme: what shines through a transparent picture's gradient.
PAPER = (250, 247, 241, 255)

# What a viewer does with each value of EXIF's Orientation (Exif 2.32, 4.6.4 A); 1 means nothing.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class NotAPicture(ValueError):
    """These bytes are not a picture that we keep; `message` says why, to a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class IncompletePicture(NotAPicture):
    pass


class TooManyBytes(NotAPicture):
    pass


class TooManyPixels(NotAPicture):
    pass


class TooManyFrames(NotAPicture):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A whole JPEG, PNG or WebP of one frame.

    `content` is what came in, byte for byte; bytes after the picture's own end stay, as in every browser.
    `width` and `height` are pixels as displayed: a quarter turn in the EXIF data swaps the stored ones.
    `extension` has no dot, `sha256` is hex, `crc32` is that of zip files, and `gradient` is four colours from
    top to bottom as 24 hex digits (`rrggbb` four times).
    """

    content: bytes = field(repr=False)
    content_type: str
    extension: str
    width: int
    height: int
    sha256: str
    crc32: int
    gradient: str


def check_picture(
    content: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    max_frames: int = MAX_FRAMES,
) -> Picture:
    """Decode `content` to its last row and return what is to be known of it.

    The format is read from the bytes, never from a declared type. Raises NotAPicture, most often one of its
    subclasses. Takes about 10 ms of one core for a JPEG of 1024².
    """
    _check_bytes(content, max_bytes)
    if _format(content) == "WEBP":
        _check_pixels(*_webp_canvas(content), max_pixels)
    with opened(content) as image:
        _check_pixels(image.width, image.height, max_pixels)
        _check_frames(image, max_frames)
        image.load()
        _check_end(content)
        return _picture(content, image)


@contextmanager
def opened(content: bytes) -> Iterator[ImageFile]:
    """The picture as Pillow opens it, not decoded yet; errors here and in the block become NotAPicture."""
    kind = _format(content)
    try:
        with Image.open(BytesIO(content), formats=(kind,)) as image:
            yield image
    except (NotAPicture, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        # Pillow's own limit lies far above ours; its warning is an error only where warning filters say so.
        raise TooManyPixels("The picture has too many pixels.") from exc
    except Exception as exc:
        # On hostile bytes Pillow raises nearly everything: OSError, SyntaxError, struct.error, TypeError, …
        raise IncompletePicture(f"The {kind} picture is incomplete or damaged.") from exc


def turn(image: Image.Image) -> Image.Transpose | None:
    """How to turn the stored pixels upright; None where they are upright or the EXIF data is broken."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 (broken EXIF raises nearly everything, and browsers show such pictures)
        return None


def displayed_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the picture as viewers show it, upright."""
    quarter_turns = (TURNS[5], TURNS[6], TURNS[7], TURNS[8])
    return (image.height, image.width) if turn(image) in quarter_turns else image.size


def eight_bit(image: Image.Image) -> Image.Image:
    """The same pixels as RGB, or as RGBA where some may be transparent."""
    if image.mode.startswith("I;16"):
        # convert() would clip 16-bit greys to white instead of scaling them.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _check_bytes(content: bytes, max_bytes: int) -> None:
    if len(content) > max_bytes:
        raise TooManyBytes(
            f"The picture has {_megabytes(len(content))} MB; up to {_megabytes(max_bytes)} MB are accepted."
        )


def _megabytes(count: int) -> str:
    return f"{count / 1024**2:.1f}".removesuffix(".0")


def _format(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    raise NotAPicture("This is not a JPEG, PNG or WebP picture.")


def _webp_canvas(content: bytes) -> tuple[int, int]:
    """Width and height in pixels from the first chunk (RFC 9649, 2.5 to 2.7).

    Pillow's decoder asks for memory for the whole canvas when it is made, before anyone can see the size.
    """
    chunk, body = content[12:16], content[20:30].ljust(10, b"\0")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The picture has {width} × {height} pixels; up to {max_pixels / 1_000_000:g} million pixels are accepted."
        )


def _check_frames(image: ImageFile, max_frames: int) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > max_frames:
        raise TooManyFrames(f"The file holds {frames} pictures or frames; up to {max_frames} are accepted.")


def _check_end(content: bytes) -> None:
    # Pillow is content with a PNG that lacks up to 22 bytes: all pixels are there, their checksum is not.
    if _format(content) == "PNG" and content.rfind(PNG_END) < 0:
        raise IncompletePicture("The PNG picture is incomplete or damaged.")


def _picture(content: bytes, image: ImageFile) -> Picture:
    content_type = CONTENT_TYPES[_format(content)]
    width, height = displayed_size(image)
    return Picture(
        content=content,
        content_type=content_type,
        extension=EXTENSIONS[content_type],
        width=width,
        height=height,
        sha256=hashlib.sha256(content).hexdigest(),
        crc32=zlib.crc32(content),
        gradient=_gradient(image),
    )


def _gradient(image: Image.Image) -> str:
    """Four colours, each the average of a quarter of the displayed height, from top to bottom."""
    tiny = eight_bit(image).resize((4, 4), Image.Resampling.BOX, reducing_gap=1.0).convert("RGBA")
    turned = turn(image)
    upright = tiny if turned is None else tiny.transpose(turned)
    rows = upright.resize((1, 4), Image.Resampling.BOX)
    paper = Image.new("RGBA", rows.size, PAPER)
    return Image.alpha_composite(paper, rows).convert("RGB").tobytes().hex()
