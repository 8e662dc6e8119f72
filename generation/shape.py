"""A job as programs see it: the JSON of the HTTP API and of `manage.py illustrate --json`."""

from collections import Counter
from datetime import UTC, datetime
from typing import TypedDict

from django.urls import reverse
from django.utils import timezone

from gallery.models import Image
from generation.models import GenerationJob, SceneGeneration, Status
from generation.progress import SHAPES_IN_ORDER, Totals


class ErrorJson(TypedDict):
    code: str
    message: str


class ImageJson(TypedDict):
    """`url` is None where nobody said what addresses begin with; `prompt` is the one that was sent."""

    id: str
    url: str | None
    prompt: str
    width: int
    height: int
    bytes: int
    sha256: str


class SceneJson(TypedDict):
    """`prompt` is the scene's text. `phase` and what it waits for are those of an open scene alone."""

    id: str
    position: int
    prompt: str
    status: str
    phase: str | None
    attempt: int
    error: ErrorJson | None
    waiting_for: str | None
    waiting_until: str | None
    image: ImageJson | None
    seed: int
    model: str
    provider: str
    variations_offered: int
    bytes_received: int


class JobJson(TypedDict):
    id: str
    status: str
    counts: dict[str, int]
    created_at: str
    started_at: str | None
    finished_at: str | None
    scenes: list[SceneJson]


def job_as_json(job: GenerationJob, *, base_address: str | None = None) -> JobJson:
    """Plain values, ready for `json.dumps`; times are RFC 3339 in UTC. Two queries, and nothing is changed.

    `base_address` (`https://stories.example`) is what the pictures' addresses begin with.
    """
    rows = list(job.scenes.select_related("scene").order_by("position"))
    kept = Image.objects.shown().filter(generation_id__in=job.scenes.order_by().values("pk"))
    images = {image.generation_id: _image(image, base_address) for image in kept}
    counts = _counts(rows)
    begun = [row.started_at for row in rows if row.started_at]
    ended = [row.finished_at for row in rows if row.finished_at]
    totals = Totals(job, {shape: counts[name] for shape, name in SHAPES_IN_ORDER.items()}, bool(begun))
    now = timezone.now()
    return {
        "id": str(job.pk),
        "status": totals.status,
        "counts": counts,
        "created_at": _rfc3339(job.created_at),
        "started_at": _rfc3339(min(begun)) if begun else None,
        "finished_at": _rfc3339(max(ended)) if ended and not totals.is_open else None,
        "scenes": [_scene(row, images.get(row.pk), now) for row in rows],
    }


def _counts(rows: list[SceneGeneration]) -> dict[str, int]:
    counted = Counter(row.status for row in rows)
    return {"total": len(rows), **{status: counted[status] for status in Status.values}}


def _scene(row: SceneGeneration, image: ImageJson | None, now: datetime) -> SceneJson:
    is_queued = row.status == Status.QUEUED
    return {
        "id": str(row.pk),
        "position": row.position,
        "prompt": row.scene.text,
        "status": row.status,
        "phase": "waiting" if is_queued else row.phase or None,
        "attempt": row.attempt,
        "error": _error(row),
        # What is tried again waits because of what went wrong the last time.
        "waiting_for": (row.waiting_for or row.error_message or None) if is_queued else None,
        "waiting_until": _rfc3339(row.due_at) if is_queued and row.due_at > now else None,
        "image": image,
        "seed": row.seed,
        "model": row.model,
        "provider": row.provider,
        "variations_offered": row.variations_offered,
        "bytes_received": row.bytes_received,
    }


def _error(row: SceneGeneration) -> ErrorJson | None:
    """Of a scene that failed. One that is tried again has a reason to wait, and no error yet."""
    return {"code": row.error_code, "message": row.error_message} if row.status == Status.FAILED else None


def _image(image: Image, base_address: str | None) -> ImageJson:
    return {
        "id": str(image.pk),
        "url": _address(image, base_address) if base_address else None,
        "prompt": image.prompt,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "sha256": image.sha256,
    }


def _address(image: Image, base_address: str) -> str:
    return base_address.rstrip("/") + reverse("gallery:media", args=[image.pk, "original"])


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
