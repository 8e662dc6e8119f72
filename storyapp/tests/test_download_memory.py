"""A download of a gigabyte passes through the server; it is never held there."""

import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from storyapp.tests.installation import ROOT, Installation

PICTURES = 400
SIZE = 2_500_000
MEBIBYTE = 1024 * 1024

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc"),
]


def test_a_gigabyte_of_pictures_raises_the_peak_memory_by_little(
    installation: Callable[..., Installation], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    here = installation("--workers", "1")
    character, story = _four_hundred_pictures(here)
    session = here.session()
    archive = tmp_path / "pictures.zip"
    _download(session, f"{here.address}/stories/{story}/download/", archive)

    servers = [process for process in here.processes if "uvicorn" in " ".join(process.cmdline())]
    servers += [child for server in servers for child in server.children(recursive=True)]
    before = {server: _begin_peak(server) for server in set(servers)}
    _download(session, f"{here.address}/characters/{character}/download/", archive)
    assert archive.stat().st_size > PICTURES * SIZE
    raised = sum(_peak(server) - before[server] for server in set(servers))

    measured(f"a zip of {archive.stat().st_size / 1e9:.2f} GB raised the peak memory by {raised / MEBIBYTE:.1f} MiB")
    assert raised <= 16 * MEBIBYTE
    if shutil.which("unzip"):
        assert (
            "No errors detected"
            in subprocess.run(["unzip", "-tq", str(archive)], check=True, capture_output=True, text=True).stdout
        )
    archive.unlink()


def _four_hundred_pictures(here: Installation) -> tuple[str, str]:
    """Rows by `populate`, their files replaced by one of 2.5 MB under all names. The slugs of the one character, who
    is in all of them, and of a story of 24."""
    populate = [sys.executable, str(ROOT / "manage.py"), "populate", "owner", "--characters", "1"]
    subprocess.run(
        [*populate, "--images", str(PICTURES)], check=True, capture_output=True, env={**os.environ, **_data(here)}
    )
    content = os.urandom(SIZE)
    original = here.data / "one"
    original.write_bytes(content)
    with sqlite3.connect(here.data / "storyapp.sqlite3") as database:
        database.execute("UPDATE gallery_image SET bytes = ?, crc32 = ?", [SIZE, zlib.crc32(content)])
        for (name,) in database.execute("SELECT name FROM gallery_image").fetchall():
            path = here.data / "media" / name
            path.unlink()
            path.hardlink_to(original)
        (character,) = database.execute("SELECT slug FROM gallery_character").fetchone()
        (story,) = database.execute("SELECT slug FROM gallery_story").fetchone()
    return str(character), str(story)


def _data(here: Installation) -> dict[str, str]:
    return {"STORYAPP_DATA": str(here.data), "DATABASE_URL": ""}


def _download(session: requests.Session, address: str, path: Path) -> None:
    with session.get(address, stream=True, timeout=60) as answer, path.open("wb") as file:
        assert answer.ok
        for chunk in answer.iter_content(MEBIBYTE):
            file.write(chunk)
        assert path.stat().st_size == int(answer.headers["Content-Length"])


def _begin_peak(process: psutil.Process) -> int:
    """proc(5): 5 written to clear_refs sets the peak back to what is resident now."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return _peak(process)


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
