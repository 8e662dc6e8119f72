"""All rows and pictures as one tar file, which any database and any storage of ours can be filled from.

    storyapp.json              what made it: format, moment, and the migrations whose tables the rows are of
    rows/gallery.story-1.jsonl one row a line, every column by its name; of every table but the sessions
    media/…                    pictures under the names that their rows hold, each before its small sizes
    end.json                   how much came before it: a file without it was cut short

The rows are those of one moment. Pictures follow them: an object never changes, and of those whose rows are
there the sweep deletes none, so that nothing has to stand still meanwhile.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID, uuid4

from django.apps import apps
from django.core.files.storage import Storage, storages
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from gallery.models import Image, object_names
from gallery.storing import RemoteStorage

FORMAT = 1
HEAD, ROWS, MEDIA, END = "storyapp.json", "rows/", "media/", "end.json"
# Bytes of rows that go into the file as one member.
PIECE = 1024 * 1024
ROWS_AT_ONCE = 100
# A way in for somebody who is signed in now. All others are kept: tokens and links as hashes, as they are.
LEFT_OUT = {"sessions.Session"}
# SQLite's read transaction holds nobody off; Django's own would take its only write lock.
BEGIN = {"sqlite": "BEGIN DEFERRED", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

OLD_TABLES = "The tables are not those of this version: run manage.py migrate first."


class Refused(Exception):
    """Its text is the sentence that a person reads."""


@dataclass(slots=True)
class Contents:
    """What a backup holds by now. `missing` pictures are in no storage, `unreadable` ones could not be read whole,
    and of those `elsewhere` only the rows are in it: a remote storage keeps them."""

    rows: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    bytes: int = 0
    elsewhere: int = 0
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def back_up(path: Path, *, replace: bool, with_remote: bool, look: Callable[[Contents], None]) -> Contents:
    """A file that is there as a whole or not at all, readable for its owner alone. Raises Refused."""
    if path.exists() and not replace:
        raise Refused(f"{path} exists already. Choose another name, or --force to replace it.")
    draft = path.with_name(f".{path.name}-{uuid4().hex[:8]}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            contents = write(file, with_remote=with_remote, look=look)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as exc:
        raise Refused(f"{path} cannot be written: {exc.strerror or exc}.") from exc
    finally:
        # Where the folder itself is missing there is nothing to remove, and that was said.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return contents


def write(file: IO[bytes], *, with_remote: bool, look: Callable[[Contents], None]) -> Contents:
    """Only ever onwards, so that `file` may be a pipe. `look` is called after each piece. Raises Refused or OSError."""
    _check_tables()
    contents = Contents()
    with tarfile.open(fileobj=file, mode="w|") as tar, TemporaryFile("w+", encoding="utf-8") as pictures:
        _add(tar, HEAD, _json({"format": FORMAT, "made_at": timezone.now(), "migrations": sorted(_migrations())}))
        with _one_moment():
            for model in kept_models():
                contents.rows[model._meta.label_lower] = _add_rows(tar, model)
                look(contents)
            for row in Image.objects.order_by("pk").values_list("storage", "name", "sha256").iterator():
                pictures.write(f"{json.dumps(row)}\n")
        pictures.seek(0)
        for line in pictures:
            _add_picture(tar, contents, *json.loads(line), with_remote=with_remote)
            look(contents)
        _add(tar, END, _json({"rows": contents.rows, "pictures": contents.pictures}))
    return contents


def kept_models() -> list[type[models.Model]]:
    """Every table of ours but the sessions, those between two models as well: the order of a cast is in their ids."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and model._meta.label not in LEFT_OUT
    ]


def tables_are_current() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _check_tables() -> None:
    if not tables_are_current():
        raise Refused(OLD_TABLES)


def _migrations() -> set[str]:
    """Those of the tables in the backup: a version that lacks one of them could not hold all that is in it."""
    kept = {model._meta.app_label for model in kept_models()}
    applied = MigrationRecorder(connection).applied_migrations()
    return {f"{label}.{name}" for label, name in applied if label in kept}


@contextmanager
def _one_moment() -> Iterator[None]:
    """Whatever others write meanwhile is not seen."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN[connection.vendor])
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _add_rows(tar: tarfile.TarFile, model: type[models.Model]) -> int:
    count = 0
    for number, lines in enumerate(_pieces(model), 1):
        _add(tar, f"{ROWS}{model._meta.label_lower}-{number}.jsonl", b"".join(lines))
        count += len(lines)
    return count


def _pieces(model: type[models.Model]) -> Iterator[list[bytes]]:
    """A member of a tar file begins with its size, so that as much as one holds is in memory."""
    names = [column.attname for column in model._meta.concrete_fields]
    lines: list[bytes] = []
    size = 0
    for row in model._base_manager.order_by("pk").values_list(*names).iterator(ROWS_AT_ONCE):
        lines.append(_json(dict(zip(names, row, strict=True))) + b"\n")
        size += len(lines[-1])
        if size >= PIECE:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _add_picture(
    tar: tarfile.TarFile, contents: Contents, alias: str, name: str, sha256: str, *, with_remote: bool
) -> None:
    storage = storages[alias]
    is_remote = isinstance(storage, RemoteStorage)
    if is_remote and not with_remote:
        contents.elsewhere += 1
        return
    try:
        content = _read(storage, name)
    except OSError as exc:
        told = contents.missing if isinstance(exc, FileNotFoundError) else contents.unreadable
        told.append(name)
        return
    if hashlib.sha256(content).hexdigest() != sha256:
        contents.unreadable.append(name)
        return
    _add(tar, f"{MEDIA}{name}", content)
    contents.pictures += 1
    contents.bytes += len(content)
    for small, content in () if is_remote else _small_sizes(storage, name):
        _add(tar, f"{MEDIA}{small}", content)


def _small_sizes(storage: Storage, name: str) -> Iterator[tuple[str, bytes]]:
    """Those that there are: a picture is whole without them."""
    for small in object_names(name)[1:]:
        try:
            content = _read(storage, small)
        except OSError:
            continue
        yield small, content


def _read(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        content: bytes = file.read()
    return content


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    member.mtime = int(timezone.now().timestamp())
    tar.addfile(member, BytesIO(content))
    # It would remember every member.
    tar.members.clear()  # type: ignore[attr-defined]


def _json(value: Any) -> bytes:
    return json.dumps(value, default=_as_text, separators=(",", ":")).encode()


def _as_text(value: object) -> str:
    """Django's own encoder would cut the microseconds off."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be kept in a backup")
