"""The zip of a story's or a character's pictures: layout, exact size, ranges, names. No Django.

The layout of an archive follows from its members' names, sizes, CRCs and times: length and ETag are known
before a picture is read, and any range of it can be made without what lies before. Pictures do not compress:
members are stored as they are. "APPNOTE" is PKWARE's .ZIP File Format Specification, version 6.3.10.
"""

import asyncio
import hashlib
import os
import re
import struct
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, count
from typing import NamedTuple
from zlib import crc32

# 64 KiB give a third of the speed, 4 MiB hold 1.5 times the memory with 40 stalled readers.
CHUNK = 1024 * 1024

MAX_16 = 0xFFFF
MAX_32 = 0xFFFFFFFF

# Local header (APPNOTE 4.3.7), central directory's entry (4.3.12), the ends (4.3.14, 4.3.15, 4.3.16).
LOCAL = struct.Struct("<4s5H3L2H")
ENTRY = struct.Struct("<4s6H3L5H2L")
ZIP64_END = struct.Struct("<4sQ2H2L4Q")
ZIP64_LOCATOR = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
# Identity and length of an extra field (4.5.1).
EXTRA_HEAD = struct.Struct("<2H")

# "Version needed to extract" times ten (APPNOTE 4.4.3.2); Unix in the upper byte of "made by" (4.4.2).
VERSION = 20
VERSION_ZIP64 = 45
MADE_BY_UNIX = 3 << 8
# A regular file that its owner may write and all may read, in the upper half as Unix archivers do (4.4.15).
FILE_MODE = 0o100644 << 16
# General purpose bit 11: the name is UTF-8 (4.4.4). Method 0: stored (4.4.5).
UTF8 = 1 << 11
STORED = 0
# The extra field that holds what does not fit into 32 bits (4.5.3).
ZIP64_EXTRA = 1
# What MS-DOS can write (4.4.6).
DOS_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
DOS_LAST = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)

# Names: 255 bytes are the limit of common file systems; ` (2)` and a person's own renaming need room.
NAME_BYTES = 200
CAPTION_LENGTH = 60
# What Windows, and partly macOS, refuse in a file name.
REPLACED = {"/": "-", "\\": "-", ":": "-", "|": "-", '"': "'", "*": "", "?": "", "<": "", ">": ""}
# Names of devices on Windows, whatever follows after a dot.
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³")}
# They join the parts of emoji and shape Persian words, unlike other invisible characters.
JOINERS = "\u200c\u200d"


class BrokenArchive(Exception):
    """A member's bytes are not there as promised: the download must break off, visibly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of the archive.

    `name` is its path in the zip with forward slashes; `size` is in bytes and `crc32` that of its content;
    `modified` is aware. `source` is the content itself as bytes, or what `read` knows it by: the archive
    looks into no string.
    """

    name: str
    size: int
    crc32: int
    modified: datetime
    source: str | bytes

    def __post_init__(self) -> None:
        if self.modified.tzinfo is None:
            raise ValueError(f"The time of {self.name!r} has no zone.")
        if isinstance(self.source, bytes) and len(self.source) != self.size:
            raise ValueError(f"{self.name!r} has {len(self.source)} bytes, not {self.size}.")


class Slice(NamedTuple):
    """`length` bytes of a source from `offset` on."""

    source: str
    offset: int
    length: int


Read = Callable[[str, int, int], bytes]


class Archive:
    """The layout of a zip; the same members in the same order give the same bytes.

    Headers are made when they are asked for: beside the members only two numbers each are held.
    Raises ValueError for two members of one name: the second would replace the first on unpacking.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        if len({member.name for member in members}) < len(members):
            raise ValueError("Two members have the same name.")
        self.members = tuple(members)
        # Where each local header begins, then each entry of the directory, and where the last of them ends.
        self._headers = array("Q", accumulate(map(_stored_size, self.members), initial=0))
        sizes = map(_entry_size, self.members, self._headers)
        self._entries = array("Q", accumulate(sizes, initial=self._headers[-1]))

    @property
    def size(self) -> int:
        """The exact number of bytes, for Content-Length."""
        return self._entries[-1] + len(self._end)

    @cached_property
    def etag(self) -> str:
        """SHA-256 of the central directory, 64 hex digits without the quotes of the header.

        Every entry is made for it, once: with thousands of members ask for it outside the event loop.
        """
        digest = hashlib.sha256()
        for index in range(len(self.members)):
            digest.update(self._entry(index))
        return digest.hexdigest()

    def parts(self, start: int = 0, end: int | None = None) -> Iterator[bytes | Slice]:
        """The bytes from `start` up to `end` (excluded; None: the end): literal ones, and slices of sources.

        No part is empty or longer than CHUNK. Raises ValueError for a range that is not in the archive.
        """
        return self._parts(start, self.checked_end(start, end))

    def checked_end(self, start: int, end: int | None) -> int:
        """Where the range from `start` ends. Raises ValueError for a range that is not in the archive."""
        end = self.size if end is None else end
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"The archive has {self.size} bytes, none from {start} to {end}.")
        return end

    def _parts(self, start: int, end: int) -> Iterator[bytes | Slice]:
        for position, content in self._contents(start):
            if position >= end:
                return
            yield from _cut(content, start - position, end - position)

    def _contents(self, start: int) -> Iterator[tuple[int, bytes | Slice]]:
        """Position and content of all that follows, from the member or entry that holds byte `start` on."""
        for index in range(_holder(self._headers, start), len(self.members)):
            header, member = self._header(index), self.members[index]
            yield self._headers[index], header
            yield self._headers[index] + len(header), _content(member)
        for index in range(_holder(self._entries, start), len(self.members)):
            yield self._entries[index], self._entry(index)
        yield self._entries[-1], self._end

    def _header(self, index: int) -> bytes:
        member = self.members[index]
        name, large = member.name.encode(), _is_large(member)
        # A local header must hold both sizes in its zip64 field (APPNOTE 4.5.3).
        extra = _zip64_extra(member.size, member.size) if large else b""
        size = MAX_32 if large else member.size
        date, time = _dos_time(member.modified)
        version = VERSION_ZIP64 if large else VERSION
        fixed = (version, UTF8, STORED, time, date, member.crc32, size, size, len(name), len(extra))
        return LOCAL.pack(b"PK\3\4", *fixed) + name + extra

    def _entry(self, index: int) -> bytes:
        member, offset = self.members[index], self._headers[index]
        name, large, far = member.name.encode(), _is_large(member), offset >= MAX_32
        values = ([member.size, member.size] if large else []) + ([offset] if far else [])
        extra = _zip64_extra(*values) if values else b""
        size = MAX_32 if large else member.size
        date, time = _dos_time(member.modified)
        version = VERSION_ZIP64 if values else VERSION
        fixed = (MADE_BY_UNIX | version, version, UTF8, STORED, time, date, member.crc32, size, size)
        lengths = (len(name), len(extra), 0)
        place = (0, 0, FILE_MODE, min(offset, MAX_32))
        return ENTRY.pack(b"PK\1\2", *fixed, *lengths, *place) + name + extra

    @cached_property
    def _end(self) -> bytes:
        count, offset = len(self.members), self._headers[-1]
        size = self._entries[-1] - offset
        shown = min(count, MAX_16)
        end = END.pack(b"PK\5\6", 0, 0, shown, shown, min(size, MAX_32), min(offset, MAX_32), 0)
        if count < MAX_16 and size < MAX_32 and offset < MAX_32:
            return end
        # The record's own length leaves out its first twelve bytes (APPNOTE 4.3.14.1).
        length, versions = ZIP64_END.size - 12, (MADE_BY_UNIX | VERSION_ZIP64, VERSION_ZIP64)
        zip64 = ZIP64_END.pack(b"PK\6\6", length, *versions, 0, 0, count, count, size, offset)
        return zip64 + ZIP64_LOCATOR.pack(b"PK\6\7", 0, self._entries[-1], 1) + end


async def stream(archive: Archive, read: Read, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
    """The archive's bytes from `start` up to `end`, in chunks of CHUNK and one shorter last one.

    `read(source, offset, length)` runs in a thread, is called again for every chunk, and must leave nothing
    open: a reader who goes away then leaves nothing behind. One chunk is held at a time. What it raises ends
    the stream unchanged; BrokenArchive is raised when it returns more or fewer bytes than asked for, and
    ValueError as by Archive.parts.
    """
    end = archive.checked_end(start, end)
    for position in range(start, end, CHUNK):
        yield await asyncio.to_thread(_chunk, archive, read, position, min(position + CHUNK, end))


def read_file(path: str, offset: int, length: int) -> bytes:
    """Part of a local file, for `stream`: opened, read and closed in one call."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def text_member(name: str, text: str, modified: datetime) -> Member:
    """A member of our own words, such as MISSING.txt, as UTF-8."""
    content = text.encode()
    return Member(name=name, size=len(content), crc32=crc32(content), modified=modified, source=content)


def picture_name(position: int, text: str, extension: str, *, width: int = 2, take: int | None = None) -> str:
    """`03 The lighthouse at dusk.jpg` for position 2; with `take`: `03 The lighthouse at dusk (take 2).jpg`.

    `width` is the number of digits, `extension` has no dot. At most NAME_BYTES of UTF-8; a text of which
    nothing is left gives `03 scene.jpg`.
    """
    number = f"{position + 1:0{width}d} "
    ending = ("" if take is None else f" (take {take})") + f".{extension}"
    words = _shortened(_plain(text), NAME_BYTES - len((number + ending).encode()))
    return number + (words or "scene") + ending


def folder_name(title: str, *, otherwise: str = "pictures") -> str:
    """A story's or a character's name as the name of a folder, or of the zip without its ending."""
    name = _shortened(_plain(title), NAME_BYTES) or otherwise
    return f"_{name}" if name.partition(".")[0].rstrip().upper() in DEVICES else name


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names in the same order; the second of two that Windows or macOS take for one gets ` (2)`."""
    given = list(names)
    taken = {_compared(name) for name in given}
    numbers: dict[str, count[int]] = {}
    unique = []
    for name in given:
        if (key := _compared(name)) in numbers:
            name = _free_name(name, numbers[key], taken)
            taken.add(_compared(name))
        numbers.setdefault(key, count(2))
        unique.append(name)
    return unique


def _stored_size(member: Member) -> int:
    """Bytes of the local header and the content."""
    extra = EXTRA_HEAD.size + 16 if _is_large(member) else 0
    return LOCAL.size + len(member.name.encode()) + extra + member.size


def _entry_size(member: Member, offset: int) -> int:
    extra = 8 * (2 * _is_large(member) + (offset >= MAX_32))
    return ENTRY.size + len(member.name.encode()) + (EXTRA_HEAD.size + extra if extra else 0)


def _is_large(member: Member) -> bool:
    # The highest value itself is the mark for "look into the zip64 field".
    return member.size >= MAX_32


def _holder(starts: Sequence[int], position: int) -> int:
    """Index of the last start that is not behind `position`; 0 where all are."""
    return max(bisect_right(starts, position) - 1, 0)


def _content(member: Member) -> bytes | Slice:
    return member.source if isinstance(member.source, bytes) else Slice(member.source, 0, member.size)


def _cut(content: bytes | Slice, start: int, end: int) -> Iterator[bytes | Slice]:
    """What of `content` lies from `start` to `end`, both relative to it, in pieces of at most CHUNK."""
    end = min(end, len(content) if isinstance(content, bytes) else content.length)
    for offset in range(max(start, 0), end, CHUNK):
        length = min(CHUNK, end - offset)
        if isinstance(content, bytes):
            yield content[offset : offset + length]
        else:
            yield Slice(content.source, content.offset + offset, length)


def _zip64_extra(*values: int) -> bytes:
    return EXTRA_HEAD.pack(ZIP64_EXTRA, 8 * len(values)) + struct.pack(f"<{len(values)}Q", *values)


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Date and time of UTC in MS-DOS's form (APPNOTE 4.4.6), which knows no zone and only even seconds."""
    utc = min(max(moment, DOS_FIRST), DOS_LAST).astimezone(UTC)
    date = (utc.year - 1980) << 9 | utc.month << 5 | utc.day
    return date, utc.hour << 11 | utc.minute << 5 | utc.second // 2


def _chunk(archive: Archive, read: Read, start: int, end: int) -> bytes:
    return b"".join(part if isinstance(part, bytes) else _read(part, read) for part in archive.parts(start, end))


def _read(part: Slice, read: Read) -> bytes:
    content = read(*part)
    if len(content) != part.length:
        raise BrokenArchive(f"{part.source}: {len(content)} bytes instead of {part.length} from byte {part.offset} on.")
    return content


def _plain(text: str) -> str:
    """One line in NFC of characters that every system takes, without dots and spaces at its ends."""
    kept = unicodedata.normalize("NFC", "".join(map(_allowed, text)))
    return " ".join(kept.split()).strip(". ")


def _allowed(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    # Invisible characters can turn the reading direction, and so fake an extension; lone surrogates cannot
    # be written as UTF-8.
    if category in ("Cf", "Cs") and character not in JOINERS:
        return ""
    return REPLACED.get(character, character)


def _shortened(text: str, room: int) -> str:
    """At most CAPTION_LENGTH characters and `room` bytes, cut between words where one ends in time."""
    if len(text) > CAPTION_LENGTH:
        space = text.rfind(" ", CAPTION_LENGTH // 2, CAPTION_LENGTH + 1)
        text = text[: CAPTION_LENGTH if space < 0 else space]
    return text.encode()[:room].decode(errors="ignore").rstrip(" .,;-–—" + JOINERS)


def _compared(name: str) -> str:
    """Equal for names that a file system takes for one: those of Windows and macOS ignore case."""
    return unicodedata.normalize("NFC", name).casefold()


def _free_name(name: str, numbers: Iterable[int], taken: set[str]) -> str:
    numbered = (re.sub(r"(\.\w{1,5})?\Z", rf" ({number})\1", name, count=1) for number in numbers)
    return next(candidate for candidate in numbered if _compared(candidate) not in taken)
