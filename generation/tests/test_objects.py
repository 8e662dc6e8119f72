"""Objects that no picture holds are deleted, and no other ones, whatever is deleted above them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import User
from gallery.models import Image, Story, Upload, object_names
from gallery.storing import StorageUnavailable
from generation.claim import claim
from generation.engine import work
from generation.models import GenerationJob
from generation.objects import delete_unwanted

Ask = Callable[..., GenerationJob]


def store(name: str) -> None:
    for one in object_names(name):
        default_storage.save(one, ContentFile(b"bytes"))


def stored(name: str) -> bool:
    return any(default_storage.exists(one) for one in object_names(name))


@pytest.fixture
def uploading(directed: Any, ask: Ask) -> Upload:
    """A scene that is being saved under token 1, its object in storage."""
    ask("one")
    (scene,) = claim(1)
    upload = Upload.objects.create(name=f"{scene.pk}/1-abcdef01", generation_id=scene.pk, token=1)
    store(upload.name)
    return upload


@pytest.mark.django_db
def test_an_upload_under_way_is_left_alone(uploading: Upload) -> None:
    delete_unwanted()
    assert stored(uploading.name)
    assert Upload.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"token": F("token") + 1}, {"status": "queued"}, {"status": "cancelled"}])
def test_an_upload_that_came_to_nothing_goes_and_its_entry_after_a_quarter_of_an_hour(
    uploading: Upload, change: dict[str, Any]
) -> None:
    GenerationJob.objects.get().scenes.update(**change)
    delete_unwanted()
    assert not stored(uploading.name)
    assert Upload.objects.exists(), "a late upload may still land"

    store(uploading.name)
    Upload.objects.update(created_at=Now() - timedelta(minutes=16))
    delete_unwanted()
    assert not stored(uploading.name)
    assert not Upload.objects.exists()


@pytest.mark.django_db
def test_what_a_killed_process_has_half_written_goes_too(uploading: Upload) -> None:
    for name in object_names(uploading.name):
        path = Path(default_storage.path(name))
        path.with_name(f".{path.name}-abcdef01.part").write_bytes(b"by")
    GenerationJob.objects.get().scenes.update(token=F("token") + 1)
    delete_unwanted()
    assert not Path(default_storage.path(uploading.name)).parent.exists()


@pytest.mark.django_db
def test_a_storage_that_is_away_holds_up_neither_the_others_nor_the_sweep(
    uploading: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first refusal speaks for all that it holds: each may take its time, and the sweep has scenes to rescue."""
    GenerationJob.objects.get().scenes.update(status="queued")
    for number in range(3):
        name = f"{uuid4()}/1-0000000{number}"
        Upload.objects.create(name=name, storage="cloudinary", generation_id=uuid4(), token=1)
    asked: list[str] = []

    def refuse(storage: object, name: str) -> None:
        asked.append(name)
        raise StorageUnavailable("away")

    monkeypatch.setattr("storyapp.cloud.CloudinaryStorage.delete", refuse)
    delete_unwanted()
    assert len(asked) == 1
    assert not stored(uploading.name)


@pytest.mark.django_db
def test_a_sweep_leaves_what_takes_too_long_to_the_next(uploading: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    GenerationJob.objects.get().scenes.update(status="queued")
    monkeypatch.setattr("generation.objects.LONGEST_ROUND", -1.0)
    delete_unwanted()
    assert stored(uploading.name)


@pytest.mark.django_db
def test_a_picture_is_never_deleted_although_an_entry_names_it(uploading: Upload, owner: User) -> None:
    scene = GenerationJob.objects.get().scenes.get()
    Image.objects.create(
        owner=owner, scene=scene.scene, generation_id=scene.pk, name=uploading.name, prompt="p", search_text="p",
        seed=1, provider="directed", width=1, height=1, bytes=5, content_type="image/jpeg", sha256="", crc32=0,
        gradient="",
    )  # fmt: skip
    GenerationJob.objects.get().scenes.update(status="saved")
    delete_unwanted()
    assert stored(uploading.name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["image", "scene", "story", "owner", "job"])
def test_every_delete_above_a_picture_hands_its_object_to_the_sweep(
    directed: Any, ask: Ask, owner: User, what: str
) -> None:
    job = ask("one", story=Story(owner=owner, title="A story"))
    work()
    image = Image.objects.get()
    above: dict[str, Any] = {
        "image": image,
        "scene": image.scene,
        "owner": image.owner,
        "job": job,
        "story": image.scene.story,
    }
    above[what].delete()
    kept = what == "job"
    assert Image.objects.exists() == kept
    assert Upload.objects.filter(name=image.name).exists() != kept
    delete_unwanted()
    assert stored(image.name) == kept
