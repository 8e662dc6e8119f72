"""Nothing but a whole backup gets in, and only into an empty installation."""

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection

from accounts.models import User
from gallery.models import Image
from gallery.tests import rows
from storyapp.instance import Instance
from storyapp.tests.backup.contents import (
    MANAGE,
    Command,
    an_installation,
    destroy,
    is_empty,
    media_now,
    of_one_picture,
    outside,
    packed,
    renamed,
    rows_in,
    rows_now,
)
from storyapp.tests.installation import ROOT, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_picture_that_was_damaged_in_the_backup_is_left_out(command: Command, file: Path) -> None:
    parts = of_one_picture(command, file)
    (picture,) = (part for part in parts if part.startswith("media/"))
    file.write_bytes(packed(*{**parts, picture: b"something else"}.items()))
    told = command("restore", file)
    assert told.code == 1
    assert f"Damaged in the backup, so not restored: {picture.removeprefix('media/')}.\n" in told.said
    assert Image.objects.count() == 1
    assert not media_now()
