"""What the pages of jobs and the event stream show of a job: its totals, its segments, what happened last."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import accumulate, groupby, islice

from django.db.models import OuterRef, Q
from django.utils import timezone

from gallery.models import Image
from generation.models import GenerationJob, GenerationJobQuerySet, Phase, ProviderAccount, SceneGeneration, Status
from generation.slots import SHAPES, Slot, State, in_words, number_of, state_of

EVENTS_SHOWN = 10
REASONS_SHOWN = 3
NUMBERS_SHOWN = 4
LATEST = 10
SEGMENTS_APART = 60
# The shape of a segment, and the count of `with_counts()` that it stands for.
SHAPES_IN_ORDER = {
    "saved": "saved",
    "running": "running",
    "failed": "failed",
    "waiting": "queued",
    "cancelled": "cancelled",
}
# Among the rows of `with_counts()`.
GOING_ON = Q(queued__gt=0) | Q(running__gt=0)
COUNTED = {"running": "being drawn", "waiting": "waiting", "failed": "failed", "cancelled": "cancelled"}
STATUS_WORDS = {
    "queued": "Waiting",
    "running": "Drawing",
    "succeeded": "Finished",
    "partial": "Finished with gaps",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
STATUS_ICONS = {
    "queued": "wait",
    "running": "pen",
    "succeeded": "check",
    "partial": "warning",
    "failed": "warning",
    "cancelled": "cross",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """Scenes side by side in one state; `start` and `width` are percents of the bar."""

    shape: str
    scenes: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Happened:
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Scenes that failed for the same reason."""

    slots: Sequence[Slot]

    @property
    def first(self) -> Slot:
        return self.slots[0]

    @property
    def is_single(self) -> bool:
        return len(self.slots) == 1

    @property
    def which(self) -> str:
        """`Scene 3`, `Scenes 3 and 5`, `Scenes 1, 2, 3, 4 and 9 more`."""
        numbers = [str(slot.number) for slot in self.slots[:NUMBERS_SHOWN]]
        if self.is_single:
            return f"Scene {numbers[0]}"
        more = len(self.slots) - len(numbers)
        last = f"{more:,} more" if more else numbers.pop()
        return f"Scenes {', '.join(numbers)} and {last}"


@dataclass(frozen=True)
class Totals:
    """A job's scenes counted by the shape of their segment."""

    job: GenerationJob
    shapes: Mapping[str, int]
    is_claimed: bool
    cover: Image | None = field(default=None, kw_only=True)

    @property
    def title(self) -> str:
        if self.job.story is not None:
            return self.job.story.title
        return self.job.character.name if self.job.character is not None else "Pictures for the library"

    @property
    def total(self) -> int:
        return sum(self.shapes.values())

    @property
    def saved(self) -> int:
        return self.shapes["saved"]

    @property
    def failed(self) -> int:
        return self.shapes["failed"]

    @property
    def is_open(self) -> bool:
        return bool(self.shapes["waiting"] + self.shapes["running"])

    @property
    def all_failed(self) -> bool:
        return 0 < self.total == self.failed

    @property
    def status(self) -> str:
        """The API's word for it, and the name of its look."""
        if self.is_open:
            return "running" if self.is_claimed else "queued"
        if self.saved == self.total:
            return "succeeded"
        if self.shapes["cancelled"]:
            return "cancelled"
        return "failed" if self.all_failed else "partial"

    @property
    def status_word(self) -> str:
        return STATUS_WORDS[self.status]

    @property
    def icon(self) -> str:
        return STATUS_ICONS[self.status]

    @property
    def counts(self) -> str:
        parts = [(self.shapes[shape], words) for shape, words in COUNTED.items()]
        return ", ".join(f"{number:,} {words}" for number, words in parts if number)

    @property
    def voice(self) -> str:
        """What is said aloud: totals only."""
        said = f"{self.saved} of {pictures(self.total)}"
        if self.failed:
            said += f", {self.failed} failed"
        return f"{said}." if self.is_open else f"{said}. {self.status_word}."

    @property
    def bar(self) -> list[Segment]:
        """One piece for each shape there is."""
        return segments([(shape, self.shapes[shape]) for shape in SHAPES_IN_ORDER if self.shapes[shape]])


@dataclass(frozen=True)
class Progress(Totals):
    """Also what each scene of the job says, in story order."""

    rows: Sequence[SceneGeneration]
    now: datetime

    @cached_property
    def states(self) -> list[State]:
        return [state_of(row, self.now) for row in self.rows]

    @property
    def changed_at(self) -> datetime | None:
        """The latest change, on the database's clock: a stream that begins there misses nothing."""
        return self._latest[0].changed_at if self._latest else None

    @property
    def time_left(self) -> str:
        seconds = self._seconds_left()
        if seconds is None:
            return ""
        # A guess by the second would jump about: below a minute and a half it goes in steps of five.
        return f"About {in_words(5 * round(seconds / 5) or 5)} left"

    def _seconds_left(self) -> float | None:
        """From the ten latest pictures: how long one takes, times what is left, shared by those drawn now."""
        took = [
            (row.finished_at - row.claimed_at).total_seconds()
            for row in self._latest
            if row.status == Status.SAVED and row.finished_at and row.claimed_at
        ][:LATEST]
        left = self.shapes["waiting"] + self.shapes["running"]
        if not took or not left:
            return None
        return max(1.0, sum(took) / len(took) * left / max(1, self.shapes["running"]))

    @cached_property
    def segments(self) -> list[Segment]:
        """One a scene; past 60 neighbours in one state are drawn in one piece."""
        shapes = [SHAPES[state] for state in self.states]
        if self.are_segments_apart:
            return segments([(shape, 1) for shape in shapes])
        return segments([(shape, len(list(run))) for shape, run in groupby(shapes)])

    @property
    def are_segments_apart(self) -> bool:
        return self.total <= SEGMENTS_APART

    @cached_property
    def _latest(self) -> list[SceneGeneration]:
        return sorted(self.rows, key=lambda row: row.changed_at, reverse=True)

    @property
    def happened(self) -> list[Happened]:
        """The last ten events. Nothing writes them down: each row says itself what came over it last."""
        events = (_happened(row) for row in self._latest)
        latest = list(islice(filter(None, events), EVENTS_SHOWN))
        if len(latest) < EVENTS_SHOWN:
            latest.append(Happened(self.job.created_at, f"Asked for {pictures(self.total)}"))
        return latest

    @property
    def failures(self) -> list[Failure]:
        """Scenes that failed for one reason together, those of most scenes first."""
        by_reason: dict[tuple[str, str], list[Slot]] = {}
        for row in self.rows:
            if row.status == Status.FAILED:
                reason = (row.error_code, row.error_message)
                by_reason.setdefault(reason, []).append(Slot(row, None, self.now))
        return [Failure(slots) for slots in sorted(by_reason.values(), key=len, reverse=True)[:REASONS_SHOWN]]

    @property
    def first(self) -> SceneGeneration | None:
        return self.rows[0] if self.rows else None

    @property
    def facts(self) -> list[tuple[str, str]]:
        """How the pictures are made; what is not known (yet) is left out."""
        facts = [("Style", self._style), ("Model", next((row.model for row in self._latest if row.model), ""))]
        if self.first is not None:
            seeds = f"{self.first.seed}, then +1" if self.total > 1 else f"{self.first.seed}"
            facts += [("Size", f"{self.first.width} × {self.first.height}"), ("Seed", seeds)]
            facts += [("At once", _at_once(self.first.provider))]
        return [(name, value) for name, value in facts if value]

    @property
    def _style(self) -> str:
        story, character = self.job.story, self.job.character
        return (story.style if story else "") or (character.style if character else "")


def _at_once(provider: str) -> str:
    """The pace that the provider's accounts set; of one that is slow for want of a key, why."""
    ceilings = {name: most for (of, name), most in ProviderAccount.objects.ceilings().items() if of == provider}
    without_key = provider == "pollinations" and list(ceilings) == [""]
    return f"{sum(ceilings.values())}{', as there is no key' if without_key else ''}"


def progress(job: GenerationJob) -> Progress:
    """One query for all scenes of the job, without their long texts."""
    rows = job.scenes.select_related("scene").only(
        *("job_id", "position", "status", "phase", "attempt", "error_code", "error_message", "waiting_for"),
        *("lease_until", "due_at", "started_at", "claimed_at", "finished_at", "changed_at"),
        *("provider", "model", "width", "height", "seed"),
        *("scene__position", "scene__story_id"),
    )
    found, now = list(rows), timezone.now()
    shapes = Counter(SHAPES[state_of(row, now)] for row in found)
    return Progress(job, shapes, any(row.started_at for row in found), found, now)


def with_totals(jobs: GenerationJobQuerySet) -> GenerationJobQuerySet:
    """Each job with what `totals` needs, in the query that fetches it."""
    return jobs.select_related("owner", "story", "character").with_counts()


def totals(job: GenerationJob, cover: Image | None = None) -> Totals:
    """Of a job from `with_totals`, without a query."""
    shapes = {shape: getattr(job, name) for shape, name in SHAPES_IN_ORDER.items()}
    return Totals(job, shapes, getattr(job, "started_at", None) is not None, cover=cover)


def with_cover(jobs: GenerationJobQuerySet) -> GenerationJobQuerySet:
    """Each job with what `lines` needs, in the query that fetches it."""
    saved = SceneGeneration.objects.filter(job=OuterRef("pk"), status=Status.SAVED).order_by("position")
    return with_totals(jobs).annotate(cover=saved.values("pk")[:1])


def lines(jobs: Iterable[GenerationJob]) -> list[Totals]:
    """One query for all covers. The jobs come from `with_cover`."""
    found = list(jobs)
    wanted = [cover for job in found if (cover := getattr(job, "cover", None))]
    covers = {image.generation_id: image for image in Image.objects.shown().filter(generation_id__in=wanted)}
    return [totals(job, covers.get(cover) if (cover := getattr(job, "cover", None)) else None) for job in found]


def segments(runs: Sequence[tuple[str, int]]) -> list[Segment]:
    percent = 100 / max(1, sum(scenes for _, scenes in runs))
    starts = accumulate((scenes for _, scenes in runs), initial=0)
    return [
        Segment(shape, scenes, round(start * percent, 3), round(scenes * percent, 3))
        for (shape, scenes), start in zip(runs, starts, strict=False)
    ]


def pictures(number: int) -> str:
    return f"{number:,} picture{'' if number == 1 else 's'}"


def _happened(row: SceneGeneration) -> Happened | None:
    text = _what_happened(row)
    return Happened(row.changed_at, f"Scene {number_of(row)} {text}") if text else None


def _what_happened(row: SceneGeneration) -> str:
    if row.status == Status.SAVED:
        return f"saved{_seconds_taken(row)}"
    if row.status == Status.FAILED:
        return "was refused" if row.error_code == "request_refused" else "failed"
    if row.status == Status.CANCELLED:
        return "cancelled"
    if row.status == Status.RUNNING:
        return "is being saved" if row.phase == Phase.SAVING else "is being drawn"
    if row.attempt:
        return "will be tried again"
    return f"waits for {row.waiting_for}" if row.waiting_for else ""


def _seconds_taken(row: SceneGeneration) -> str:
    if row.finished_at is None or row.claimed_at is None:
        return ""
    seconds = (row.finished_at - row.claimed_at).total_seconds()
    return f" in {seconds:.1f} s" if seconds < 10 else f" in {seconds:.0f} s"
