"""The zip itself: its layout, its exact size and its ranges."""

import hashlib
import os
import random
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest

from gallery.archive import CHUNK, Archive, Member, Slice, text_member
from gallery.tests.archives import NOON, SOURCES, claimed, member, read, streamed, whole

GIB = 1024**3


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
