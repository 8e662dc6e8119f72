"""The event stream: what changes in the jobs that somebody is looking at.

One task a process reads one line a job and second, however many people look; only a job whose line changed is
read further and rendered, once for all who look. Rendering happens in threads: on the loop it would hold up
every other stream.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Now
from django.template.loader import get_template

from generation.models import GenerationJob, Phase, SceneGeneration, Status
from generation.progress import Progress, progress
from generation.slots import LEASE_GRACE, Slot, slots

MOST_JOBS = 20
SECONDS_BETWEEN_READS = 1.0
# Who goes before a waiting scene changes with other people's scenes, of which its job's line says nothing.
SECONDS_BETWEEN_READS_OF_THE_LINE = 5.0
SECONDS_BETWEEN_SIGNS_OF_LIFE = 15.0
# A stream that ends is opened again by the browser: the person's rights are looked at afresh.
STREAM_LASTS = 300.0
# A transaction may be seen later than the time it wrote, so each read reaches back a little.
OVERLAP = timedelta(seconds=5)
# What a reader may be behind. One that is slower is sent away and starts from the whole state.
BACKLOG = 100

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


async def stream(jobs: Sequence[UUID], since: datetime | None = None) -> AsyncIterator[str]:
    """Server-sent events of these jobs: first all that changed after `since` (None: everything), then the news.

    `slot` carries a scene, `summary` a job's totals, `done` the id of a job that has ended. Ends when all have
    ended, or after a few minutes. Who may see the jobs is for the caller to check.
    """
    going_on, ends = set(jobs), monotonic() + STREAM_LASTS
    with watcher().subscribed(jobs) as queue:
        for job in jobs:
            mark, news, sent = await _in_thread(partial(_whole_state, job, since))
            watcher().know(job, mark, sent)
            yield news.text
            if news.is_last:
                going_on.discard(job)
        while going_on and (left := ends - monotonic()) > 0:
            try:
                async with asyncio.timeout(min(SECONDS_BETWEEN_SIGNS_OF_LIFE, left)):
                    latest = await queue.get()
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if latest is None:
                return
            yield latest.text
            if latest.is_last:
                going_on.discard(latest.job)


# ---- who looks at what ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """A job's line of the shared read: it changes with each of the job's scenes."""

    counts: tuple[int, ...]
    changed_at: datetime | None

    @property
    def has_waiting(self) -> bool:
        """The first count is that of the queued ones, as in `Status`."""
        return any(self.counts[:1])


@dataclass(frozen=True, slots=True)
class News:
    job: UUID
    text: str
    is_last: bool
    has_slots: bool = True


Queue = asyncio.Queue[News | None]
# What was sent of a scene: where nothing of it is different, it is not sent again.
Sent = dict[UUID, tuple[object, ...]]


@dataclass(slots=True)
class Watched:
    queues: set[Queue] = field(default_factory=set)
    mark: Mark | None = None
    sent: Sent = field(default_factory=dict)
    line_read_at: float = field(default_factory=monotonic)


class Watcher:
    """Reads for all streams of one event loop, as long as there is one."""

    def __init__(self) -> None:
        self.watched: dict[UUID, Watched] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def subscribed(self, jobs: Sequence[UUID]) -> Iterator[Queue]:
        queue: Queue = asyncio.Queue(BACKLOG)
        for job in jobs:
            self.watched.setdefault(job, Watched()).queues.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield queue
        finally:
            for job in jobs:
                self.watched[job].queues.discard(queue)
                if not self.watched[job].queues:
                    del self.watched[job]

    def know(self, job: UUID, mark: Mark, sent: Sent) -> None:
        """The first reader's whole state is where the shared reads go on from."""
        watched = self.watched[job]
        if watched.mark is None:
            watched.mark, watched.sent = mark, sent

    async def _watch(self) -> None:
        while self.watched:
            await asyncio.sleep(SECONDS_BETWEEN_READS)
            try:
                await self._look()
            except DatabaseError:
                # Away for a moment: the marks stay, so the next read catches up.
                logger.warning("events.read_failed", exc_info=True)

    async def _look(self) -> None:
        known = {job: watched.mark for job, watched in self.watched.items() if watched.mark is not None}
        if not known:
            return
        marks = await _in_thread(partial(read_marks, list(known)))
        for job, before in known.items():
            mark = marks.get(job, GONE)
            watched = self.watched.get(job)
            if watched is None:
                continue
            line = mark.has_waiting and monotonic() - watched.line_read_at >= SECONDS_BETWEEN_READS_OF_THE_LINE
            if line:
                watched.line_read_at = monotonic()
            if line or mark != before:
                news, sent = await _in_thread(partial(_changes, job, before, watched.sent, line))
                watched.mark, watched.sent = mark, sent
                for queue in watched.queues if mark != before or news.has_slots else ():
                    _put(queue, news)


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, Watcher] = WeakKeyDictionary()


def watcher() -> Watcher:
    """The one of the running event loop."""
    return _watchers.setdefault(asyncio.get_running_loop(), Watcher())


def _put(queue: Queue, news: News) -> None:
    try:
        queue.put_nowait(news)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


async def _in_thread(call: Callable[[], Result]) -> Result:
    def closed() -> Result:
        try:
            return call()
        finally:
            close_old_connections()

    return await sync_to_async(closed, thread_sensitive=False)()


# ---- reading and rendering, in threads ------------------------------------------------------------

GONE = Mark((), None)


def read_marks(jobs: Sequence[UUID]) -> dict[UUID, Mark]:
    """One query for all of them. A lease that runs out changes no row, so those are counted, too."""
    counts = {status: Count("pk", filter=Q(status=status)) for status in Status.values}
    lost = Q(status=Status.RUNNING, lease_until__lt=Now() - LEASE_GRACE)
    lines = (
        SceneGeneration.objects.filter(job__in=jobs)
        .order_by()
        .values("job")
        .annotate(
            **counts,
            in_storage=Count("pk", filter=Q(phase=Phase.SAVING)),
            lost=Count("pk", filter=lost),
            tokens=Sum("token"),
            attempts=Sum("attempt"),
            latest=Max("changed_at"),
        )
        .values_list("job", "latest", *counts, "in_storage", "lost", "tokens", "attempts")
    )
    return {job: Mark(tuple(numbers), latest) for job, latest, *numbers in lines}


def _whole_state(job: UUID, since: datetime | None) -> tuple[Mark, News, Sent]:
    # The mark comes before the rows: what changes in between is then sent twice rather than never.
    mark = read_marks([job]).get(job, GONE)
    news, sent = _read(job, Q(changed_at__gt=since - OVERLAP) if since else Q(), {})
    return mark, news, sent


def _changes(job: UUID, before: Mark, sent: Sent, line: bool = False) -> tuple[News, Sent]:
    """`line`: also what all that wait are waiting for by now."""
    which = Q(changed_at__gt=before.changed_at - OVERLAP) if before.changed_at else Q()
    which |= Q(status=Status.RUNNING, lease_until__lt=Now())
    return _read(job, which | Q(status=Status.QUEUED) if line else which, sent)


def _read(job: UUID, which: Q, sent: Sent) -> tuple[News, Sent]:
    row = GenerationJob.objects.select_related("story", "character").filter(pk=job).first()
    if row is None:
        return News(job, _event("done", {"job": str(job)}, None), is_last=True), {}
    # The totals come before the scenes: where they say that all has ended, each scene read after them has.
    shown = progress(row)
    found = slots(row.scenes.filter(which))
    fresh = [slot for slot in found if sent.get(slot.id) != _looks(slot)]
    news = News(job, _text(shown, fresh), is_last=not shown.is_open, has_slots=bool(fresh))
    return news, {**sent, **{slot.id: _looks(slot) for slot in found}}


def _looks(slot: Slot) -> tuple[object, ...]:
    return slot.state, slot.row.phase, slot.row.token, slot.row.changed_at, slot.row.due_at, slot.wait


def _text(shown: Progress, found: list[Slot]) -> str:
    job, at = str(shown.job.pk), shown.changed_at
    slot_template = get_template("generation/_slot.html")
    totals_template = get_template("generation/_totals.html")
    events = [
        _event("slot", {"id": f"scene-{slot.id}", "html": slot_template.render({"slot": slot})}, at) for slot in found
    ]
    events.append(_event("summary", {"job": job, "html": totals_template.render({"progress": shown})}, at))
    if not shown.is_open:
        events.append(_event("done", {"job": job}, at))
    return "".join(events)


def _event(name: str, data: dict[str, str], at: datetime | None) -> str:
    """Its id is the time of the latest change: the browser sends it when it comes back."""
    line = f"id: {at.isoformat()}\n" if at else ""
    return f"{line}event: {name}\ndata: {json.dumps(data)}\n\n"
