"""An empty database and its storage, filled from what `storyapp.backup` wrote: all of it or nothing.

The rows are in one transaction, which ends after the last picture. Ended before, the database is as empty as it
was, and the next try writes the same pictures under the same names.
"""

import hashlib
import json
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal
from django.db import DataError, IntegrityError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader

from accounts.models import ApiToken, User
from gallery.models import Character, Image, Scene, Story, object_names
from gallery.picture import MAX_BYTES, NotAPicture
from gallery.storing import RemoteStorage, StorageUnavailable
from gallery.thumbnails import make_thumbnails
from generation.models import GenerationJob
from storyapp.backup import (
    END,
    FORMAT,
    HEAD,
    MEDIA,
    OLD_TABLES,
    ROWS,
    Contents,
    Refused,
    kept_models,
    tables_are_current,
)
from storyapp.instance import Instance

# A piece of rows may be one row: a job of 1,000 long scenes, in an alphabet that JSON writes with twelve bytes.
LONGEST_PIECE = 64 * 1024 * 1024
TRIES = 5

NO_BACKUP = "This is not a backup of storyapp."
DAMAGED = "The backup is damaged or was cut short."
NEWER = "The backup is of a newer version of storyapp: update this one first."
RUNNING = "storyapp is running on this data folder. End it first: Ctrl-C in its terminal."
NOT_EMPTY = (
    "The database holds people, stories or pictures already, and a backup is restored into an empty one: "
    "set STORYAPP_DATA or DATABASE_URL to another, or move this one away."
)


def restore(file: IO[bytes], *, look: Callable[[Contents], None]) -> Contents:
    """Read only onwards, so that `file` may be a pipe; compressed by gzip, bzip2 or xz, too.

    Pictures go where new pictures go, and their rows say so: thus they move to another storage. Those that the
    backup only names stay where they are. `unreadable` in the result are pictures whose bytes are not the ones
    their rows tell of; they are left out. Raises Refused, and then there are at most empty tables more than before,
    and objects of which no row knows.
    """
    with _alone(), _as_refusals(), _opened(file) as tar:
        members = _members(tar)
        _check_head(*next(members, ("", b"")))
        _prepare_tables()
        with transaction.atomic():
            _make_room()
            restored = Filling(look).fill(members)
            connection.check_constraints()
            _count_on()
    ContentType.objects.clear_cache()
    # What this version knows and the older one of the backup did not.
    emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)
    return restored


class Filling:
    """Puts one member after the other into the database and the storage."""

    def __init__(self, look: Callable[[Contents], None]) -> None:
        self._look = look
        self._restored = Contents()
        self._rows: Counter[str] = Counter()
        self._small: tuple[str, ...] = ()
        self._storage = storages[settings.MEDIA_STORAGE]

    def fill(self, members: Iterator[tuple[str, bytes]]) -> Contents:
        for name, content in members:
            if name == END:
                self._check_end(content)
                return self._restored
            if name.startswith(ROWS):
                self._insert(name.removeprefix(ROWS).rpartition("-")[0], content)
            else:
                self._keep(name.removeprefix(MEDIA), content)
            self._look(self._restored)
        raise Refused(DAMAGED)

    def _insert(self, label: str, content: bytes) -> None:
        model = next((one for one in kept_models() if one._meta.label_lower == label), None)
        if model is None:
            raise Refused(DAMAGED)
        with _in_order():
            rows = [_row(model, json.loads(line)) for line in content.splitlines()]
        model._base_manager.bulk_create(rows)
        self._rows[label] += len(rows)
        self._restored.rows = dict(self._rows)

    def _keep(self, name: str, content: bytes) -> None:
        """Only names that a row holds are ever written: another path in the file leads nowhere."""
        if name in self._small:
            if not isinstance(self._storage, RemoteStorage):
                self._store(name, content)
            return
        image = Image.objects.filter(name=name).first()
        if image is None:
            raise Refused(DAMAGED)
        self._small = object_names(name)[1:]
        if hashlib.sha256(content).hexdigest() != image.sha256:
            self._restored.unreadable.append(name)
            return
        self._store(name, content)
        if isinstance(image.file_storage, RemoteStorage) and not isinstance(self._storage, RemoteStorage):
            self._make_small_sizes(name, content)
        if image.storage != settings.MEDIA_STORAGE:
            Image.objects.filter(pk=image.pk).update(storage=settings.MEDIA_STORAGE)
        self._restored.pictures += 1
        self._restored.bytes += len(content)

    def _make_small_sizes(self, name: str, content: bytes) -> None:
        """A remote storage makes them itself and has none to be taken over."""
        with suppress(NotAPicture):
            for width, small in make_thumbnails(content).items():
                self._store(f"{name}-{width}", small)

    def _store(self, name: str, content: bytes) -> None:
        """A remote storage that is busy for a moment must not undo an hour's work."""
        for attempt in range(1, TRIES):
            try:
                self._storage.save(name, ContentFile(content))
                break
            except StorageUnavailable:
                time.sleep(0.5 * 2**attempt)
        else:
            self._storage.save(name, ContentFile(content))

    def _check_end(self, content: bytes) -> None:
        pictures = self._restored.pictures + len(self._restored.unreadable)
        with _in_order():
            end = json.loads(content)
            if self._rows != Counter(end["rows"]) or pictures != end["pictures"]:
                raise Refused(DAMAGED)


@contextmanager
def _alone() -> Iterator[None]:
    """On SQLite all writers would wait for the one transaction, and give up."""
    if connection.vendor != "sqlite":
        yield
        return
    with Instance(settings.STORYAPP_DATA) as instance:
        if not instance.take():
            raise Refused(RUNNING)
        yield


@contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, SuspiciousOperation) as exc:
        raise Refused(DAMAGED) from exc
    except (DataError, IntegrityError) as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise Refused(f"The database refused what is in the backup: {reason}.") from exc
    except OSError as exc:
        reason = str(exc.strerror or exc).rstrip(".")
        raise Refused(f"The backup cannot be restored: {reason}.") from exc


@contextmanager
def _in_order() -> Iterator[None]:
    """Around the reading of what the file says, and of nothing else."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as exc:
        raise Refused(DAMAGED) from exc


def _opened(file: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r|*")
    except tarfile.TarError as exc:
        raise Refused(NO_BACKUP) from exc


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    while member := tar.next():
        # It would remember every member.
        tar.members.clear()  # type: ignore[attr-defined]
        most = MAX_BYTES if member.name.startswith(MEDIA) else LONGEST_PIECE
        content = tar.extractfile(member) if member.isreg() and member.size <= most else None
        if content is None:
            raise Refused(DAMAGED)
        yield member.name, content.read()


def _check_head(name: str, content: bytes) -> None:
    if name != HEAD:
        raise Refused(NO_BACKUP)
    ours = {f"{label}.{migration}" for label, migration in MigrationLoader(None).disk_migrations or ()}
    with _in_order():
        head = json.loads(content)
        if head["format"] > FORMAT or set(head["migrations"]) - ours:
            raise Refused(NEWER)


def _prepare_tables() -> None:
    if "django_migrations" not in connection.introspection.table_names():
        call_command("migrate", interactive=False, verbosity=0)
    elif not tables_are_current():
        raise Refused(OLD_TABLES)


def _make_room() -> None:
    """What ./run and migrate write into a new database goes: the first person, with nothing of theirs, among it."""
    people = User.objects.all()[:2]
    ours: tuple[type[models.Model], ...] = (Story, Character, Scene, Image, GenerationJob, ApiToken)
    is_new = len(people) < 2 and not any(person.has_usable_password() for person in people)
    if not is_new or any(model._base_manager.exists() for model in ours):
        raise Refused(NOT_EMPTY)
    with connection.cursor() as cursor:
        for table in [*(model._meta.db_table for model in kept_models()), Session._meta.db_table]:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - tables of ours


def _row(model: type[models.Model], values: dict[str, Any]) -> models.Model:
    """A column that the backup does not know has its default."""
    columns = {column.attname: column for column in model._meta.concrete_fields}
    return model(**{name: columns[name].to_python(value) for name, value in values.items()})


def _count_on() -> None:
    """PostgreSQL's counters of ids do not see ids that were given."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), kept_models()):
            cursor.execute(statement)
