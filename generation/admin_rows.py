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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from accounts.admin_lists import address_of, to_row
from gallery.admin_pictures import thumbnail
from gallery.models import Image
from generation import admin_words
from generation.models import GenerationJob, SceneGeneration, Status
from generation.progress import with_totals
from generation.waiting import Account
from generation.workload import Workload, workloads

SCENES_SHOWN = 100
WORDS_SHOWN = 80
FIRST_SHOWN = (Status.FAILED, Status.RUNNING, Status.QUEUED, Status.CANCELLED, Status.SAVED)
NOTHING_YET = "Nothing was asked of it yet."
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """A provider in the table of work; or one of its several accounts, which has calls and a state alone."""

    name: str
    is_account: bool = False
    due: SafeString | str = ""
    later: SafeString | str = ""
    running: SafeString | str = ""
    calls: SafeString | str = ""
    state: SafeString | str = ""


def work_lines() -> list[WorkLine]:
    """Two queries. Raises DatabaseError."""
    now = timezone.now()
    lines = []
    for load in workloads():
        several = len(load.accounts) > 1
        lines.append(_of_provider(load, now))
        lines += [_of_account(account, now, name=account.name) for account in load.accounts if several]
    return lines


def _of_provider(load: Workload, now: datetime) -> WorkLine:
    said = _of_account(load.accounts[0], now, name="") if len(load.accounts) == 1 else None
    words = f"{len(load.accounts)} accounts" if load.accounts else NOTHING_YET
    running = admin_words.with_time(load.running, "the longest for", load.running_since, now)
    left_behind = admin_words.with_time(load.abandoned, "left behind, for", load.abandoned_since, now)
    return WorkLine(
        name=load.provider,
        due=admin_words.with_time(load.due, "the oldest for", load.due_since, now),
        later=admin_words.with_time(load.later, "the next in", load.next_at, now),
        running=format_html("{}<br>{}", running, left_behind) if load.abandoned else running,
        calls=said.calls if said else words,
        state=said.state if said else "",
    )


def _of_account(account: Account, now: datetime, *, name: str) -> WorkLine:
    slowed = f"{account.ceiling} in good times" if account.allowance < account.ceiling else ""
    return WorkLine(
        name=name,
        is_account=True,
        calls=format_html('{} of {} <span class="more">{}</span>', account.used, account.allowance, slowed),
        state=admin_words.account_state(account, now),
    )
