"""Counts rows, objects and calls after an attack, and says every breach of the promise in a sentence."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db.models import F

from gallery.models import Image, Upload, object_names
from generation.claim import HOLDS_A_SLOT
from generation.models import SceneGeneration, Status
from generation.objects import A_LATE_UPLOAD_MAY_LAND, delete_unwanted
from generation.tests.providers import Call, most_open


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an attack left outside the database: objects by name, calls of the provider, and how many of them its
    account may have open at once. The scenes of an attack have seeds of their own: calls are known by them."""

    objects: Mapping[str, bytes]
    calls: Collection[Call]
    allowance: int


def sweep_through() -> None:
    """Let a quarter of an hour pass for what came to nothing, and sweep it."""
    Upload.objects.update(created_at=F("created_at") - A_LATE_UPLOAD_MAY_LAND - timedelta(seconds=1))
    while delete_unwanted():
        pass


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too, by its name as an object."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def breaches(found: Found) -> list[str]:
    """To be asked when all is over and swept: nothing makes, stores or deletes any more."""
    scenes = {scene.pk: scene for scene in SceneGeneration.objects.all()}
    return [
        *(sentence for scene in scenes.values() for sentence in _of_scene(scene)),
        *_of_images(scenes.values()),
        *_of_objects(found.objects),
        *_of_calls(scenes.values(), found),
    ]


def _of_scene(scene: SceneGeneration) -> Iterator[str]:
    if scene.status == Status.RUNNING:
        yield f"{_name(scene)} is running, and nobody works on it."
    elif scene.status == Status.QUEUED:
        yield f"{_name(scene)} is lost: it waits, and nobody makes it."
    elif scene.status == Status.FAILED and not (scene.error_code.strip() and scene.error_message.strip()):
        yield f"{_name(scene)} failed without a reason."
    if scene.attempt > settings.GENERATION_ATTEMPTS:
        yield f"{_name(scene)} was tried {scene.attempt} times."
    if SceneGeneration.objects.filter(HOLDS_A_SLOT, pk=scene.pk).exists():
        yield f"{_name(scene)} has ended and still holds a slot."


def _of_images(scenes: Collection[SceneGeneration]) -> Iterator[str]:
    images: dict[object, list[Image]] = defaultdict(list)
    for image in Image.objects.all():
        images[image.generation_id].append(image)
    for scene in scenes:
        number = len(images.pop(scene.pk, []))
        expected = 1 if scene.status == Status.SAVED else 0
        if number != expected:
            yield f"{_name(scene)} is {scene.status} and has {number} pictures."
    for left in images.values():
        yield f"The picture {left[0].name} is of no scene."
    for scene in scenes:
        chosen = Image.objects.filter(scene=scene.scene_id, is_chosen=True).count()
        if scene.status == Status.SAVED and chosen != 1:
            yield f"{_name(scene)} has {chosen} chosen pictures."


def _of_objects(objects: Mapping[str, bytes]) -> Iterator[str]:
    left = set(objects)
    for image in Image.objects.all():
        for name in object_names(image.name) if image.storage == "local" else (image.name,):
            left.discard(name)
            if name not in objects:
                yield f"The object {name} is missing."
        if image.name in objects and sha256(objects[image.name]).hexdigest() != image.sha256:
            yield f"The object {image.name} has other bytes than its picture."
    for name in sorted(left):
        yield f"The object {name} belongs to no picture."
    for upload in Upload.objects.all():
        yield f"The note of the object {upload.name} is left."


def _of_calls(scenes: Collection[SceneGeneration], found: Found) -> Iterator[str]:
    begun = Counter(call.seed for call in found.calls)
    for scene in scenes:
        number = begun.pop(scene.seed, 0)
        if number > scene.token:
            yield f"{_name(scene)} was called {number} times in {scene.token} claims."
        if scene.status == Status.SAVED and scene.finished_at:
            saved_at = scene.finished_at.timestamp()
            if not number:
                yield f"{_name(scene)} is saved and was never called."
            if any(call.seed == scene.seed and call.begun > saved_at for call in found.calls):
                yield f"{_name(scene)} was called again after it was saved."
    for seed in begun:
        yield f"A call was made for seed {seed}, which no scene has."
    if (most := most_open(found.calls)) > found.allowance:
        yield f"{most} calls were open at once, where {found.allowance} are allowed."


def _name(scene: SceneGeneration) -> str:
    return f"Scene {scene.number} of job {scene.job_id}"
