"""Pages of jobs, and the presses of buttons that start, stop and repeat them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import User
from gallery.forms import StoryForm
from gallery.models import Character, Image, Story
from gallery.shelf import page_after, portraits, with_face
from gallery.views import Request
from generation.events import MOST_JOBS, stream
from generation.forms import GenerateForm, OptionsForm, SceneTextForm, fresh_key, show_refusal
from generation.generate import Asked, GenerateRefused, generate
from generation.generate import another_take as generate_another_take
from generation.models import GenerationJob, GenerationJobQuerySet, SceneGeneration, Status
from generation.progress import GOING_ON, lines, progress, with_cover
from generation.retry import retry_scene
from generation.slots import Slot, slots
from generation.tasks import wake

SLOTS_A_PAGE = 120


class SeeOther(HttpResponseRedirectBase):
    """What a POST made is over there; going back or reloading sends nothing twice."""

    status_code = 303


# ---- Generate -------------------------------------------------------------------------------------


def generate_pictures(request: Request) -> HttpResponse:
    """POST makes a job: for a story, for a character alone, or with a new story. GET shows the form."""
    story, character = _story(request), _character(request)
    if request.method == "POST":
        if story or character:
            return _generate_more(request, story, character)
        return _generate_story(request)
    if not (story or character):
        return redirect("gallery:story_new")
    form = GenerateForm(owner=request.user, story=story)
    return render(request, "generation/generate.html", {"form": form, "story": story, "character": character})


def _generate_story(request: Request) -> HttpResponse:
    owner = request.user
    form, options = StoryForm(request.POST, owner=owner), OptionsForm(request.POST)
    if form.is_valid() & options.is_valid():
        given = form.cleaned_data
        asked = Asked(
            scenes=tuple(given["scenes"]),
            story=Story(owner=owner, title=given["title"], style=given["style"]),
            characters=tuple(given["characters"]),
            **options.options(),
        )
        job = _generate(owner, asked, given["idempotency_key"], [form, options])
        if job is not None:
            return SeeOther(job.get_absolute_url())
    return render(request, "gallery/story_new.html", {"form": form, "options": options}, status=422)


def _generate_more(request: Request, story: Story | None, character: Character | None) -> HttpResponse:
    owner = request.user
    form = GenerateForm(request.POST, owner=owner, story=story)
    if form.is_valid():
        asked = Asked(
            scenes=tuple(form.cleaned_data["scenes"]),
            story=story,
            characters=(character,) if character else form.cast(),
            **form.options(),
        )
        job = _generate(owner, asked, form.cleaned_data["idempotency_key"], [form])
        if job is not None:
            return SeeOther(job.get_absolute_url())
    context = {"form": form, "story": story, "character": character}
    return render(request, "generation/generate.html", context, status=422)


def _generate(owner: User, asked: Asked, key: str, shown: Sequence[forms.Form]) -> GenerationJob | None:
    """None where it was refused: the reasons then stand on the forms."""
    try:
        job = generate(owner, asked, idempotency_key=key or None)
    except GenerateRefused as refused:
        show_refusal(refused, shown)
        return None
    wake(len(asked.scenes) * asked.quantity)
    return job


def _story(request: Request) -> Story | None:
    slug = request.POST.get("story") or request.GET.get("story")
    return get_object_or_404(Story.objects.visible_to(request.user), slug=slug) if slug else None


def _character(request: Request) -> Character | None:
    slug = request.POST.get("character") or request.GET.get("character")
    return get_object_or_404(Character.objects.visible_to(request.user), slug=slug) if slug else None


@require_POST
def another_take(request: Request, pk: UUID) -> HttpResponse:
    images = Image.objects.visible_to(request.user).shown().select_related("scene__story", "scene__owner")
    image = get_object_or_404(images, pk=pk)
    try:
        key = request.POST.get("idempotency_key") or fresh_key()
        job = generate_another_take(image.scene, idempotency_key=key)
    except GenerateRefused as refused:
        messages.error(request, str(refused))
        return SeeOther(image.get_absolute_url())
    wake(1)
    return SeeOther(job.get_absolute_url())


# ---- jobs -----------------------------------------------------------------------------------------


@require_safe
def jobs(request: Request) -> HttpResponse:
    """Those that go on first, then the ended ones, the newest first, a page at a time."""
    mine, after = with_cover(_jobs(request)), _job_id(request.GET.get("after"))
    ended, next_after = page_after(mine.exclude(GOING_ON), after)
    going_on = [] if after else list(mine.filter(GOING_ON).order_by("-created_at", "-pk"))
    shown = lines([*going_on, *ended])
    context = {
        "going_on": shown[: len(going_on)],
        "watched": shown[: min(len(going_on), MOST_JOBS)],
        "ended": shown[len(going_on) :],
        "next_after": next_after,
        "is_first_page": after is None,
        "since": timezone.now(),
    }
    return render(request, "generation/jobs.html", context)


@require_safe
def job(request: Request, pk: UUID) -> HttpResponse:
    row = get_object_or_404(_jobs(request).select_related("story", "character"), pk=pk)
    shown = progress(row)
    page = Paginator(shown.rows, SLOTS_A_PAGE).get_page(request.GET.get("page"))
    first = page.start_index() - 1
    in_job = SceneGeneration.objects.filter(job=row, scene__cast=OuterRef("pk"))
    context = {
        "job": row,
        "progress": shown,
        "page": page,
        "slots": slots(row.scenes.filter(position__gte=first, position__lt=page.end_index())),
        "portraits": portraits(with_face(Character.objects.filter(Exists(in_job))).order_by("name")),
    }
    return render(request, "generation/job.html", context)


@require_POST
def job_cancel(request: Request, pk: UUID) -> HttpResponse:
    row = get_object_or_404(_jobs(request), pk=pk)
    if not row.cancel():
        messages.info(request, "There was nothing left to cancel.")
    return SeeOther(row.get_absolute_url())


@require_POST
def job_retry(request: Request, pk: UUID) -> HttpResponse:
    row = get_object_or_404(_jobs(request), pk=pk)
    moved = row.retry()
    if moved:
        wake(moved)
    else:
        messages.info(request, "No picture of this job needs another try.")
    return SeeOther(row.get_absolute_url())


def scene_retry(request: Request, job_pk: UUID, pk: UUID) -> HttpResponse:
    """POST tries a failed scene again, with other words where `text` is sent. GET shows the form for those."""
    rows = SceneGeneration.objects.visible_to(request.user).select_related("scene", "job__story", "job__character")
    row = get_object_or_404(rows, pk=pk, job=job_pk)
    if request.method != "POST":
        if row.status != Status.FAILED:
            return redirect(_address(row))
        return _edit(request, row, SceneTextForm(initial={"text": row.scene.text}))
    form = SceneTextForm(request.POST)
    if "text" in request.POST and not form.is_valid():
        return _edit(request, row, form, status=422)
    if retry_scene(row, text=form.cleaned_data["text"] if "text" in request.POST else None):
        wake(1)
    else:
        messages.info(request, "This picture does not need another try.")
    return SeeOther(_address(row))


def _edit(request: Request, row: SceneGeneration, form: SceneTextForm, *, status: int = 200) -> HttpResponse:
    slot = Slot(row, None, timezone.now())
    context = {"form": form, "slot": slot, "job": row.job, "address": _address(row)}
    return render(request, "generation/scene_edit.html", context, status=status)


def _address(row: SceneGeneration) -> str:
    """Where its slot is, on the page of a long job that has it."""
    page = row.position // SLOTS_A_PAGE + 1
    return f"{row.job.get_absolute_url()}{f'?page={page}' if page > 1 else ''}#scene-{row.pk}"


@require_GET
async def events(request: Request) -> HttpResponseBase:
    user, wanted = await request.auser(), _job_ids(request)
    visible = GenerationJob.objects.visible_to(user).filter(pk__in=wanted)
    if not wanted or len(wanted) > MOST_JOBS or await visible.acount() != len(wanted):
        raise Http404
    since = request.headers.get("Last-Event-ID") or request.GET.get("since", "")
    return StreamingHttpResponse(
        stream(wanted, _moment(since)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _job_ids(request: Request) -> list[UUID]:
    """Each named job once."""
    return list(dict.fromkeys(filter(None, map(_job_id, request.GET.getlist("job")))))


def _job_id(text: str | None) -> UUID | None:
    """Raises Http404 for what is no id."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Http404 from None


def _moment(text: str) -> datetime | None:
    """None for what is no time: the stream then begins with everything."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and timezone.is_aware(moment) else None


def _jobs(request: Request) -> GenerationJobQuerySet:
    return GenerationJob.objects.visible_to(request.user)
