"""What is in an installation and in a backup of it."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db.models.functions import Now

from accounts.models import ApiToken, SignInLink, User
from gallery.models import Image, Story, Upload
from gallery.tests import rows
from generation.generate import Asked, generate
from generation.models import SceneGeneration
from generation.tests.rows import change, fail, run, save
from storyapp.backup import write
from storyapp.tests.installation import ROOT

MANAGE = [sys.executable, str(ROOT / "manage.py")]
Rows = dict[str, list[dict[str, Any]]]


class Ran(SimpleNamespace):
    code: int
    said: str


Command = Callable[..., Ran]


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


def of_one_picture(command: Command, file: Path) -> dict[str, bytes]:
    """The members of a backup of one picture, in their order. The database and the storage are empty after it."""
    rows.a_story(rows.a_person(), scenes=1)
    command("backup", file)
    destroy()
    return dict(members(file.read_bytes()))


def renamed(content: bytes, name: str) -> bytes:
    row = json.loads(content)
    return json.dumps({**row, "name": name}).encode()
