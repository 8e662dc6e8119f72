import io
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from generation.tests.loopback.cloudinary import LoopbackCloudinary
from storyapp.tests.backup.contents import Command, Ran


@pytest.fixture(autouse=True)
def data(tmp_path: Path, settings: Any) -> Path:
    """Of its own: a restore takes the lock of its data folder."""
    settings.STORYAPP_DATA = tmp_path / "data"
    settings.STORYAPP_DATA.mkdir()
    return tmp_path / "data"


@pytest.fixture
def command() -> Command:
    """`command("restore", file)` in this process: the exit code and what it said."""

    def command(*arguments: str | Path) -> Ran:
        said, code = io.StringIO(), 0
        before = signal.getsignal(signal.SIGTERM)
        try:
            call_command(str(arguments[0]), *map(str, arguments[1:]), stderr=said)
        except SystemExit as exc:
            code = int(exc.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
        return Ran(code=code, said=said.getvalue())

    return command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar"


@pytest.fixture
def cloud() -> Iterator[LoopbackCloudinary]:
    with LoopbackCloudinary() as server:
        yield server
