"""Answers that no client wishes for, and some honest ones, to be given to `LoopbackServer.answer_next`."""

import json
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from io import BytesIO

from PIL import Image

from generation.tests.loopback.server import Answer, Exchange

MEGABYTE = 1024 * 1024


def whole(
    content: bytes, content_type: str = "image/jpeg", *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """An honest answer. With another `content_type` than the content's, the "wrong content type"."""
    return lambda exchange: exchange.send(content, content_type, status=status, headers=headers)


def json_body(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return whole(json.dumps(body).encode(), "application/json", status=status, headers=headers)


def html(*, status: int = 200) -> Answer:
    page = b"<!doctype html><title>Just a moment...</title><p>Checking your browser</p>"
    return whole(page, "text/html; charset=utf-8", status=status)


def status(code: int, body: str = "", *, content_type: str = "text/plain", **headers: str) -> Answer:
    """Header names are written with underscores: `status(429, Retry_After="1")`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return whole(body.encode(), content_type, status=code, headers=named)


def empty() -> Answer:
    return whole(b"")


def half(content: bytes, content_type: str = "image/jpeg") -> Answer:
    """The first half, with a length that is right for it."""
    return whole(content[: len(content) // 2], content_type)


def lying_length(content: bytes, *, by: int, content_type: str = "image/jpeg") -> Answer:
    """The content under a length that is so many bytes too large, or too small where `by` is negative."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(content) + by)}
    return _and_close(headers, content)


def absent_length(content: bytes, content_type: str = "image/jpeg") -> Answer:
    """A whole body that only the end of the connection ends."""
    return _and_close({"Content-Type": content_type, "Connection": "close"}, content)


def chunked(content: bytes, content_type: str = "image/jpeg") -> Answer:
    """A whole body in two chunks."""

    def answer(exchange: Exchange) -> None:
        exchange.begin(200, {"Content-Type": content_type, "Transfer-Encoding": "chunked"})
        middle = len(content) // 2
        for part in (content[:middle], content[middle:], b""):
            exchange.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    return answer


def huge(
    size: int = 100 * MEGABYTE,
    content_type: str = "image/jpeg",
    *,
    says_length: bool = True,
    status: int = 200,
    **headers: str,
) -> Answer:
    """A body of so many bytes, sent piece by piece; with `says_length=False` only its end tells."""

    def answer(exchange: Exchange) -> None:
        length = {"Content-Length": str(size)} if says_length else {"Connection": "close"}
        exchange.begin(status, {"Content-Type": content_type, **length, **headers})
        for _ in range(size // MEGABYTE):
            exchange.write(b"\xff" * MEGABYTE)
        if not says_length:
            exchange.close()

    return answer


def gzip_bomb(size: int = 100 * MEGABYTE, content_type: str = "image/jpeg") -> Answer:
    """About a thousandth of `size` (whole megabytes), which becomes that much for whoever unpacks it."""

    def answer(exchange: Exchange) -> None:
        exchange.send(_packed(size), content_type, headers={"Content-Encoding": "gzip"})

    return answer


def pixel_bomb(side: int = 30_000) -> Answer:
    """A small and whole PNG of side × side black pixels."""
    return lambda exchange: exchange.send(_black_png(side), "image/png")


def animation(frames: int = 3) -> Answer:
    """A WebP of several frames."""
    body = BytesIO()
    first, *others = [Image.new("RGB", (64, 64), (number * 80, 40, 90)) for number in range(frames)]
    first.save(body, "WEBP", save_all=True, append_images=others, duration=100)
    return whole(body.getvalue(), "image/webp")


def svg() -> Answer:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    return whole(drawing, "image/svg+xml")


def redirect(location: str, *, status: int = 302) -> Answer:
    return whole(b"", "text/plain", status=status, headers={"Location": location})


def drip(content: bytes, *, every: float = 0.05, says_length: bool = True, status: int = 200) -> Answer:
    """A byte at a time: no timeout between two reads ever ends it."""

    def answer(exchange: Exchange) -> None:
        length = {"Content-Length": str(len(content))} if says_length else {"Connection": "close"}
        exchange.begin(status, {"Content-Type": "image/jpeg", **length})
        for byte in content:
            exchange.write(bytes([byte]))
            exchange.pause(every)
        if not says_length:
            exchange.close()

    return answer


def drip_headers(*, every: float = 0.05) -> Answer:
    """A head that never ends, a byte at a time."""

    def answer(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not exchange.server.stopping.is_set():
            exchange.raw(b"x")
            exchange.pause(every)

    return answer


def hang(*, after: bytes = b"", status: int = 200) -> Answer:
    """No answer at all; with `after`, a head that promises more and these first bytes of the body."""

    def answer(exchange: Exchange) -> None:
        if after:
            exchange.begin(status, {"Content-Type": "image/jpeg", "Content-Length": str(10 * len(after))})
            exchange.write(after)
        exchange.wait(exchange.server.stopping)

    return answer


def drop() -> Answer:
    """The connection is closed without an answer."""
    return Exchange.close


def drop_in_the_middle(content: bytes, content_type: str = "image/jpeg") -> Answer:
    """The right length, half of the body, and the end of the connection."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(content))}
    return _and_close(headers, content[: len(content) // 2])


def many_headers(content: bytes, content_type: str = "image/jpeg", *, count: int = 30_000) -> Answer:
    def answer(exchange: Exchange) -> None:
        pairs = [("Content-Type", content_type), ("Content-Length", str(len(content)))]
        exchange.begin(200, pairs + [(f"X-{number}", "y") for number in range(count)])
        exchange.write(content)

    return answer


def garbage() -> Answer:
    """Bytes that are no HTTP."""

    def answer(exchange: Exchange) -> None:
        exchange.raw(b"220 mail.example.org ESMTP\r\n")
        exchange.close()

    return answer


def after(seconds: float, answer: Answer) -> Answer:
    """The same answer, later."""

    def late(exchange: Exchange) -> None:
        exchange.pause(seconds)
        answer(exchange)

    return late


def _and_close(headers: Mapping[str, str], content: bytes) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.begin(200, headers)
        exchange.write(content)
        exchange.close()

    return answer


@cache
def _packed(size: int) -> bytes:
    """Piece by piece: the test that makes it counts memory."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)) + packer.flush()


@cache
def _black_png(side: int) -> bytes:
    """Written by hand (PNG specification, 5 and 11), row by row: the pixels never lie in memory at once."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + side // 8 + (side % 8 > 0))
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
