"""What a page of the gallery adds of this room: one query each."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import template
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from gallery.models import Character, Scene, Story
from generation.events import MOST_JOBS
from generation.forms import GenerateForm, OptionsForm
from generation.models import OPEN, GenerationJob, GenerationJobQuerySet, SceneGeneration, Status
from generation.progress import GOING_ON, lines, with_cover
from generation.slots import Slot
from generation.slots import slots as read_slots

register = template.Library()


@register.inclusion_tag("generation/_generate_form.html", takes_context=True)
def generate_form(
    context: dict[str, Any], *, story: Story | None = None, character: Character | None = None
) -> dict[str, Any]:
    """The form for more scenes of a story, or for scenes of a character alone."""
    form = GenerateForm(owner=context["request"].user, story=story)
    return {
        "form": form,
        "story": story,
        "character": character,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("generation/_options.html")
def generate_options(form: OptionsForm | None = None) -> dict[str, Any]:
    """The fields of how pictures are made, inside the form of a new story. `form`: one that was sent and came back."""
    return {"form": form or OptionsForm()}


@register.simple_tag
def slots(scenes: Iterable[Scene]) -> dict[UUID, Slot]:
    """What is being made, or has failed, for each of the scenes: their newest, unless it ended well."""
    newer = SceneGeneration.objects.filter(scene=OuterRef("scene"), created_at__gt=OuterRef("created_at"))
    newest = SceneGeneration.objects.filter(scene__in=list(scenes), status__in=[*OPEN, Status.FAILED])
    newest = newest.filter(~Exists(newer.exclude(status=Status.CANCELLED)))
    return {slot.row.scene_id: slot for slot in read_slots(newest)}


@register.inclusion_tag("generation/_running_jobs.html")
def running_jobs(user: User) -> dict[str, Any]:
    """The jobs of this person that go on, the newest first, live. Nothing where there are none."""
    return _followed(GenerationJob.objects.visible_to(user))


@register.inclusion_tag("generation/_follow.html", takes_context=True)
def follow(context: dict[str, Any], story: Story) -> dict[str, Any]:
    """Once on a page that shows the slots of a story: keeps them up to date, and makes their buttons work."""
    followed = _followed(GenerationJob.objects.visible_to(context["request"].user).filter(story=story))
    return {**followed, "csrf_token": context.get("csrf_token")}


def _followed(jobs: GenerationJobQuerySet) -> dict[str, Any]:
    going_on = with_cover(jobs).filter(GOING_ON).order_by("-created_at", "-pk")
    return {"lines": lines(going_on[:MOST_JOBS]), "since": timezone.now()}
