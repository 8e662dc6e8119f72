"""One ./run at a time in a data folder."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from storyapp.sessions import living


class Instance:
    """The lock of a data folder, and in its file who holds it and where it answers.

    The lock belongs to the open file, so it lasts until its holder and every process that was handed the
    descriptor are gone: a start right after a kill -9 waits until the last of the old processes has ended.
    """

    def __init__(self, data: Path) -> None:
        self.descriptor = os.open(data / "running", os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Whether the folder is ours now."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._write("")
        return True

    def announce(self, address: str) -> None:
        self._write(json.dumps({"pid": os.getpid(), "address": address}))

    def withdraw(self) -> None:
        self._write("")

    def announced(self) -> str | None:
        """Where the holder of the lock answers. None while it is starting or ending, or was killed."""
        with suppress(ValueError):
            said = json.loads(os.pread(self.descriptor, 4096, 0))
            return str(said["address"]) if said["pid"] in living() else None
        return None

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, text: str) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)
