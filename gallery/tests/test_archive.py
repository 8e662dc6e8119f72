"""The zip itself: its layout and exact size, its ranges, and how it is streamed."""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest

from gallery.archive import (
    CHUNK,
    Archive,
    BrokenArchive,
    Member,
    Slice,
    picture_name,
    read_file,
    stream,
    text_member,
)

NOON = datetime(2026, 5, 4, 12, 30, 42, tzinfo=UTC)
GIB = 1024**3
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


@pytest.fixture(scope="module")
def archive() -> Archive:
    """Sixty pictures of many sizes (some empty, one larger than two chunks), and a note."""
    dice = random.Random(7)
    sizes = [0, 1, 2 * CHUNK + 77, *(dice.randrange(3000) for _ in range(56)), 0]
    pictures = [
        member(f"Mira — 龍/{picture_name(n, f'Scène {n}', 'jpg')}", dice.randbytes(size))
        for n, size in enumerate(sizes)
    ]
    return Archive([*pictures, text_member("Mira — 龍/MISSING.txt", "Nothing is missing…\n", NOON)])


def test_the_size_is_exact(archive: Archive) -> None:
    assert len(whole(archive)) == archive.size


def test_python_reads_back_every_member(archive: Archive) -> None:
    with zipfile.ZipFile(BytesIO(whole(archive))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == [one.name for one in archive.members]
        for one in archive.members:
            content = one.source if isinstance(one.source, bytes) else SOURCES[one.source]
            assert opened.read(one.name) == content
        assert {info.date_time for info in opened.infolist()} == {(2026, 5, 4, 12, 30, 42)}
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
        assert {info.flag_bits for info in opened.infolist()} == {0x800}


@pytest.mark.skipif(not shutil.which("unzip"), reason="unzip is not installed")
def test_unzip_accepts_it(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    path.write_bytes(whole(archive))
    assert subprocess.run(["unzip", "-tqq", path], check=False).returncode == 0


def test_an_unpacked_file_can_be_read_by_all_and_written_by_its_owner(archive: Archive) -> None:
    with zipfile.ZipFile(BytesIO(whole(archive))) as opened:
        assert {info.external_attr >> 16 for info in opened.infolist()} == {0o100644}


def test_an_archive_of_nothing_is_an_empty_zip() -> None:
    with zipfile.ZipFile(BytesIO(whole(Archive([])))) as opened:
        assert opened.namelist() == []


def test_thousands_of_random_ranges_equal_the_whole(archive: Archive) -> None:
    full, dice = whole(archive), random.Random(11)
    for _ in range(4000):
        start = dice.randrange(archive.size + 1)
        end = min(archive.size, start + dice.choice([0, 1, 2, 30, 500, 10_000, 200_000]))
        assert whole(archive, start, end) == full[start:end]


def test_every_range_within_the_directory_and_the_end_equals_the_whole(archive: Archive) -> None:
    full = whole(archive)
    directory = full.index(b"PK\1\2")
    for start in range(directory - 50, archive.size + 1):
        assert whole(archive, start) == full[start:]
        assert whole(archive, start, min(start + 7, archive.size)) == full[start : start + 7]


def test_every_range_around_a_border_equals_the_whole(archive: Archive) -> None:
    full = whole(archive)
    borders = [at for at in range(len(full)) if full.startswith((b"PK\3\4", b"PK\1\2", b"PK\5\6"), at)]
    for start, end in pairwise([0, *borders, archive.size]):
        for first in (start - 1, start, start + 1):
            for last in (end - 1, end, end + 1):
                if 0 <= first <= last <= archive.size:
                    assert whole(archive, first, last) == full[first:last]


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4), (0, 10**9), (10**9, None)])
def test_a_range_outside_the_archive_is_refused(archive: Archive, start: int, end: int | None) -> None:
    with pytest.raises(ValueError, match="none from"):
        archive.parts(start, end)
    with pytest.raises(ValueError, match="none from"):
        streamed(archive, start, end)


def test_no_part_is_empty_or_longer_than_a_chunk(archive: Archive) -> None:
    literal = text_member("long.txt", "x" * (3 * CHUNK + 5), NOON)
    for parts in (archive.parts(), Archive([literal, *archive.members]).parts(1000)):
        lengths = [len(part) if isinstance(part, bytes) else part.length for part in parts]
        assert 0 < min(lengths) <= max(lengths) <= CHUNK


def test_a_late_range_touches_only_the_sources_it_needs(archive: Archive) -> None:
    parts = archive.parts(archive.size - 5500)
    touched = {part.source for part in parts if isinstance(part, Slice)}
    assert len(touched) <= 2


def test_the_etag_is_the_hash_of_the_central_directory(archive: Archive) -> None:
    full = whole(archive)
    directory = full[full.index(b"PK\1\2") : full.rindex(b"PK\5\6")]
    assert archive.etag == hashlib.sha256(directory).hexdigest()


def test_the_same_members_give_the_same_bytes(archive: Archive) -> None:
    again = Archive(list(archive.members))
    assert (again.etag, whole(again)) == (archive.etag, whole(archive))


@pytest.mark.parametrize(
    "other",
    [
        member("b.jpg", b"one"),
        member("a.jpg", b"two"),
        member("a.jpg", b"three"),
        member("a.jpg", b"one", modified=NOON + timedelta(days=1)),
    ],
)
def test_another_name_content_or_time_gives_another_etag(other: Member) -> None:
    assert Archive([other]).etag != Archive([member("a.jpg", b"one")]).etag


@pytest.mark.parametrize(
    ("modified", "written"),
    [
        (datetime(1975, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(2300, 1, 1, tzinfo=UTC), (2107, 12, 31, 23, 59, 58)),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), (1980, 1, 1, 0, 0, 0)),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-9))), (2107, 12, 31, 23, 59, 58)),
        (datetime(2026, 5, 4, 1, 0, 7, tzinfo=timezone(timedelta(hours=2))), (2026, 5, 3, 23, 0, 6)),
    ],
)
def test_times_are_utc_within_what_a_zip_can_say(
    modified: datetime, written: tuple[int, int, int, int, int, int]
) -> None:
    archive = Archive([member("a.jpg", b"one", modified=modified)])
    with zipfile.ZipFile(BytesIO(whole(archive))) as opened:
        assert opened.infolist()[0].date_time == written


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no zone"):
        text_member("a.txt", "one", datetime(2026, 5, 4))


def test_a_literal_member_has_the_size_it_says() -> None:
    with pytest.raises(ValueError, match="3 bytes, not 4"):
        Member(name="a.txt", size=4, crc32=0, modified=NOON, source=b"one")


def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        Archive([member("a.jpg", b"one"), member("a.jpg", b"two")])


def test_70000_members_are_a_valid_zip_and_stay_light() -> None:
    members = [text_member(f"{n:05d}.txt", f"{n}", NOON) for n in range(70_000)]
    tracemalloc.start()
    try:
        archive = Archive(members)
        assert len(archive.etag) == 64
        tail = whole(archive, archive.size - 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    full = whole(archive)
    assert full.endswith(tail)
    assert len(full) == archive.size
    with zipfile.ZipFile(BytesIO(full)) as opened:
        assert len(opened.infolist()) == 70_000
        assert opened.read("69999.txt") == b"69999"


@pytest.mark.parametrize(("count", "is_zip64"), [(65_534, False), (65_535, True)])
def test_the_zip64_end_appears_with_65535_members(count: int, is_zip64: bool) -> None:
    archive = Archive([text_member(f"{n}", "", NOON) for n in range(count)])
    tail = whole(archive, archive.size - 98)
    assert (b"PK\6\6" in tail and b"PK\6\7" in tail) == is_zip64
    with zipfile.ZipFile(BytesIO(whole(archive))) as opened:
        assert len(opened.infolist()) == count


@pytest.mark.parametrize(
    "sizes",
    [
        [2**32 - 2, 5],
        [2**32 - 1, 5],
        [2**32, 5],
        [2**32 - 1 - 31, 5],
        [2**32 - 1 - 32, 5],
        [GIB, 3 * GIB, GIB, 5],
        [10_000, 4_400_000_000, 4_400_000_000, 5],
    ],
)
def test_members_and_places_beyond_four_gigabytes_are_found(sizes: list[int], tmp_path: Path) -> None:
    *large, last = [claimed(f"{n}", size) for n, size in enumerate(sizes)]
    archive = Archive([*large, member(last.name, b"hello")])
    path = tmp_path / "large.zip"
    write_sparse(archive, path)
    assert path.stat().st_size == archive.size
    with zipfile.ZipFile(path) as opened:
        assert [info.file_size for info in opened.infolist()] == sizes
        assert [info.compress_size for info in opened.infolist()] == sizes
        assert opened.read(last.name) == b"hello"
        for one in large:
            with opened.open(one.name) as content:
                assert content.read(3) == bytes(3)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unzip"), reason="unzip is not installed")
def test_a_member_of_4_gigabytes_is_accepted_by_python_and_unzip(tmp_path: Path) -> None:
    size, crc32 = 4_400_000_000, 0
    for _ in range(size // 10_000_000):
        crc32 = zlib.crc32(bytes(10_000_000), crc32)
    archive = Archive([claimed("large.jpg", size, crc32=crc32), member("small.jpg", b"hello")])
    path = tmp_path / "large.zip"
    write_sparse(archive, path)
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
    assert subprocess.run(["unzip", "-tqq", path], check=False).returncode == 0


def write_sparse(archive: Archive, path: Path) -> None:
    """Write the archive with zeros, which take no room on the disk, for sources that are not in SOURCES."""
    with path.open("wb") as file:
        for part in archive.parts():
            if isinstance(part, bytes):
                file.write(part)
            elif part.source in SOURCES and part.length == len(SOURCES[part.source]):
                file.write(read(*part))
            else:
                file.seek(part.length, os.SEEK_CUR)


def test_a_stream_is_the_archive_in_whole_chunks(archive: Archive) -> None:
    chunks = streamed(archive)
    assert b"".join(chunks) == whole(archive)
    assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK}


def test_many_small_members_arrive_in_few_chunks() -> None:
    archive = Archive([text_member(f"{n}.txt", "hello", NOON) for n in range(5000)])
    assert len(streamed(archive)) == 1


@pytest.mark.parametrize(("start", "end"), [(0, 0), (17, 18), (5000, None), (1000, CHUNK + 1001)])
def test_a_streamed_range_equals_the_whole(archive: Archive, start: int, end: int | None) -> None:
    assert b"".join(streamed(archive, start, end)) == whole(archive)[start:end]


def test_pictures_are_streamed_from_files(tmp_path: Path) -> None:
    archive = on_disk(tmp_path, [300_000, 2 * CHUNK, 10])
    with zipfile.ZipFile(BytesIO(b"".join(asyncio.run(collected(archive))))) as opened:
        assert opened.testzip() is None


def on_disk(folder: Path, sizes: list[int]) -> Archive:
    members = []
    for n, size in enumerate(sizes):
        content, path = random.Random(n).randbytes(size), folder / f"{n}.jpg"
        path.write_bytes(content)
        members.append(Member(name=path.name, size=size, crc32=zlib.crc32(content), modified=NOON, source=str(path)))
    return Archive(members)


async def collected(archive: Archive) -> list[bytes]:
    return [chunk async for chunk in stream(archive, read_file)]


@pytest.mark.parametrize("lost", [1, 1000, 2 * CHUNK])
def test_a_file_shorter_than_its_row_breaks_the_stream(tmp_path: Path, lost: int) -> None:
    archive = on_disk(tmp_path, [2 * CHUNK, 10])
    os.truncate(tmp_path / "0.jpg", 2 * CHUNK - lost)
    with pytest.raises(BrokenArchive, match=r"0\.jpg"):
        asyncio.run(collected(archive))


def test_a_missing_file_breaks_the_stream(tmp_path: Path) -> None:
    archive = on_disk(tmp_path, [2 * CHUNK, 10])
    (tmp_path / "1.jpg").unlink()
    with pytest.raises(FileNotFoundError):
        asyncio.run(collected(archive))


def test_a_store_that_sends_too_much_breaks_the_stream() -> None:
    async def consume() -> None:
        archive = Archive([claimed("a.jpg", 10)])
        async for _ in stream(archive, lambda source, offset, length: bytes(length + 1)):
            pass

    with pytest.raises(BrokenArchive):
        asyncio.run(consume())


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_readers_who_leave_early_leave_no_descriptor_open(tmp_path: Path) -> None:
    async def leave() -> tuple[int, int]:
        archive = on_disk(tmp_path, [5 * CHUNK])
        await asyncio.to_thread(int)
        before = descriptors()
        readers = [stream(archive, read_file) for _ in range(20)]
        for reader in readers:
            await anext(reader)
        while_stalled = descriptors()
        for reader in readers:
            await reader.aclose()
        assert descriptors() == before
        return before, while_stalled

    before, while_stalled = asyncio.run(leave())
    assert while_stalled == before


def test_a_reader_cancelled_within_a_read_leaves_no_descriptor_open(tmp_path: Path) -> None:
    archive, reading, go_on = on_disk(tmp_path, [5 * CHUNK]), threading.Event(), threading.Event()

    def slow_read(source: str, offset: int, length: int) -> bytes:
        reading.set()
        go_on.wait(10)
        return read_file(source, offset, length)

    async def cancel() -> None:
        await asyncio.to_thread(int)
        before = descriptors()
        reader = stream(archive, slow_read)
        task = asyncio.ensure_future(anext(reader))
        await asyncio.to_thread(reading.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.get_running_loop().shutdown_default_executor()
        assert descriptors() == before

    asyncio.run(cancel())


def test_a_reader_holds_no_more_than_a_few_chunks(tmp_path: Path) -> None:
    archive = on_disk(tmp_path, [8 * CHUNK] * 3)

    async def consume() -> int:
        return sum([len(chunk) async for chunk in stream(archive, read_file)])

    # One that is read, put together of its parts, while the one before is still in the reader's hands.
    assert peak_memory(consume()) < 5 * CHUNK


def test_a_stalled_reader_holds_one_chunk(tmp_path: Path) -> None:
    archive = on_disk(tmp_path, [8 * CHUNK] * 3)

    async def stall() -> list[bytes]:
        return [await anext(stream(archive, read_file)) for _ in range(16)]

    assert peak_memory(stall()) < (16 + 4) * CHUNK


def peak_memory(work: Coroutine[object, object, object]) -> int:
    """Bytes that Python held at most at one time while it did the work."""
    tracemalloc.start()
    try:
        asyncio.run(work)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_slow_store_does_not_stop_the_event_loop() -> None:
    def slow_read(source: str, offset: int, length: int) -> bytes:
        time.sleep(0.2)
        return bytes(length)

    async def turns_meanwhile() -> int:
        task = asyncio.ensure_future(anext(stream(Archive([claimed("a.jpg", 10)]), slow_read)))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns

    assert asyncio.run(turns_meanwhile()) > 5
