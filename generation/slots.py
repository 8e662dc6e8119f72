"""One scene's place on a page: its state in words, and what a person may do about it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from gallery.models import Image
from generation.models import OPEN, Phase, SceneGeneration, Status
from generation.waiting import Wait, waits

NEW_FOR = timedelta(seconds=10)
# A page that asks a moment after a lease ended would call a healthy renewal "resuming".
LEASE_GRACE = timedelta(seconds=2)


class State(StrEnum):
    """What a person sees of a scene: finer than its status."""

    WAITING = "waiting"
    HELD = "held"
    RETRYING = "retrying"
    DRAWING = "drawing"
    SAVING = "saving"
    RESUMING = "resuming"
    SAVED = "saved"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORDS = {
    State.WAITING: "Waiting",
    State.HELD: "Waiting",
    State.RETRYING: "Trying again",
    State.DRAWING: "Drawing",
    State.SAVING: "Saving",
    State.RESUMING: "Resuming",
    State.SAVED: "Saved",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}

ICONS = {
    State.WAITING: "wait",
    State.HELD: "wait",
    State.RETRYING: "again",
    State.DRAWING: "pen",
    State.SAVING: "download",
    State.RESUMING: "again",
    State.SAVED: "cross",
    State.FAILED: "warning",
    State.CANCELLED: "cross",
}

# One segment of the bar: solid, striped, red, hollow (and struck through).
SHAPES = {
    State.WAITING: "waiting",
    State.HELD: "waiting",
    State.RETRYING: "waiting",
    State.DRAWING: "running",
    State.SAVING: "running",
    State.RESUMING: "running",
    State.SAVED: "saved",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


def state_of(row: SceneGeneration, now: datetime) -> State:
    if row.status == Status.QUEUED:
        if row.waiting_for:
            return State.HELD
        return State.RETRYING if row.attempt else State.WAITING
    if row.status == Status.RUNNING:
        if row.lease_until is not None and row.lease_until + LEASE_GRACE < now:
            return State.RESUMING
        return State.SAVING if row.phase == Phase.SAVING else State.DRAWING
    return State(row.status)


# The ground of a picture that is still being drawn: the light its words speak of.
TONES = {
    "night": {"night", "moon", "moonlight", "star", "stars", "midnight", "dark", "lantern"},
    "dusk": {"dusk", "sunset", "evening", "twilight", "red", "dragon", "fire"},
    "dawn": {"dawn", "sunrise", "morning", "pink", "spring"},
    "autumn": {"autumn", "gold", "golden", "desert", "sand", "harvest", "leaves"},
    "mist": {"mist", "misty", "fog", "rain", "snow", "winter", "cloud", "clouds", "grey"},
    "sea": {"sea", "ocean", "river", "lake", "ship", "boat", "island", "harbour", "wave", "waves", "beach"},
    "forest": {"forest", "wood", "woods", "tree", "trees", "garden", "meadow", "jungle", "green"},
}


def tone_of(prompt: str, seed: int) -> str:
    """The tone whose words come first in the prompt; where none is spoken of, the seed's."""
    for word in re.findall(r"[a-z]+", prompt.casefold()):
        for tone, words in TONES.items():
            if word in words:
                return tone
    return list(TONES)[seed % len(TONES)]


@dataclass(frozen=True)
class Slot:
    """The fixed place of one scene on a page. `image` is None until it is saved, and after it was deleted; `wait` is
    there while it is queued."""

    row: SceneGeneration
    image: Image | None
    now: datetime
    wait: Wait | None = None

    @property
    def id(self) -> UUID:
        return self.row.pk

    @property
    def job_id(self) -> UUID:
        return self.row.job_id

    @property
    def number(self) -> int:
        return number_of(self.row)

    @property
    def text(self) -> str:
        return self.row.scene.text

    @cached_property
    def state(self) -> State:
        return state_of(self.row, self.now)

    @property
    def word(self) -> str:
        return WORDS[self.state]

    @property
    def icon(self) -> str:
        return ICONS[self.state]

    @property
    def is_drawn(self) -> bool:
        return self.row.status == Status.RUNNING

    @property
    def tone(self) -> str:
        return tone_of(self.row.prompt, self.row.seed)

    @property
    def since(self) -> datetime | None:
        return self.row.claimed_at if self.state in (State.DRAWING, State.SAVING) else None

    @property
    def seconds(self) -> int:
        return max(0, int((self.now - self.since).total_seconds())) if self.since else 0

    @property
    def until(self) -> datetime | None:
        """The moment before which nothing is tried, where that is known and still ahead."""
        return self.wait.until if self.wait else None

    @property
    def seconds_left(self) -> int:
        return int((self.until - self.now).total_seconds()) + 1 if self.until else 0

    @property
    def time_left(self) -> str:
        return in_words(self.seconds_left)

    @property
    def tries(self) -> str:
        """`2 of 4`, from the second try on; of one that waits to be tried again, the try to come."""
        attempt = self.row.attempt + 1 if self.state == State.RETRYING else self.row.attempt
        most = settings.GENERATION_ATTEMPTS
        tried_again = attempt > 1 and self.row.status in OPEN
        return f"{min(attempt, most)} of {most}" if tried_again else ""

    @property
    def reason(self) -> str:
        """Why it failed, or why it is tried again."""
        return self.row.error_message if self.state in (State.FAILED, State.RETRYING) else ""

    @property
    def waiting_for(self) -> str:
        return self.wait.thing if self.wait and self.state != State.RETRYING else ""

    @property
    def note(self) -> str:
        """More about what it waits for, in a word or two."""
        return self.wait.note if self.wait else ""

    @property
    def is_refused(self) -> bool:
        """Trying the same words again is of no use."""
        return self.state == State.FAILED and self.row.error_code == "request_refused"

    @property
    def is_new(self) -> bool:
        finished = self.row.finished_at
        return self.state == State.SAVED and finished is not None and self.now - finished < NEW_FOR


def number_of(row: SceneGeneration) -> int:
    """A story's scenes keep the story's numbers; those of the library are counted in their job."""
    return row.scene.number if row.scene.story_id else row.number


def slots(rows: QuerySet[SceneGeneration]) -> list[Slot]:
    """Two queries: the rows with their scenes, and the pictures of those that are saved. Three more where any waits."""
    found = list(rows.select_related("scene"))
    now = timezone.now()
    waiting = waits(found, now)
    saved = [row.pk for row in found if row.status == Status.SAVED]
    images = {image.generation_id: image for image in Image.objects.shown().filter(generation_id__in=saved)}
    return [Slot(row, _with_scene(images.get(row.pk), row), now, waiting.get(row.pk)) for row in found]


def _with_scene(image: Image | None, row: SceneGeneration) -> Image | None:
    if image is not None:
        image.scene = row.scene
    return image


def in_words(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h`: as exact as a guess can be."""
    if seconds < 90:
        return f"{max(1, int(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
