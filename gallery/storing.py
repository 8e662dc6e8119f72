"""What a storage of pictures may do beyond Django's own interface, and how storing one fails.

StorageError(OSError)             message for a person; no key, no body
  StorageUnavailable              network, 5xx, "not now", deadline: trying again can help
  PictureRefused                  this picture is not taken, however often it is offered
  StorageRefused                  no picture is taken before somebody corrects the settings

A missing object is a FileNotFoundError, as on disk.
"""

import shutil
from pathlib import Path
from typing import ClassVar

from django.core.files.storage import Storage


class StorageError(OSError):
    """`message` is for the person who waits for the picture."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StorageUnavailable(StorageError):
    code = "storage_unavailable"


class PictureRefused(StorageError):
    code = "storage_refused"


class StorageRefused(StorageError):
    code = "storage_refused"


def free_bytes(storage: Storage) -> int | None:
    """How much more a storage on disk takes. None: it has no disk of its own, or cannot tell."""
    if isinstance(storage, RemoteStorage):
        return None
    try:
        return shutil.disk_usage(nearest_folder(Path(storage.path("")))).free
    except OSError:
        return None


def nearest_folder(folder: Path) -> Path:
    """It is made with the first picture; until then the nearest one above it counts."""
    return next(path for path in (folder, *folder.parents) if path.exists())


class RemoteStorage(Storage):
    """A storage from which browsers fetch pictures themselves, in the size they want: small sizes are never stored."""

    def probe(self) -> None:
        """Raise StorageError where it does not answer or does not accept us. Changes nothing."""
        raise NotImplementedError

    def signed_url(self, name: str, size: int | None = None) -> str:
        """The object's private address: whoever has it can read it. `size`: the most pixels across; None: as stored."""
        raise NotImplementedError

    def read_part(self, name: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, fewer where the object ends. Raises StorageError or FileNotFoundError."""
        raise NotImplementedError
