"""A disk that gets full while pictures are stored: clear words, no half file, and it goes on when there is room."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import Client

from accounts.models import User
from gallery.models import Image, Story, Upload
from generation import tasks
from generation.models import GenerationJob, SceneGeneration
from generation.tests import providers
from generation.waiting import ROOM
from storyapp import health, preparation
from storyapp.cannot_start import CannotStart

Ask = Callable[..., GenerationJob]
MANAGE = [sys.executable, "manage.py"]
PATIENCE = 60
# A disk of its own, of 64 megabytes, for one process and its children, which needs no rights where users may
# have namespaces. Its mount is seen from here through the process.
ON_A_SMALL_DISK = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = 'mount -t tmpfs -o size=64m small "$0" && exec "$@"'


def small_disks_can_be_made() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*ON_A_SMALL_DISK, "mount -t tmpfs small /mnt"], capture_output=True, check=False)
    return tried.returncode == 0


class SmallDisk:
    """The media folder as the processes started here see it. `fill` leaves room for so many pages of 4 KiB."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._worker: subprocess.Popen[bytes] | None = None
        self._log = folder.parent / "worker.log"
        folder.mkdir()

    @property
    def seen(self) -> Path:
        assert self._worker
        return Path(f"/proc/{self._worker.pid}/root{self._folder}")

    def start(self, *command: str) -> None:
        """In the namespace; the first one makes the disk."""
        with self._log.open("wb") as log:
            self._worker = subprocess.Popen(
                [*ON_A_SMALL_DISK, MOUNT, str(self._folder), *MANAGE, *command],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_mounted(self) -> bool:
        here, there = self._folder.stat(), self.seen.stat()
        return here.st_dev != there.st_dev

    def fill(self, *, pages_left: int) -> None:
        free = shutil.disk_usage(self.seen).free - pages_left * 4096
        with (self.seen / "ballast").open("wb") as ballast:
            ballast.write(bytes(free))

    def make_room(self) -> None:
        (self.seen / "ballast").unlink()

    def files(self) -> dict[str, bytes]:
        """Drafts, too."""
        found = (path for path in self.seen.rglob("*") if path.is_file() and path.name != "ballast")
        return {str(path.relative_to(self.seen)): path.read_bytes() for path in found}

    def end(self) -> None:
        if self._worker:
            os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.wait()


@pytest.fixture
def disk(outside: dict[str, str], valkey: str, tmp_path: Path) -> Iterator[SmallDisk]:
    if not small_disks_can_be_made():
        pytest.skip("No small disk can be made here: that needs Linux with namespaces for users.")
    environment = {**outside, "REDIS_URL": valkey, "GENERATION_UPLOAD_DEADLINE": "1", "GENERATION_ATTEMPTS": "2"}
    disk = SmallDisk(tmp_path / "media", environment)
    yield disk
    disk.end()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="A PostgreSQL of another user is out of a namespace's reach.")
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_said_and_work_goes_on_by_itself_when_there_is_room(
    disk: SmallDisk, directed: Any, ask: Ask, owner: User, client: Client, wait_for: Any
) -> None:
    disk.start("rqworker")
    wait_for(disk.is_mounted, PATIENCE)
    job = ask("A lighthouse [slow once 2] [large]", "A harbour [slow once 2] [large]")
    tasks.wake(2)
    wait_for(lambda: providers.calls() == 2, PATIENCE)
    # Room for a part of a picture: the write begins and breaks off.
    disk.fill(pages_left=1)
    wait_for(lambda: set(job.scenes.values_list("waiting_for", flat=True)) == {ROOM}, PATIENCE)
    client.force_login(owner)
    page = client.get(job.get_absolute_url()).content.decode()
    assert "room in the storage" in page
    assert "The storage is full" in page
    late = ask("A boat").scenes.get()
    wait_for(lambda: SceneGeneration.objects.get(pk=late.pk).waiting_for == ROOM, PATIENCE)
    assert set(SceneGeneration.objects.values_list("attempt", "waits")) == {(0, 0), (1, 0)}
    assert not Image.objects.exists()
    assert providers.calls() == 2, "a call began whose picture nobody could keep"
    assert not [name for name in disk.files() if not Path(name).name.startswith(".")], "a half file has a final name"

    disk.make_room()
    wait_for(lambda: set(SceneGeneration.objects.values_list("status", flat=True)) == {"saved"}, PATIENCE)
    files = disk.files()
    kept = {image.name: image.sha256 for image in Image.objects.all()}
    assert (len(kept), providers.calls()) == (3, 5)
    assert {name: sha256(files[name]).hexdigest() for name in kept} == kept
    assert not [name for name in files if name.endswith(".part")], "a half file stays behind"
    assert not set(Upload.objects.values_list("name", flat=True)) & set(kept)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write past it fails in the middle, as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("before", [None, b"whole"])
def test_a_write_that_breaks_off_leaves_what_was_there(before: bytes | None) -> None:
    if before:
        default_storage.save("scene/1-00000000", ContentFile(before))
    with files_of_at_most(10_000), pytest.raises(OSError, match="File too large"):
        default_storage.save("scene/1-00000000", ContentFile(b"x" * 100_000))
    folder = Path(default_storage.path("scene"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == ({"1-00000000": before} if before else {})


@pytest.mark.django_db(transaction=True)
def test_generate_on_a_full_database_says_so_and_keeps_no_half_job(owner: User, client: Client) -> None:
    client.force_login(owner)
    client.raise_request_exception = False
    form = {"title": "A story", "scenes": "\n".join(f"Scene {number} {'x' * 900}" for number in range(50))}
    with a_full_database():
        answer = client.post("/generate/", form)
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert b"The storage is full" in answer.content
        assert b"go back, and it is still in the form" in answer.content
        assert client.get("/stories/").status_code == 200, "what is there can be looked at"
    assert (Story.objects.count(), GenerationJob.objects.count()) == (0, 0)
    assert client.post("/generate/", form).status_code == 303


@contextmanager
def a_full_database() -> Iterator[None]:
    """SQLite's own error, provoked by a limit of its pages. PostgreSQL's can only be imitated."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # What earlier tests have emptied would be room.
            cursor.execute("VACUUM")
            (pages,) = cursor.execute("PRAGMA page_count").fetchone()

        def limit(connection: BaseDatabaseWrapper, **_: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA max_page_count = {pages + 2}")

        # The limit is a connection's own.
        connection_created.connect(limit)
        connection.close()
        yield
        connection_created.disconnect(limit)
        connection.close()
        return

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT"):
            raise OperationalError('could not extend file "base/5/16384": No space left on device')
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


def test_the_health_page_warns_while_there_is_still_room(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(health, "LITTLE_ROOM", 2**70)
    (storage,) = [part for part in health.health().parts if part.name == "storage"]
    assert storage.status == "warning"
    assert storage.words.startswith("The disk is nearly full: ")


@pytest.mark.django_db(transaction=True)
def test_a_start_that_cannot_write_its_files_is_one_sentence(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    settings.STORYAPP_DATA, settings.STATIC_ROOT = tmp_path, tmp_path / "no folder" / "static"
    with pytest.raises(CannotStart, match=r"^The data folder .* cannot be used: Not a directory\.$"):
        preparation.prepare()
