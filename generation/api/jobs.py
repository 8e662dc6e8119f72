"""Press Generate, look at what came of it, stop it, try again."""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import parse_etags
from ninja import Header, Router

from accounts.models import User
from gallery.models import Character, Scene, Story
from generation.api.bodies import Generate, GeneratePrompt, GenerateScenes, Json
from generation.api.errors import ErrorJson, Invalid, NothingToDo
from generation.api.listing import USUAL, Cursor, Limit, Page, Request, page
from generation.generate import USUAL_SIDE, Asked, GenerateRefused, KeyReused, generate
from generation.models import GenerationJob, SceneGeneration
from generation.progress import with_totals
from generation.shape import JobJson, JobSummaryJson, job_as_json, scenes_as_job, summary_as_json
from generation.tasks import wake

KEY_HEADER = "Idempotency-Key"
# What is none never reaches the database, some of which refuse a NUL.
SLUG = re.compile(r"[-\w]+", re.ASCII)

Named = TypeVar("Named", Character, Story)

router = Router(tags=["Image generation"])


class JobPage(Page):
    items: list[JobSummaryJson]


@router.post(
    "/generate",
    operation_id="generate",
    summary="Have pictures made",
    response={202: JobJson, **dict.fromkeys((400, 401, 413, 422, 503), ErrorJson)},
)
def generate_pictures(
    request: Request,
    asked: Annotated[Generate, Json()],
    key: Annotated[str | None, Header(None, alias=KEY_HEADER)] = None,
) -> HttpResponse:
    """Either a picture of each of several scenes, or a number of pictures of one prompt. Answers at once with the
    job; poll its address (`Location`) with `If-None-Match` to follow it.

    With an `Idempotency-Key` the same request sent again within 24 hours gives the job of the first time.
    """
    wanted = _asked(request.auth, asked)
    try:
        job = generate(request.auth, wanted, idempotency_key=key)
    except GenerateRefused as refused:
        raise _told(refused, asked) from refused
    wake(len(wanted.scenes) * wanted.quantity)
    response = _answer(request, job.pk, status=202)
    response["Location"] = request.build_absolute_uri(reverse("api:job", args=[job.pk]))
    return response


@router.get(
    "/jobs",
    operation_id="jobs",
    summary="Your jobs",
    response={200: JobPage, **dict.fromkeys((401, 422, 503), ErrorJson)},
)
def jobs(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> HttpResponse:
    """The newest first, without their scenes."""
    found, following = page(request, GenerationJob.objects.visible_to(request.auth), limit, cursor)
    # The scenes of this page's jobs are counted, and not those of all jobs that there are.
    counted = with_totals(GenerationJob.objects.filter(pk__in=[job.pk for job in found]))
    items = [summary_as_json(job) for job in counted.order_by("-created_at", "-pk")]
    return JsonResponse({"items": items, "next": following})


@router.get(
    "/jobs/{uuid:id}",
    operation_id="job",
    url_name="job",
    summary="A job with its scenes",
    response={200: JobJson, 304: None, **dict.fromkeys((401, 404, 503), ErrorJson)},
)
def job(request: Request, id: UUID) -> HttpResponse:
    """The `ETag` stands for the whole answer: as long as it is the same, `If-None-Match` costs 304 and no body."""
    return _answer(request, id)


@router.post(
    "/jobs/{uuid:id}/cancel",
    operation_id="cancel",
    summary="Cancel what has not ended",
    response={200: JobJson, **dict.fromkeys((401, 404, 409, 503), ErrorJson)},
)
def cancel(request: Request, id: UUID) -> HttpResponse:
    """Scenes that are saved or have failed stay as they are. 409 where every scene has ended."""
    if not _job(request.auth, id).cancel():
        raise NothingToDo("Every scene of this job has ended: there is nothing to cancel.")
    return _answer(request, id)


@router.post(
    "/jobs/{uuid:id}/retry",
    operation_id="retry",
    summary="Try the failed scenes again",
    response={200: JobJson, **dict.fromkeys((401, 404, 409, 503), ErrorJson)},
)
def retry(request: Request, id: UUID) -> HttpResponse:
    """With the seeds they had. 409 where no scene has failed."""
    moved = _job(request.auth, id).retry()
    if not moved:
        raise NothingToDo("No scene of this job has failed: there is nothing to try again.")
    wake(moved)
    return _answer(request, id)


def _asked(person: User, asked: GenerateScenes | GeneratePrompt) -> Asked:
    fields = dict(_faults(asked))
    character = _named(Character, person, asked.character, fields, "character")
    story = _named(Story, person, asked.story, fields, "story")
    if fields:
        raise Invalid(fields)
    return Asked(
        scenes=(asked.prompt,) if isinstance(asked, GeneratePrompt) else tuple(asked.scenes),
        quantity=_quantity(asked),
        story=story,
        characters=(character,) if character else (),
        provider=asked.provider or "",
        width=USUAL_SIDE if asked.width is None else asked.width,
        height=USUAL_SIDE if asked.height is None else asked.height,
        seed=asked.seed,
    )


def _faults(asked: GenerateScenes | GeneratePrompt) -> Iterator[tuple[str, str]]:
    """Those that generate() would not see, or tell of a scene where the client wrote a prompt."""
    if isinstance(asked, GeneratePrompt) and (fault := Scene.fault_in(asked.prompt)):
        yield "prompt", f"The prompt {fault}"
    if asked.provider == "":
        yield "provider", "Name a provider, or leave the field out."


def _named(kind: type[Named], person: User, slug: str | None, fields: dict[str, str], field: str) -> Named | None:
    """The person's own; what is another's is as unknown as what is not there at all."""
    if slug is None:
        return None
    rows = cast(Any, kind).objects.visible_to(person)
    row: Named | None = rows.filter(slug=slug).first() if SLUG.fullmatch(slug) else None
    if row is None:
        fields[field] = f"There is no {field} of yours called that. Send its slug, the last part of its address."
    return row


def _quantity(asked: GenerateScenes | GeneratePrompt) -> int:
    given = asked.quantity if isinstance(asked, GeneratePrompt) else None
    return 1 if given is None else given


def _told(refused: GenerateRefused, asked: GenerateScenes | GeneratePrompt) -> Invalid:
    """The same sentences, on the names that the client knows."""
    names = {"idempotency_key": KEY_HEADER}
    if isinstance(asked, GeneratePrompt):
        names["scenes"] = "prompt"
    fields = {names.get(name, name): sentence for name, sentence in refused.fields.items()}
    return Invalid(fields, code="key_reused" if isinstance(refused, KeyReused) else "invalid")


def _job(person: User, pk: UUID) -> GenerationJob:
    return get_object_or_404(GenerationJob.objects.visible_to(person), pk=pk)


def _answer(request: Request, pk: UUID, *, status: int = 200) -> HttpResponse:
    """The tag is that of the very bytes, so that nothing which the answer says can change without it."""
    content = json.dumps(_as_json(request, pk), ensure_ascii=False).encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if request.method == "GET" and _has(request, etag):
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(content, status=status, content_type="application/json")
    response["ETag"] = etag
    return response


def _as_json(request: Request, pk: UUID) -> JobJson:
    """One query; one more where no scene is left, or the job is not there."""
    scenes, address = SceneGeneration.objects.visible_to(request.auth).filter(job=pk), request.build_absolute_uri("/")
    return scenes_as_job(scenes, base_address=address) or job_as_json(_job(request.auth, pk), base_address=address)


def _has(request: Request, etag: str) -> bool:
    """Tags are compared weakly, as RFC 9110 wants it of If-None-Match: a proxy that compresses marks them W/."""
    known = [tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))]
    return etag in known or known == ["*"]
