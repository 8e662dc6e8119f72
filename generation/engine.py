"""Threads, deadlines, the first variation and its way into storage.

The main thread claims, writes rows and renews leases; the threads call providers and store pictures, and never
touch the database. A scene passes twice through a thread: for its call, and for storing what came of it.
"""

import errno
import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any, TypeVar
from uuid import UUID, uuid5

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery.picture import MAX_BYTES, NotAPicture, check_picture
from gallery.storing import PictureRefused, RemoteStorage, StorageError, StorageRefused, free_bytes
from gallery.thumbnails import make_thumbnails
from generation import kill_points, transitions
from generation.claim import GRACE_OF_A_CALL, claim
from generation.models import SceneGeneration, SceneGenerationQuerySet
from generation.providers import get_provider
from generation.providers.base import Embedding, ImageRequest
from generation.providers.exceptions import (
    InvalidResponse,
    NotEntitled,
    ProviderConfigurationError,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
)
from generation.scene_log import in_hand, note
from generation.transitions import Made
from generation.waiting import ROOM

LOOK_EVERY = 1.0
LINGER = 15.0
GRACE_OF_AN_UPLOAD = 10.0
HANGING_AT_MOST = 3
# Bytes: with less, no call begins that would be paid for and lost.
LEAST_ROOM = MAX_BYTES
LOOK_FOR_ROOM_EVERY = 10.0
STORAGE_FULL = ("storage_full", "The storage is full. It goes on when there is room.")
FAREWELL = 30.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Stop(Event):
    """Set it to end the work early: nothing more is claimed, and what runs has `farewell` seconds to end.

    They may be shortened at any time. What has not ended by then is handed back.
    """

    def __init__(self, *, farewell: float = FAREWELL) -> None:
        super().__init__()
        self.farewell = farewell


def work(*, job: UUID | None = None, stop: Stop | None = None) -> bool:
    """Make due scenes (of one job, or of anybody) until there are none, and none become due within 15 s, or `stop`.

    Returns whether every thread has ended; after False only `os._exit` ends the process.
    """
    return Engine(job=job, stop=stop or Stop()).run()


class LeaseOver(Exception):
    """The scene may be somebody else's by now: neither call nor upload begins."""


class NoStorage(NotEntitled):
    """As without a key: what the job still wants would be made, paid for and lost."""

    code = StorageRefused.code


class NotStorable(RequestRefused):
    code = PictureRefused.code


class StoringFailed(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True, eq=False)
class Work:
    """One claimed scene in this process. `step` is the part that is under way in a thread, `then` writes what
    came of it, `write_off` what is to be said when it has not ended by `step_ends`. Times are of `boottime`."""

    scene: SceneGeneration
    leased_until: float
    step: "Future[Any]" = field(default_factory=Future)
    step_ends: float = float("inf")
    then: Callable[[], None] = lambda: None
    write_off: Callable[[], object] = lambda: None

    def check_lease(self) -> None:
        if boottime() >= self.leased_until:
            raise LeaseOver


class Engine:
    def __init__(self, *, job: UUID | None, stop: Stop) -> None:
        self.job = job
        self.stop = stop
        self.threads: int = settings.GENERATION_THREADS
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="scene")
        self.works: set[Work] = set()
        self.hanging: set[Future[Any]] = set()
        self.renew_at = 0.0

    def run(self) -> bool:
        while not (self.stop.is_set() or self._is_worn_out() or self._is_done()):
            self._claim()
            self._follow()
        self._finish()
        self.pool.shutdown(wait=False, cancel_futures=True)
        return not self.works and not self.hanging

    def _is_done(self) -> bool:
        return not self.works and not self._scenes().claimable(within=LINGER).exists()

    def _is_worn_out(self) -> bool:
        """Too many threads hang: this process ends, and a fresh one goes on."""
        return len(self.hanging) >= min(HANGING_AT_MOST, self.threads)

    def _scenes(self) -> SceneGenerationQuerySet:
        return SceneGeneration.objects.filter(job=self.job) if self.job else SceneGeneration.objects.all()

    def _claim(self) -> None:
        """One claim for all free threads."""
        free = self.threads - len(self.hanging) - len(self.works)
        if free <= 0 or not self._scenes().claimable().exists():
            return
        if not _is_room():
            self._hold_for_room()
            return
        before = boottime()
        for scene in claim(free, job=self.job):
            work = Work(scene, leased_until=before + settings.GENERATION_LEASE)
            self.works.add(work)
            self._begin_call(work)
            note("scene.claimed", scene, provider=scene.provider, **_account(scene))

    def _hold_for_room(self) -> None:
        code, message = STORAGE_FULL
        held = self._scenes().hold(seconds=LOOK_FOR_ROOM_EVERY, waiting_for=ROOM, code=code, message=message)
        if held:
            log.warning("storage.full", extra={"count": held})

    def _follow(self) -> None:
        """Until a step ends, a second at most; then write what ended, renew the leases, write off what hangs."""
        timeout = min(LOOK_EVERY, settings.GENERATION_LEASE / 4)
        if self.works:
            wait([work.step for work in self.works], timeout, FIRST_COMPLETED)
        else:
            self.stop.wait(timeout)
        for work in [work for work in self.works if work.step.done()]:
            work.then()
        self._write_off_hanging()
        self._renew()

    def _begin_call(self, work: Work) -> None:
        late = ProviderUnavailable(
            f"The provider did not answer within {settings.GENERATION_DEADLINE:g} seconds.",
            provider=work.scene.provider,
        )
        work.step_ends = boottime() + _longest_call(work.scene) + GRACE_OF_A_CALL
        work.then = partial(self._called, work)
        work.write_off = partial(transitions.call_failed, work.scene, late)
        work.step = self.pool.submit(_told_apart, _call, work)

    def _called(self, work: Work) -> None:
        try:
            made: Made = work.step.result()
            transitions.refuse_bytes_of_another_prompt(work.scene, made)
        except LeaseOver:
            self._drop(work)
        except ProviderError as exc:
            note("scene.call_failed", work.scene, code=exc.code)
            self._end(work, transitions.call_failed(work.scene, exc))
        else:
            received = made.variation.bytes_received
            note("scene.called", work.scene, seconds=round(made.seconds, 3), bytes_received=received)
            name = transitions.object_name(work.scene, made.picture)
            before = boottime()
            if transitions.begin_saving(work.scene, made, name):
                transitions.speed_up(work.scene)
                self._begin_storing(work, made, name, leased_until=before + settings.GENERATION_LEASE)
            else:
                self._drop(work)

    def _begin_storing(self, work: Work, made: Made, name: str, *, leased_until: float) -> None:
        late = ("storage_unavailable", "The picture could not be stored in time.")
        work.leased_until = leased_until
        work.step_ends = boottime() + settings.GENERATION_UPLOAD_DEADLINE + GRACE_OF_AN_UPLOAD
        work.then = partial(self._stored, work, made, name)
        work.write_off = partial(transitions.storing_failed, work.scene, *late)
        work.step = self.pool.submit(_told_apart, _store, work, made, name)

    def _stored(self, work: Work, made: Made, name: str) -> None:
        try:
            seconds: float = work.step.result()
        except LeaseOver:
            self._drop(work)
        except (PictureRefused, StorageRefused) as exc:
            refused = _refused(exc, work.scene, made)
            note("scene.storing_failed", work.scene, code=refused.code)
            self._end(work, transitions.call_failed(work.scene, refused))
        except StoringFailed as exc:
            note("scene.storing_failed", work.scene, code=exc.code)
            self._end(work, transitions.storing_failed(work.scene, exc.code, exc.message))
        else:
            moved = transitions.save(work.scene, made, name, save_seconds=seconds)
            kill_points.reached("commit.after")
            if moved:
                offered = made.variation.offered
                note("scene.saved", work.scene, object=name, variations_offered=offered, downloaded=1, uploaded=1)
            self._end(work, moved)

    def _end(self, work: Work, moved: bool) -> None:
        if moved:
            self.works.discard(work)
        else:
            self._drop(work)

    def _drop(self, work: Work) -> None:
        """The scene is somebody else's, cancelled or gone: of all we have of it only the slot is given back."""
        self.works.discard(work)
        transitions.give_slot_back(work.scene)
        note("scene.dropped", work.scene)

    def _write_off_hanging(self) -> None:
        now = boottime()
        # What has ended meanwhile is not late: it is looked at next.
        for work in [work for work in self.works if now > work.step_ends and not work.step.done()]:
            self.works.discard(work)
            self.hanging.add(work.step)
            note("scene.written_off", work.scene, level=logging.WARNING)
            work.write_off()
        self.hanging = {step for step in self.hanging if not step.done()}

    def _renew(self) -> None:
        """Prolong the leases of all scenes here. What is lost meanwhile neither calls nor uploads any more."""
        if not self.works or boottime() < self.renew_at:
            return
        before = boottime()
        held = [work for work in self.works if work.leased_until > 0]
        tags = {work.scene.tag for work in held if work.scene.tag}
        if transitions.renew(tags, [work.scene.pk for work in held]) < len(held):
            ours = transitions.still_held(tags)
            lost = [work for work in held if (work.scene.pk, work.scene.token) not in ours]
        else:
            lost = []
        for work in lost:
            note("scene.lease_lost", work.scene, level=logging.WARNING)
        for work in held:
            work.leased_until = 0.0 if work in lost else before + settings.GENERATION_LEASE
        self.renew_at = before + settings.GENERATION_LEASE / 4

    def _finish(self) -> None:
        """Let what runs come to its end, when stopped for as long as that says, and hand the rest back."""
        until = float("inf")
        while self.works and boottime() < until:
            self._follow()
            if self.stop.is_set():
                until = min(until, boottime() + self.stop.farewell)
        if self.works:
            transitions.hand_back([work.scene for work in self.works])


def _told_apart(step: Callable[..., T], work: Work, *rest: Any) -> T:
    """In a thread: whatever logs meanwhile, its lines say whose they are."""
    with in_hand(work.scene):
        return step(work, *rest)


def _call(work: Work) -> Made:
    """In a thread. Raises LeaseOver or ProviderError, whatever the provider did."""
    work.check_lease()
    scene = work.scene
    began = time.monotonic()
    received = 0
    kill_points.reached("call.before")
    try:
        variation = get_provider(scene.provider).first_variation(_request(work, began))
        received = variation.bytes_received
        picture = check_picture(variation.content)
    except ProviderError:
        raise
    except NotAPicture as exc:
        raise InvalidResponse(exc.message, provider=scene.provider, bytes_received=received) from exc
    except ProviderConfigurationError as exc:
        raise NotEntitled("This provider is not set up here.", provider=scene.provider) from exc
    except Exception as exc:
        note("provider.broken", scene, level=logging.ERROR, exc_info=True, provider=scene.provider)
        raise ProviderUnavailable("The provider failed in an unexpected way.", provider=scene.provider) from exc
    kill_points.reached("call.after")
    return Made(variation, picture, time.monotonic() - began)


def _request(work: Work, began: float) -> ImageRequest:
    scene = work.scene
    return ImageRequest(
        prompt=scene.prompt,
        width=scene.width,
        height=scene.height,
        seed=scene.seed,
        deadline=began + _longest_call(scene),
        call_seconds=settings.GENERATION_DEADLINE,
        key=uuid5(scene.pk, str(scene.request_token)),
        is_new=scene.request_token == scene.token,
        cancelled=lambda: boottime() >= work.leased_until,
        cast=tuple(scene.cast),
        embeddings=tuple(Embedding(**embedding) for embedding in scene.embeddings),
        server=scene.account.name if scene.account else "",
    )


def _account(scene: SceneGeneration) -> dict[str, Any]:
    """Which of the provider's accounts, where it has a name."""
    return {"account": scene.account.name} if scene.account and scene.account.name else {}


def _longest_call(scene: SceneGeneration) -> float:
    return scene.account.longest_call if scene.account else settings.GENERATION_DEADLINE


def _store(work: Work, made: Made, name: str) -> float:
    """In a thread: the original, again and again until the upload's deadline, then its small sizes. Seconds."""
    began = time.monotonic()
    ends = began + settings.GENERATION_UPLOAD_DEADLINE
    pause = 0.25
    kill_points.reached("upload.before")
    while True:
        work.check_lease()
        try:
            default_storage.save(name, ContentFile(made.picture.content))
            break
        except (PictureRefused, StorageRefused):
            raise
        except Exception as exc:  # Every storage raises errors of its own.
            note("storing.again", work.scene, level=logging.WARNING, error=type(exc).__name__)
            if time.monotonic() + pause > ends:
                raise _storing_failed(exc) from exc
        time.sleep(pause)
        pause = min(8.0, pause * 2)
    kill_points.reached("upload.original")
    if not isinstance(default_storage, RemoteStorage):
        _store_small_sizes(work.scene, made, name)
    kill_points.reached("upload.after")
    return time.monotonic() - began


def _store_small_sizes(scene: SceneGeneration, made: Made, name: str) -> None:
    """The picture is whole without them: a failure here must not cost it."""
    try:
        for size, content in make_thumbnails(made.picture.content).items():
            default_storage.save(f"{name}-{size}", ContentFile(content))
    except Exception as exc:  # noqa: BLE001 - whatever it was, the picture is in storage
        note("small_sizes.failed", scene, level=logging.WARNING, object=name, error=type(exc).__name__)


def _refused(exc: StorageError, scene: SceneGeneration, made: Made) -> ProviderError:
    kind = NoStorage if isinstance(exc, StorageRefused) else NotStorable
    return kind(exc.message, provider=scene.provider, bytes_received=made.variation.bytes_received)


def _storing_failed(exc: Exception) -> StoringFailed:
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoringFailed(*STORAGE_FULL)
    return StoringFailed("storage_unavailable", "The picture was made but could not be stored.")


def _is_room() -> bool:
    free = free_bytes(default_storage)
    return free is None or free >= LEAST_ROOM


def boottime() -> float:
    """Seconds on a clock that goes on while the machine sleeps, as leases do."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
