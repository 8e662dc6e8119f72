"""Archives of members whose content is made up, and what is in them."""

import asyncio
import zlib
from datetime import UTC, datetime

from gallery.archive import Archive, Member, stream

NOON = datetime(2026, 5, 4, 12, 30, 42, tzinfo=UTC)
SOURCES: dict[str, bytes] = {}


def member(name: str, content: bytes, *, modified: datetime = NOON) -> Member:
    SOURCES[name] = content
    return Member(name=name, size=len(content), crc32=zlib.crc32(content), modified=modified, source=name)


def claimed(name: str, size: int, *, crc32: int = 0) -> Member:
    return Member(name=name, size=size, crc32=crc32, modified=NOON, source=name)


def read(source: str, offset: int, length: int) -> bytes:
    return SOURCES[source][offset : offset + length]


def whole(archive: Archive, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(part if isinstance(part, bytes) else read(*part) for part in archive.parts(start, end))


def streamed(archive: Archive, start: int = 0, end: int | None = None) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [chunk async for chunk in stream(archive, read, start, end)]

    return asyncio.run(collect())
