"""What the admin's lists and pages of jobs read: for all rows of a page at once, and for no others."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from accounts.admin_lists import address_of, to_row
from gallery.admin_pictures import thumbnail
from gallery.models import Image
from generation import admin_words
from generation.models import GenerationJob, SceneGeneration, Status
from generation.progress import with_totals

SCENES_SHOWN = 100
WORDS_SHOWN = 80
FIRST_SHOWN = (Status.FAILED, Status.RUNNING, Status.QUEUED, Status.CANCELLED, Status.SAVED)
LONG_TEXTS = ("prompt", "cast", "embeddings")


class JobList(ChangeList):
    """Scenes and reasons are counted of the jobs on this page alone, in one query each."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = told([job.pk for job in self.result_list])


class SceneList(ChangeList):
    """Pictures have no foreign key to what made them: those of this page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = with_images(self.result_list)


def told(ids: Iterable[UUID]) -> list[GenerationJob]:
    """These jobs in this order, each with its scenes counted and the reasons of those that failed. Two queries."""
    wanted = list(ids)
    found = {job.pk: job for job in with_totals(GenerationJob.objects.filter(pk__in=wanted))}
    failed = SceneGeneration.objects.filter(job__in=wanted, status=Status.FAILED).order_by()
    reasons = defaultdict(list)
    for job, message, count in failed.values_list("job", "error_message").annotate(count=Count("pk")):
        reasons[job].append((message, count))
    for pk, job in found.items():
        job.reasons = reasons[pk]  # type: ignore[attr-defined]
    return [found[pk] for pk in wanted if pk in found]


def with_images(rows: Iterable[SceneGeneration]) -> list[SceneGeneration]:
    """Each with its picture as `image`, or None. One query."""
    found = list(rows)
    saved = [row.pk for row in found if row.status == Status.SAVED]
    images = {image.generation_id: image for image in Image.objects.filter(generation_id__in=saved)}
    for row in found:
        if image := images.get(row.pk):
            image.scene = row.scene
        row.image = image  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLine:
    """A scene in the table on its job's page."""

    number: int
    thumbnail: SafeString
    address: str
    words: str
    state: SafeString
    why: str
    tries: str
    lease: str
    took: str
    provider: SafeString | str


def failed_first(job: GenerationJob) -> list[SceneLine]:
    """What somebody looks for stands on top, for the table ends at SCENES_SHOWN. Two queries."""
    turn = Case(
        *(When(status=status, then=Value(place)) for place, status in enumerate(FIRST_SHOWN)),
        output_field=IntegerField(),
    )
    rows = job.scenes.select_related("scene", "account").defer(*LONG_TEXTS).order_by(turn, "position")
    return [_line(row, timezone.now()) for row in with_images(rows[:SCENES_SHOWN])]


def _line(row: SceneGeneration, now: datetime) -> SceneLine:
    return SceneLine(
        number=row.number,
        thumbnail=thumbnail(getattr(row, "image", None)),
        address=address_of(row),
        words=Truncator(row.scene.text).chars(WORDS_SHOWN),
        state=admin_words.scene_label(row, now),
        why=admin_words.why(row, now),
        tries=admin_words.tries(row),
        lease=admin_words.lease(row, now),
        took=admin_words.scene_took(row, now),
        provider=to_row(row.account) if row.account else row.provider,
    )
