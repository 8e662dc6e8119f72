"""How the zip is streamed: in chunks, from files, and what a reader who leaves or a lost file costs."""

import asyncio
import os
import random
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Coroutine
from io import BytesIO
from pathlib import Path

import pytest

from gallery.archive import CHUNK, Archive, BrokenArchive, Member, read_file, stream, text_member
from gallery.tests.archives import NOON, claimed, streamed, whole


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
