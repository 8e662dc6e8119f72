"""Backup, destroy, restore: the rows are equal, and the pictures' bytes too; on disk, in a cloud, and between."""

import gzip
import hashlib
import resource
import tarfile
import tracemalloc
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from django.db import connection

from accounts.models import ApiToken, User
from gallery.models import Image, Scene, object_names
from gallery.tests import rows
from generation.claim import claim
from generation.generate import Asked, generate
from generation.models import SceneGeneration
from generation.tests.loopback.cloudinary import LoopbackCloudinary, error, keep_pictures_in
from generation.tests.rows import run
from storyapp.backup import back_up
from storyapp.tests.backup.contents import (
    Command,
    an_installation,
    destroy,
    is_empty,
    media_now,
    members,
    of_one_picture,
    outside,
    rows_in,
    rows_now,
)
from storyapp.tests.installation import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_pictures_move_from_the_disk_into_the_cloud(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any
) -> None:
    an_installation(rows.a_person())
    # It takes nothing but pictures.
    Image.objects.get(sha256=hashlib.sha256(b"saved").hexdigest()).delete()
    command("backup", file)
    destroy()
    keep_pictures_in(cloud, settings)
    assert command("restore", file).code == 0
    assert {name: hashlib.sha256(one.content).hexdigest() for name, one in cloud.objects.items()} == {
        image.name: image.sha256 for image in Image.objects.all()
    }
    assert set(Image.objects.values_list("storage", flat=True)) == {"cloudinary"}
    assert not media_now()


def test_pictures_in_the_cloud_stay_there_or_are_fetched(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any
) -> None:
    keep_pictures_in(cloud, settings)
    story = rows.a_story(rows.a_person(), scenes=0)
    image = rows.a_picture(rows.a_scene(story, 0), storage="cloudinary")
    told = command("backup", file)
    assert "Not in the backup, but in Cloudinary: 1 picture (--with-remote fetches).\n" in told.said
    assert not [name for name, _ in members(file.read_bytes()) if name.startswith("media/")]

    fetched = file.with_name("fetched.tar")
    assert command("backup", fetched, "--with-remote").code == 0
    call_command("flush", interactive=False, verbosity=0)
    keep_pictures_in(None, settings)
    assert command("restore", fetched).code == 0
    assert Image.objects.get().storage == "local"
    assert set(media_now()) == set(object_names(image.name)), "with the small sizes that the cloud had made"
    assert media_now()[image.name] == image.sha256


def test_a_busy_cloud_is_asked_again(
    command: Command, file: Path, cloud: LoopbackCloudinary, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storyapp.restore.time.sleep", lambda _: None)
    of_one_picture(command, file)
    keep_pictures_in(cloud, settings)
    cloud.answer_next(error(503, "Busy"), error(420, "Rate limited"))
    assert command("restore", file).code == 0
    destroy()
    cloud.answer_next(error(503, "Busy"), times=5)
    refused = command("restore", file)
    assert refused.code == 2
    assert refused.said == "The backup cannot be restored: Cloudinary could not be reached, or was busy.\n"
    assert is_empty()
    assert storages["cloudinary"].exists(next(iter(cloud.objects)))
