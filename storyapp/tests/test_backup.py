"""Backup, destroy, restore: the rows are equal, the pictures' bytes too, and nothing but a whole backup gets in."""

import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now

from accounts.models import ApiToken, SignInLink, User
from gallery.models import Image, Scene, Story, Upload, object_names
from gallery.tests import rows
from generation.claim import claim
from generation.generate import Asked, generate
from generation.models import SceneGeneration
from generation.tests.loopback.cloudinary import LoopbackCloudinary, error
from generation.tests.rows import change, fail, run, save
from storyapp.backup import back_up, write
from storyapp.instance import Instance
from storyapp.tests.installation import ROOT, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MANAGE = [sys.executable, str(ROOT / "manage.py")]
Rows = dict[str, list[dict[str, Any]]]


class Ran(SimpleNamespace):
    code: int
    said: str


Command = Callable[..., Ran]


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


def an_installation(owner: User) -> None:
    """A row at least of every kind, in every state."""
    ApiToken.objects.issue(owner, "a program")
    SignInLink.objects.issue(owner)
    zoe, adam = rows.a_character(owner, "Zoe"), rows.a_character(owner, "Adam", seed=3)
    story = rows.a_story(owner, scenes=3, title="Der süße Brei — 甘い")
    scene = rows.a_scene(story, 3)
    # The order in which they are named is in the ids of the table between.
    scene.cast.add(zoe)
    scene.cast.add(adam)
    zoe.reference = rows.a_picture(scene)
    zoe.save(update_fields=["reference"])
    for number, size in enumerate((320, 640)):
        default_storage.save(f"{zoe.reference.name}-{size}", ContentFile(bytes([number]) * 100))
    Upload.objects.create(name=f"{story.pk}/1-00000000", generation_id=story.pk, token=1)
    asked = Asked(scenes=("one", "two", "three", "four\u2028\n\x7f", "five"), width=64, height=64, provider="sketch")
    queued, running, failed, saved, cancelled = generate(owner, asked).scenes.order_by("position")
    change(queued, waiting_for="the provider", due_at=Now() + timedelta(microseconds=1))
    run(running)
    fail(failed)
    image = save(saved)
    Image.objects.filter(pk=image.pk).update(sha256=hashlib.sha256(b"saved").hexdigest())
    default_storage.save(image.name, ContentFile(b"saved"))
    SceneGeneration.objects.filter(pk=cancelled.pk).cancel()


def destroy() -> None:
    """As after `rm -rf` and `manage.py migrate`."""
    call_command("flush", interactive=False, verbosity=0)
    shutil.rmtree(django_settings.MEDIA_ROOT, ignore_errors=True)


def rows_now() -> Rows:
    """Every row, as a backup would hold it."""
    content = io.BytesIO()
    write(content, with_remote=False, look=lambda _: None)
    return rows_in(content.getvalue())


def rows_in(content: bytes) -> Rows:
    kept: Rows = {}
    for name, member in members(content):
        if name.startswith("rows/"):
            lines = [json.loads(line) for line in member.splitlines()]
            kept.setdefault(name.removeprefix("rows/").rpartition("-")[0], []).extend(lines)
    return kept


def members(content: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def packed(*parts: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, member in parts:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(member)
            tar.addfile(info, io.BytesIO(member))
    return content.getvalue()


def media_now() -> dict[str, str]:
    """Every object on disk with its hash."""
    folder = Path(django_settings.MEDIA_ROOT)
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def is_empty() -> bool:
    return not (User.objects.exists() or Story.objects.exists() or Image.objects.exists())


def outside(folder: Path, *arguments: str, **how: Any) -> "subprocess.CompletedProcess[bytes]":
    """A command of another installation: SQLite in a folder of its own."""
    surroundings = {**os.environ, "STORYAPP_DATA": str(folder), "DATABASE_URL": ""}
    ended = subprocess.run([*MANAGE, *arguments], env=surroundings, cwd=ROOT, capture_output=True, check=False, **how)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended


def test_after_backup_destroy_and_restore_rows_and_hashes_are_equal(command: Command, file: Path) -> None:
    an_installation(rows.a_person())
    before, media = rows_now(), media_now()
    assert command("backup", file).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    destroy()
    restored = command("restore", file)
    assert restored.code == 0, restored.said
    assert rows_now() == before
    assert media_now() == media
    for image in Image.objects.all():
        with image.file_storage.open(image.name) as opened:
            assert hashlib.sha256(opened.read()).hexdigest() == image.sha256
    expected = {"accounts.user", "accounts.apitoken", "accounts.signinlink", "gallery.scene_cast", "gallery.upload"}
    assert expected | {"generation.scenegeneration", "generation.provideraccount"} < set(before)
    assert "sessions.session" not in before
    assert restored.said.startswith(f"Restored {sum(map(len, before.values()))} rows and 5 pictures (")
    scene = Scene.objects.get(position=3, story__isnull=False)
    assert [one.name for one in scene.cast_in_order()] == ["Zoe", "Adam"]


def test_what_is_made_afterwards_gets_ids_of_its_own(command: Command, file: Path) -> None:
    an_installation(rows.a_person())
    secret = ApiToken.objects.issue(User.objects.get(), "another program")
    command("backup", file)
    destroy()
    command("restore", file)
    assert ApiToken.objects.use(secret) == User.objects.get(), "programs keep their tokens"
    an_installation(rows.a_person("another"))


def test_open_scenes_come_back_due(command: Command, file: Path) -> None:
    owner = rows.a_person()
    asked = Asked(scenes=("one", "two"), width=64, height=64, provider="sketch")
    queued, running = generate(owner, asked).scenes.order_by("position")
    run(running, lease=1)
    command("backup", file)
    destroy()
    command("restore", file)
    assert SceneGeneration.objects.get(pk=running.pk).status == "running"
    wait_until(lambda: SceneGeneration.objects.claimable().count() == 2)
    assert {(scene.pk, scene.token) for scene in claim(2)} == {(queued.pk, 1), (running.pk, 2)}


def test_rows_and_pictures_move_to_another_database_and_back(command: Command, file: Path, tmp_path: Path) -> None:
    """From the database of the tests, which may be PostgreSQL, to SQLite and back, through pipes."""
    an_installation(rows.a_person())
    before, media = rows_now(), media_now()
    command("backup", file)
    destroy()
    # Into a folder where there is nothing yet, not even tables, and compressed on the way.
    outside(tmp_path / "there", "restore", "-", input=gzip.compress(file.read_bytes()))
    file.write_bytes(outside(tmp_path / "there", "backup", "-").stdout)
    restored = command("restore", file)
    assert restored.code == 0, restored.said
    assert rows_now() == before
    assert media_now() == media


def test_it_is_the_rows_of_one_moment_and_holds_no_writer_off(file: Path) -> None:
    story = rows.a_story(rows.a_person(), scenes=1)
    done: list[str] = []

    def write_from_elsewhere() -> None:
        rows.a_scene(story, 1)
        User.objects.create(username="late")
        connection.close()
        done.append("written")

    def look(_: object) -> None:
        if not done:
            writer = Thread(target=write_from_elsewhere)
            writer.start()
            writer.join(timeout=10)
            assert done, "the backup holds writers off"

    back_up(file, replace=False, with_remote=False, look=look)
    kept = rows_in(file.read_bytes())
    assert len(kept["gallery.scene"]) == len(kept["accounts.user"]) == 1
    assert Scene.objects.count() == User.objects.count() == 2


def test_memory_does_not_grow_with_what_there_is(file: Path) -> None:
    owner = rows.a_person()
    Scene.objects.bulk_create([Scene(owner=owner, text=f"{number} {'x' * 4000}") for number in range(2500)])
    tracemalloc.start()
    back_up(file, replace=False, with_remote=False, look=lambda _: None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.stat().st_size > 10_000_000
    assert most < 6_000_000


@pytest.mark.parametrize("with_password", [False, True])
def test_a_database_in_use_is_left_alone(command: Command, file: Path, with_password: bool) -> None:
    rows.a_story(rows.a_person())
    command("backup", file)
    in_use = rows_now()
    refused = command("restore", file)
    assert (refused.code, rows_now()) == (2, in_use)
    assert refused.said.startswith("The database holds people, stories or pictures already")

    destroy()
    first = User.objects.create_superuser("first", password="secret" if with_password else None)
    assert command("restore", file).code == (2 if with_password else 0)
    # Whom ./run makes in a new database is nobody yet; whom somebody gave a password is.
    assert User.objects.filter(pk=first.pk, username="first").exists() == with_password


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
def test_a_running_installation_is_not_restored_into(command: Command, file: Path) -> None:
    command("backup", file)
    with Instance(django_settings.STORYAPP_DATA) as instance:
        assert instance.take()
        refused = command("restore", file)
    assert refused.code == 2
    assert refused.said.startswith("storyapp is running on this data folder.")


def test_a_file_is_replaced_only_when_asked(command: Command, file: Path) -> None:
    file.write_text("the only copy")
    refused = command("backup", file)
    assert (refused.code, file.read_text()) == (2, "the only copy")
    assert refused.said == f"{file} exists already. Choose another name, or --force to replace it.\n"
    assert command("backup", file, "--force").code == 0
    assert tarfile.is_tarfile(file)
    assert [path.name for path in file.parent.iterdir() if "backup" in path.name] == ["backup.tar"]


def test_a_place_that_cannot_be_written_is_one_sentence(command: Command, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "backup.tar", Path("/dev/full/backup.tar")):
        refused = command("backup", path)
        assert refused.code == 2
        assert refused.said.startswith(f"{path} cannot be written: No")
        assert refused.said.count("\n") == 1


def test_a_disk_that_gets_full_leaves_no_half_file(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    rows.a_story(rows.a_person())
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, usual[1]))
    try:
        refused = command("backup", folder / "backup.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert (refused.code, refused.said) == (2, f"{folder / 'backup.tar'} cannot be written: File too large.\n")
    assert list(folder.iterdir()) == []


def test_what_is_no_backup_is_refused_in_one_sentence(command: Command, file: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.tar"
    assert command("restore", none).said == f"{none} cannot be read: No such file or directory.\n"
    for content in (b"", b"PK\x03\x04 a zip", packed(("etc/passwd", b"root")), gzip.compress(b"text"), b"\0" * 10240):
        file.write_bytes(content)
        refused = command("restore", file)
        assert (refused.code, refused.said) == (2, "This is not a backup of storyapp.\n"), content[:20]


def test_a_backup_of_a_newer_version_is_refused(command: Command, file: Path) -> None:
    for head in (
        {"format": 2, "migrations": []},
        {"format": 1, "migrations": ["gallery.9999_more"]},
    ):
        file.write_bytes(packed(("storyapp.json", json.dumps(head).encode())))
        refused = command("restore", file)
        assert refused.code == 2
        assert refused.said == "The backup is of a newer version of storyapp: update this one first.\n"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_backup_that_was_cut_short_changes_nothing(command: Command, file: Path, part: float) -> None:
    an_installation(rows.a_person())
    command("backup", file)
    whole = file.read_bytes().rstrip(b"\0")
    file.write_bytes(whole[: int(len(whole) * part)])
    destroy()
    refused = command("restore", file)
    assert (refused.code, refused.said) == (2, "The backup is damaged or was cut short.\n")
    assert is_empty()


@pytest.mark.slow
def test_a_restore_that_was_killed_can_be_repeated(command: Command, file: Path, tmp_path: Path) -> None:
    rows.a_story(rows.a_person(), scenes=30)
    command("backup", file)
    whole = file.read_bytes()
    there = tmp_path / "there"
    surroundings = {**os.environ, "STORYAPP_DATA": str(there), "DATABASE_URL": ""}
    process = subprocess.Popen([*MANAGE, "restore", "-"], env=surroundings, cwd=ROOT, stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(whole[: whole.index(b"end.json")])
    process.stdin.flush()
    wait_until(lambda: list((there / "media").rglob("*-*")), 30)
    process.kill()
    process.communicate()
    count = sum(map(len, rows_in(whole).values()))
    assert outside(there, "restore", str(file)).stderr.startswith(b"Restored %d rows and 30 pictures" % count)


def of_one_picture(command: Command, file: Path) -> dict[str, bytes]:
    """The members of a backup of one picture, in their order. The database and the storage are empty after it."""
    rows.a_story(rows.a_person(), scenes=1)
    command("backup", file)
    destroy()
    return dict(members(file.read_bytes()))


def renamed(content: bytes, name: str) -> bytes:
    row = json.loads(content)
    return json.dumps({**row, "name": name}).encode()


@pytest.mark.parametrize("name", ["../../evil", "/tmp/storyapp-evil", "a/../../../evil"])
def test_a_path_that_leads_out_of_the_storage_is_refused(
    command: Command, file: Path, tmp_path: Path, name: str
) -> None:
    parts = of_one_picture(command, file)
    (picture,) = (part for part in parts if part.startswith("media/"))
    content = parts.pop(picture)
    end = parts.pop("end.json")
    stranger = packed(*parts.items(), (f"media/{name}", content), ("end.json", end))
    image = next(part for part in parts if part.startswith("rows/gallery.image-"))
    parts[image] = renamed(parts[image], name)
    known = packed(*parts.items(), (f"media/{name}", content), ("end.json", end))
    for hostile in (stranger, known):
        file.write_bytes(hostile)
        assert command("restore", file).said == "The backup is damaged or was cut short.\n"
        assert is_empty()
        assert not list(tmp_path.parent.rglob("*evil*"))
        assert not Path("/tmp/storyapp-evil").exists()


def test_nothing_but_plain_files_is_taken(command: Command, file: Path) -> None:
    parts = of_one_picture(command, file)
    (picture,) = (part for part in parts if part.startswith("media/"))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        info = tarfile.TarInfo(picture)
        info.type, info.linkname = kind, "/etc/passwd"
        changed = [(info, b"") if name == picture else (name, content) for name, content in parts.items()]
        file.write_bytes(packed(*changed))
        assert command("restore", file).code == 2
        assert is_empty()


def test_rows_that_cannot_be_ours_are_refused(command: Command, file: Path) -> None:
    parts = of_one_picture(command, file)
    scene = next(part for part in parts if part.startswith("rows/gallery.scene-"))
    row = json.loads(parts[scene])
    wrong: dict[str, bytes] = {
        "not JSON": b"{",
        "a column of nobody's": json.dumps({**row, "weight": 1}).encode(),
        "a time that is none": json.dumps({**row, "created_at": "soon"}).encode(),
        "a row too few": b"",
        "a row that points nowhere": json.dumps({**row, "owner_id": 4711}).encode(),
        "without its text": json.dumps({**row, "text": ""}).encode(),
    }
    for what, content in wrong.items():
        file.write_bytes(packed(*{**parts, scene: content}.items()))
        refused = command("restore", file)
        assert refused.code == 2, what
        assert refused.said.count("\n") == 1, what
        assert is_empty(), what
    file.write_bytes(packed(*parts.items()))
    assert command("restore", file).code == 0


def test_a_missing_and_a_damaged_picture_are_told_and_hold_nothing_up(command: Command, file: Path) -> None:
    rows.a_story(rows.a_person(), scenes=3)
    whole, missing, damaged = Image.objects.order_by("scene__position")
    default_storage.delete(missing.name)
    default_storage.save(damaged.name, ContentFile(b"something else"))
    told = command("backup", file)
    assert told.code == 1
    assert f"Missing from storage, so not in the backup: {missing.name}.\n" in told.said
    assert f"Damaged or not readable, so not in the backup: {damaged.name}.\n" in told.said
    destroy()
    assert command("restore", file).code == 0
    assert Image.objects.count() == 3
    assert list(media_now()) == [whole.name]


def test_a_picture_that_was_damaged_in_the_backup_is_left_out(command: Command, file: Path) -> None:
    parts = of_one_picture(command, file)
    (picture,) = (part for part in parts if part.startswith("media/"))
    file.write_bytes(packed(*{**parts, picture: b"something else"}.items()))
    told = command("restore", file)
    assert told.code == 1
    assert f"Damaged in the backup, so not restored: {picture.removeprefix('media/')}.\n" in told.said
    assert Image.objects.count() == 1
    assert not media_now()


def keep_in(cloud: LoopbackCloudinary | None, settings: Any) -> None:
    """New pictures go into that cloud from now on, or onto the disk."""
    if cloud is None:
        settings.MEDIA_STORAGE = "local"
        settings.STORAGES = {**settings.STORAGES, "default": settings.STORAGES["local"]}
        return
    account = {"cloud_name": cloud.cloud, "api_key": cloud.key, "api_secret": cloud.secret}
    options = {**account, "upload_prefix": cloud.url, "delivery_url": cloud.url}
    remote = {"BACKEND": "storyapp.cloud.CloudinaryStorage", "OPTIONS": options}
    settings.MEDIA_STORAGE = "cloudinary"
    settings.STORAGES = {**settings.STORAGES, "cloudinary": remote, "default": remote}


def test_pictures_move_from_the_disk_into_the_cloud(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any
) -> None:
    an_installation(rows.a_person())
    # It takes nothing but pictures.
    Image.objects.get(sha256=hashlib.sha256(b"saved").hexdigest()).delete()
    command("backup", file)
    destroy()
    keep_in(cloud, settings)
    assert command("restore", file).code == 0
    assert {name: hashlib.sha256(one.content).hexdigest() for name, one in cloud.objects.items()} == {
        image.name: image.sha256 for image in Image.objects.all()
    }
    assert set(Image.objects.values_list("storage", flat=True)) == {"cloudinary"}
    assert not media_now()


def test_pictures_in_the_cloud_stay_there_or_are_fetched(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any
) -> None:
    keep_in(cloud, settings)
    story = rows.a_story(rows.a_person(), scenes=0)
    image = rows.a_picture(rows.a_scene(story, 0), storage="cloudinary")
    told = command("backup", file)
    assert "Not in the backup, but in Cloudinary: 1 picture (--with-remote fetches).\n" in told.said
    assert not [name for name, _ in members(file.read_bytes()) if name.startswith("media/")]

    fetched = file.with_name("fetched.tar")
    assert command("backup", fetched, "--with-remote").code == 0
    call_command("flush", interactive=False, verbosity=0)
    keep_in(None, settings)
    assert command("restore", fetched).code == 0
    assert Image.objects.get().storage == "local"
    assert set(media_now()) == set(object_names(image.name)), "with the small sizes that the cloud had made"
    assert media_now()[image.name] == image.sha256


def test_a_busy_cloud_is_asked_again(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storyapp.restore.time.sleep", lambda _: None)
    of_one_picture(command, file)
    keep_in(cloud, settings)
    cloud.answer_next(error(503, "Busy"), error(420, "Rate limited"))
    assert command("restore", file).code == 0
    destroy()
    cloud.answer_next(error(503, "Busy"), times=5)
    refused = command("restore", file)
    assert refused.code == 2
    assert refused.said == "The backup cannot be restored: Cloudinary could not be reached, or was busy.\n"
    assert is_empty()
    assert storages["cloudinary"].exists(next(iter(cloud.objects)))
