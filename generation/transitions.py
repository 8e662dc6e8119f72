"""What a claim may write of its scene, and what it then writes of its account.

Every write carries the token and counts rows: where it moves nothing, the scene belongs to somebody else by
now, and the caller drops all it has. Each function is one transaction and may be repeated.
"""

import logging
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest, Now

from gallery.models import Image, Scene, Upload
from gallery.picture import Picture
from generation import kill_points
from generation.models import (
    Phase,
    ProviderAccount,
    ProviderAccountQuerySet,
    SceneGeneration,
    SceneGenerationQuerySet,
    Status,
)
from generation.providers.base import Variation
from generation.providers.exceptions import (
    InvalidResponse,
    NotEntitled,
    ProviderError,
    RateLimited,
    RequestRefused,
    ServerGone,
)
from generation.repeated import repeated
from generation.scene_log import note
from generation.waiting import PROVIDER

WAITS = 20
PATIENCE = timedelta(hours=1)
LONGEST_WAIT = 600.0
A_GONE_SERVER_RESTS = 30.0
INTERRUPTED = "interrupted"
NO_SCENE = {"lease_until": None, "slot_until": None, "phase": "", "changed_at": Now()}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A checked picture on its way into storage. `seconds` is how long the call took."""

    variation: Variation
    picture: Picture
    seconds: float


def object_name(scene: SceneGeneration, picture: Picture) -> str:
    """Holds the token, so that two claims of a scene never write one object."""
    return f"{scene.pk}/{scene.token}-{picture.sha256[:8]}"


@repeated
def refuse_bytes_of_another_prompt(scene: SceneGeneration, made: Made) -> None:
    """Raise RateLimited for bytes that are kept for another prompt already.

    A limited caller may get one and the same placeholder for all that it asks, with status 200.
    """
    same = Image.objects.filter(sha256=made.picture.sha256, provider=scene.provider)
    if same.exclude(prompt=scene.prompt).exists():
        raise RateLimited(
            "The provider sent a picture that belongs to another prompt.",
            provider=scene.provider,
            bytes_received=made.variation.bytes_received,
        )


@repeated
def begin_saving(scene: SceneGeneration, made: Made, name: str) -> bool:
    """The call ended with a picture: renew the lease, give the slot back, and note the object before it exists."""
    kill_points.reached("intent.before")
    with transaction.atomic():
        moved = _mine(scene).update(
            phase=Phase.SAVING,
            lease_until=Now() + timedelta(seconds=settings.GENERATION_LEASE),
            slot_until=None,
            model=made.variation.model,
            variations_offered=scene.variations_offered + made.variation.offered,
            bytes_received=scene.bytes_received + made.variation.bytes_received,
            changed_at=Now(),
        )
        if moved:
            entry = {"storage": settings.MEDIA_STORAGE, "generation_id": scene.pk, "token": scene.token}
            Upload.objects.get_or_create(name=name, defaults=entry)
        kill_points.reached("intent.written")
    kill_points.reached("intent.after")
    return bool(moved)


@repeated
def save(scene: SceneGeneration, made: Made, name: str, *, save_seconds: float) -> bool:
    """The object is in storage: the scene is saved and has its picture, both or neither."""
    kill_points.reached("commit.before")
    with transaction.atomic():
        # The lock orders two takes of one scene that end together: one of them is chosen.
        Scene.objects.select_for_update().filter(pk=scene.scene_id).first()
        moved = _mine(scene).update(
            **{
                **NO_SCENE,
                "status": Status.SAVED,
                "error_code": "",
                "error_message": "",
                "finished_at": Now(),
            }
        )
        if moved:
            _keep(scene, made, name, save_seconds)
            Upload.objects.filter(name=name).delete()
        kill_points.reached("commit.written")
    kill_points.reached("commit.lost_answer")
    # Nothing moved, and yet this very object is kept: the answer to the first commit was lost on its way.
    return bool(moved) or Image.objects.filter(generation_id=scene.pk, name=name).exists()


def _keep(scene: SceneGeneration, made: Made, name: str, save_seconds: float) -> None:
    picture, variation = made.picture, made.variation
    text = f"{Scene.objects.values_list('text', flat=True).get(pk=scene.scene_id)} {scene.prompt}"
    Image.objects.create(
        owner_id=scene.owner_id,
        scene_id=scene.scene_id,
        generation_id=scene.pk,
        storage=settings.MEDIA_STORAGE,
        name=name,
        prompt=scene.prompt,
        search_text=text.casefold(),
        seed=scene.seed,
        provider=scene.provider,
        model=variation.model,
        width=picture.width,
        height=picture.height,
        bytes=len(picture.content),
        content_type=picture.content_type,
        sha256=picture.sha256,
        crc32=picture.crc32,
        gradient=picture.gradient,
        is_chosen=not Image.objects.filter(scene=scene.scene_id, is_chosen=True).exists(),
        receipt={
            "attempts": scene.attempt,
            "waits": scene.waits,
            "variations_offered": scene.variations_offered + variation.offered,
            "bytes_received": scene.bytes_received + variation.bytes_received,
            "asked_at": scene.created_at.isoformat(),
            "started_at": scene.started_at.isoformat() if scene.started_at else None,
            "call_seconds": round(made.seconds, 3),
            "save_seconds": round(save_seconds, 3),
            "request_id": variation.request_id,
        },
    )


def call_failed(scene: SceneGeneration, error: ProviderError) -> bool:
    """Again later, or failed with the reason; the account and the rest of the job learn from it, too."""
    if isinstance(error, RateLimited):
        _slow_down(scene, error)
        return _wait(scene, error, seconds=_asked_pause(scene, error))
    if isinstance(error, ServerGone):
        _leave_out(scene)
        return _wait(scene, error, seconds=0, request_token=None)
    if error.retryable and scene.attempt < settings.GENERATION_ATTEMPTS:
        return _again(scene, error)
    moved = _fail(scene, error.code, error.message, **_learned(scene, error))
    if moved and isinstance(error, NotEntitled):
        _stop_job(scene, error)
    return moved


def storing_failed(scene: SceneGeneration, code: str, message: str) -> bool:
    """The picture was made and could not be stored within the upload's deadline."""
    if scene.attempt < settings.GENERATION_ATTEMPTS:
        return _queue_again(scene, code, message, seconds=_pause(scene.attempt))
    return _fail(scene, code, message)


def _again(scene: SceneGeneration, error: ProviderError) -> bool:
    return _queue_again(scene, error.code, error.message, seconds=_pause(scene.attempt), **_learned(scene, error))


def _wait(scene: SceneGeneration, error: ProviderError, *, seconds: float, **values: None) -> bool:
    """The attempt is given back: a provider that says "not now" has not tried. Not for ever, though."""
    learned = {**_learned(scene, error), **values}
    waited_out = Q(waits__gte=WAITS) | Q(waiting_since__lte=Now() - PATIENCE)
    if SceneGeneration.objects.filter(waited_out, pk=scene.pk).exists():
        return _fail(scene, error.code, f"The provider kept us waiting: {error.message}", **learned)
    return _queue_again(
        scene,
        error.code,
        error.message,
        seconds=seconds,
        attempt=scene.attempt - 1,
        waits=scene.waits + 1,
        waiting_since=Coalesce("waiting_since", Now()),
        waiting_for=PROVIDER,
        **learned,
    )


def _queue_again(scene: SceneGeneration, code: str, message: str, *, seconds: float, **values: Any) -> bool:
    due = {"status": Status.QUEUED, "due_at": Now() + timedelta(seconds=seconds)}
    moved = _let_go(scene, **due, error_code=code, error_message=message, **values)
    if moved:
        note("scene.queued_again", scene, code=code, seconds=round(seconds, 3))
    return moved


def _fail(scene: SceneGeneration, code: str, message: str, **values: Any) -> bool:
    ended = {"status": Status.FAILED, "finished_at": Now(), "error_code": code, "error_message": message}
    moved = _let_go(scene, **ended, **values)
    if moved:
        note("scene.failed", scene, code=code)
    return moved


@repeated
def _let_go(scene: SceneGeneration, **values: Any) -> bool:
    return bool(_mine(scene).update(**{**NO_SCENE, **values}))


def _stop_job(scene: SceneGeneration, error: NotEntitled) -> None:
    """Without key or credit no further call of this job begins. Those already begun may end."""
    if stopped := _fail_queued(scene, error):
        log.warning("job.stopped", extra={"job": scene.job_id, "code": error.code, "count": stopped})


@repeated
def _fail_queued(scene: SceneGeneration, error: NotEntitled) -> int:
    with transaction.atomic():
        queued = SceneGeneration.objects.filter(job=scene.job_id, provider=scene.provider, status=Status.QUEUED)
        return queued.locked().update(
            status=Status.FAILED,
            error_code=error.code,
            error_message=error.message,
            waiting_for="",
            finished_at=Now(),
            changed_at=Now(),
        )


@repeated
def give_slot_back(scene: SceneGeneration) -> None:
    """The call has ended although the scene is no longer ours: cancelled, or taken over. The slot was this claim's."""
    SceneGeneration.objects.filter(pk=scene.pk, token=scene.token, tag=scene.tag).update(slot_until=None)


@repeated
def renew(tags: Collection[UUID], scenes: Collection[UUID]) -> int:
    """Prolong all leases of this process in one UPDATE. Returns how many were still its own."""
    with transaction.atomic():
        mine = SceneGeneration.objects.filter(tag__in=tags, pk__in=scenes, status=Status.RUNNING)
        return mine.locked().update(lease_until=Now() + timedelta(seconds=settings.GENERATION_LEASE))


def still_held(tags: Collection[UUID]) -> set[tuple[UUID, int]]:
    """(scene, token) of what these claims still hold."""
    held = SceneGeneration.objects.filter(tag__in=tags, status=Status.RUNNING)
    return set(held.values_list("pk", "token"))


def hand_back(scenes: Collection[SceneGeneration]) -> None:
    """A worker stops: its scenes are due at once, and the attempt is given back. A restart is nobody's failure.

    The slot stays counted: the provider may still be busy with the call, and the next claim goes on in it.
    """
    ours = _hand_back({scene.tag for scene in scenes if scene.tag})
    for scene in scenes:
        note("scene.handed_back" if scene.pk in ours else "scene.dropped", scene)


@repeated
def _hand_back(tags: Collection[UUID]) -> set[UUID]:
    with transaction.atomic():
        mine = SceneGeneration.objects.filter(tag__in=tags, status=Status.RUNNING).locked()
        ids = set(mine.values_list("pk", flat=True))
        mine.update(
            status=Status.QUEUED,
            phase="",
            attempt=Greatest(F("attempt") - 1, 0),
            lease_until=None,
            due_at=Now(),
            changed_at=Now(),
        )
    return ids


def fail_exhausted() -> None:
    """Running scenes whose lease is over and whose attempts are used up would be nobody's for ever."""
    for scene in _fail_exhausted():
        note("scene.failed", scene, level=logging.WARNING, code=INTERRUPTED)


@repeated
def _fail_exhausted() -> list[SceneGeneration]:
    with transaction.atomic():
        abandoned = SceneGeneration.objects.filter(
            status=Status.RUNNING, lease_until__lte=Now(), attempt__gte=settings.GENERATION_ATTEMPTS
        ).locked()
        scenes = list(abandoned)
        abandoned.update(
            **NO_SCENE,
            status=Status.FAILED,
            error_code=INTERRUPTED,
            error_message="The work on this picture was interrupted too often.",
            finished_at=Now(),
        )
    return scenes


@repeated
def speed_up(scene: SceneGeneration) -> None:
    """A success that began after the last cut adds one call to the account's allowance, up to its ceiling."""
    account = scene.account
    if account is None or (account.allowance >= account.ceiling and account.cut_at is None):
        return
    since_the_cut = Q(cut_at=None) | Q(cut_at__lt=scene.claimed_at)
    slow = ProviderAccount.objects.filter(since_the_cut, pk=account.pk, allowance__lt=F("ceiling"))
    slow.update(allowance=F("allowance") + 1)


@repeated
def _slow_down(scene: SceneGeneration, error: RateLimited) -> None:
    """Close the account for a while and halve its allowance, once a wave: not for calls begun before the last cut."""
    closed_until = Now() + timedelta(seconds=_asked_pause(scene, error))
    since_the_cut = Q(cut_at=None) | Q(cut_at__lt=scene.claimed_at)
    with transaction.atomic():
        account = _account_of(scene)
        account.filter(since_the_cut).update(allowance=Greatest(F("allowance") / 2, 1), cut_at=Now())
        account.update(closed_until=Greatest(Coalesce("closed_until", Now()), closed_until))


@repeated
def _leave_out(scene: SceneGeneration) -> None:
    """A server that is gone gets nothing for a while, and then one scene at a time until one succeeds."""
    until = Now() + timedelta(seconds=A_GONE_SERVER_RESTS)
    _account_of(scene).update(closed_until=until, allowance=1, cut_at=Now())


def _account_of(scene: SceneGeneration) -> ProviderAccountQuerySet:
    """By the claim's own note of it: the scene's row may be deleted by now."""
    return ProviderAccount.objects.filter(pk__in=[scene.account.pk] if scene.account else [])


def _mine(scene: SceneGeneration) -> SceneGenerationQuerySet:
    """The fence: this scene while it is held under this token."""
    return SceneGeneration.objects.filter(pk=scene.pk, token=scene.token, status=Status.RUNNING)


def _learned(scene: SceneGeneration, error: ProviderError) -> dict[str, int | None]:
    """What a failed call leaves on the row.

    After an answer the next call is a new request; without one it may join what the provider is doing.
    """
    received = {"bytes_received": scene.bytes_received + error.bytes_received}
    answered = isinstance(error, RequestRefused | InvalidResponse)
    return {**received, "request_token": None} if answered else {**received}


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: about 1, 2, 4 … 30, spread so that ten scenes do not return together."""
    return min(30.0, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)


def _asked_pause(scene: SceneGeneration, error: RateLimited) -> float:
    asked = error.retry_after
    return min(LONGEST_WAIT, max(0.0, asked)) if asked is not None else _pause(scene.waits + 2)
