"""A job and its pictures as programs see them: the JSON of the HTTP API and of `manage.py illustrate --json`."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils import timezone
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from gallery.models import Image
from generation.models import GenerationJob, SceneGenerationQuerySet, Status
from generation.progress import SHAPES_IN_ORDER, Totals
from generation.waiting import Wait, waits

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Address = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
Sha256 = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})]
JobStatus = Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"]
SceneStatus = Literal["queued", "running", "saved", "failed", "cancelled"]
Phase = Literal["waiting", "calling", "saving"]
NOBODYS = str(UUID(int=0))
IMAGE_COLUMNS = ("id", "prompt", "width", "height", "bytes", "sha256")
COLUMNS = (
    *("pk", "position", "status", "phase", "attempt", "error_code", "error_message", "waiting_for", "due_at"),
    *("seed", "model", "provider", "variations_offered", "bytes_received", "started_at", "finished_at"),
    *("scene__text", "job_id", "job__created_at", "picture"),
    *("owner_id", "account_id", "request_token"),
)


class SceneErrorJson(TypedDict):
    code: str
    message: str


class ImageJson(TypedDict):
    """`url` is null where nobody said what addresses begin with; `prompt` is the one that was sent."""

    id: Id
    url: Address | None
    prompt: str
    width: int
    height: int
    bytes: int
    sha256: Sha256


class SceneJson(TypedDict):
    """`prompt` is the scene's text. `phase` and what it waits for are those of an open scene alone."""

    id: Id
    position: int
    prompt: str
    status: SceneStatus
    phase: Phase | None
    attempt: int
    error: SceneErrorJson | None
    waiting_for: str | None
    waiting_until: Moment | None
    image: ImageJson | None
    seed: int
    model: str
    provider: str
    variations_offered: int
    bytes_received: int


class CountsJson(TypedDict):
    total: int
    queued: int
    running: int
    saved: int
    failed: int
    cancelled: int


class JobSummaryJson(TypedDict):
    """`finished_at` is null while any scene is queued or running, also after Retry."""

    id: Id
    status: JobStatus
    counts: CountsJson
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class JobJson(JobSummaryJson):
    scenes: list[SceneJson]


def job_as_json(job: GenerationJob, *, base_address: str | None = None) -> JobJson:
    """Plain values, ready for `json.dumps`; times are RFC 3339 in UTC. Few queries, and nothing is changed.

    `base_address` (`https://stories.example`) is what the pictures' addresses begin with.
    """
    found = scenes_as_job(job.scenes.all(), base_address=base_address)
    return found or {**_summary(job.pk, job.created_at, Counter(), None, None), "scenes": []}


def scenes_as_job(scenes: SceneGenerationQuerySet, *, base_address: str | None = None) -> JobJson | None:
    """The same for all scenes of a job that is not fetched yet. None where there are none.

    One query for everything, so that all of it tells of one moment, and for plain values: to poll a job of 1,000
    scenes is common, and making their rows into objects would take most of the time. Three more where any waits,
    for what it waits for.
    """
    kept = Image.objects.shown().filter(generation_id=OuterRef("pk"))
    picture = Subquery(kept.values(columns=JSONObject(**{name: name for name in IMAGE_COLUMNS})))
    rows = list(scenes.annotate(picture=picture).order_by("position").values_list(*COLUMNS, named=True))
    if not rows:
        return None
    begun = [row.started_at for row in rows if row.started_at]
    ended = [row.finished_at for row in rows if row.finished_at]
    counted = Counter(row.status for row in rows)
    first, waiting, address = rows[0], waits(rows, timezone.now()), _address_of_pictures(base_address)
    summary = _summary(first.job_id, first.job__created_at, counted, min(begun, default=None), max(ended, default=None))
    return {**summary, "scenes": [_scene(row, address, waiting.get(row.pk)) for row in rows]}


def summary_as_json(job: GenerationJob) -> JobSummaryJson:
    """Of a job from `with_totals`, without a query."""
    counted = {status: getattr(job, status) for status in Status.values}
    begun, ended = getattr(job, "started_at", None), getattr(job, "last_finished_at", None)
    return _summary(job.pk, job.created_at, counted, begun, ended)


def image_as_json(image: Image, base_address: str) -> ImageJson:
    columns = {name: getattr(image, name) for name in IMAGE_COLUMNS}
    return _image(columns, _address_of_pictures(base_address))


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _summary(
    pk: UUID, created_at: datetime, counted: Mapping[str, int], begun: datetime | None, ended: datetime | None
) -> JobSummaryJson:
    counts: CountsJson = {
        "total": sum(counted.values()),
        "queued": counted[Status.QUEUED],
        "running": counted[Status.RUNNING],
        "saved": counted[Status.SAVED],
        "failed": counted[Status.FAILED],
        "cancelled": counted[Status.CANCELLED],
    }
    shapes = {shape: counted[name] for shape, name in SHAPES_IN_ORDER.items()}
    totals = Totals(GenerationJob(pk=pk), shapes, begun is not None)
    return {
        "id": str(pk),
        "status": cast(JobStatus, totals.status),
        "counts": counts,
        "created_at": rfc3339(created_at),
        "started_at": rfc3339(begun) if begun else None,
        "finished_at": rfc3339(ended) if ended and not totals.is_open else None,
    }


def _scene(row: Any, address: str | None, wait: Wait | None) -> SceneJson:
    has_failed = row.status == Status.FAILED
    return {
        "id": str(row.pk),
        "position": row.position,
        "prompt": row.scene__text,
        "status": row.status,
        "phase": "waiting" if wait else row.phase or None,
        "attempt": row.attempt,
        # What is tried again has a reason to wait, which is what went wrong the last time, and no error yet.
        "error": {"code": row.error_code, "message": row.error_message} if has_failed else None,
        "waiting_for": wait.sentence if wait else None,
        "waiting_until": rfc3339(wait.until) if wait and wait.until else None,
        "image": _image(row.picture, address) if row.picture else None,
        "seed": row.seed,
        "model": row.model,
        "provider": row.provider,
        "variations_offered": row.variations_offered,
        "bytes_received": row.bytes_received,
    }


def _image(columns: Mapping[str, Any], address: str | None) -> ImageJson:
    # The id comes without dashes where SQLite made JSON of it.
    pk = str(UUID(str(columns["id"])))
    return {
        "id": pk,
        "url": address.replace(NOBODYS, pk) if address else None,
        "prompt": columns["prompt"],
        "width": columns["width"],
        "height": columns["height"],
        "bytes": columns["bytes"],
        "sha256": columns["sha256"],
    }


def _address_of_pictures(base_address: str | None) -> str | None:
    """With NOBODYS id in it, to be replaced: a `reverse()` a picture would cost more than all the rest."""
    if base_address is None:
        return None
    return base_address.rstrip("/") + reverse("gallery:media", args=[NOBODYS, "original"])
