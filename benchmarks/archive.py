"""How fast, and with how much memory, the zip of many pictures streams from the disk.

    .venv/bin/python -m benchmarks.archive --pictures 200

Measured against streaming one file of the same length in the same way and the same run, so that the ratio says
what the archive costs on any machine. Everything is read once before: this is the page cache, not the disk.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from gallery.archive import CHUNK, Archive, Member, picture_name, read_file, stream

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    options = parsed()
    size = round(options.megabytes * 1_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = archive_on_disk(folder, options.pictures, size)
        single = file_of(folder / "single", archive.size)
        held = peak_memory()
        zipped, raw = [], []
        for _ in range(options.rounds):
            zipped.append(seconds(lambda: stream(archive, read_file)))
            raw.append(seconds(lambda: raw_stream(single)))
        grown = peak_memory() - held
    report(archive, min(zipped), min(raw), grown)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Throughput and memory of a streamed archive.")
    parser.add_argument("--pictures", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--megabytes", type=float, default=2.5, help="size of each (default: 2.5)")
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many counts (default: 5)")
    return parser.parse_args()


def archive_on_disk(folder: Path, count: int, size: int) -> Archive:
    members = []
    for position in range(count):
        content, path = os.urandom(size), folder / f"{position}.jpg"
        path.write_bytes(content)
        name = picture_name(position, "The lighthouse at dusk", "jpg", width=4)
        members.append(Member(name=name, size=size, crc32=zlib.crc32(content), modified=MODIFIED, source=str(path)))
    return Archive(members)


def file_of(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(os.urandom(min(CHUNK, size - start)))
    return path


async def raw_stream(path: Path) -> AsyncIterator[bytes]:
    for offset in range(0, path.stat().st_size, CHUNK):
        yield await asyncio.to_thread(read_file, str(path), offset, CHUNK)


def seconds(chunks: Callable[[], AsyncIterator[bytes]]) -> float:
    async def consume() -> None:
        async for _ in chunks():
            pass

    start = time.perf_counter()
    asyncio.run(consume())
    return time.perf_counter() - start


def peak_memory() -> float:
    """The most that this process ever held, in MB."""
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000


def report(archive: Archive, zipped: float, raw: float, grown: float) -> None:
    megabytes = archive.size / 1_000_000
    print(f"{len(archive.members)} pictures, {megabytes:.0f} MB")
    print(f"archive   {megabytes / zipped:6.0f} MB/s")
    print(f"one file  {megabytes / raw:6.0f} MB/s")
    print(f"ratio     {raw / zipped:6.2f}   (1.00: an archive streams as fast as one file)")
    print(f"memory    {grown:6.1f} MB more at the peak, {peak_memory():.0f} MB in all")


if __name__ == "__main__":
    main()
