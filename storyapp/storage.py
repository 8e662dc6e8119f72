"""Storage classes of the project."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class LocalStorage(FileSystemStorage):
    """Pictures on disk. A name is written whole or not at all, and again under the same name."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: "File[bytes]") -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}.part")
        try:
            with draft.open("wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return name

    def delete(self, name: str) -> None:
        """With it goes what killed processes have half written of it, and the folder with its last object."""
        super().delete(name)
        path = Path(self.path(name))
        folder = path.parent
        for draft in folder.glob(f".{path.name}-*.part"):
            draft.unlink(missing_ok=True)
        if folder != Path(self.location):
            with suppress(OSError):
                folder.rmdir()


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed names that a browser keeps for ever, once `collectstatic` has run; plain names before it."""

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        hashed: str = super().stored_name(name)
        return hashed
