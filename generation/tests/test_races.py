"""Claim, save, renewal and retry of one scene at once, with every guard, and without it."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from threading import BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from gallery.models import Image, Upload
from generation import claim as claiming
from generation import objects, transitions
from generation.claim import claim
from generation.models import SceneGeneration, SceneGenerationQuerySet
from generation.tests import providers, races
from generation.tests.races import (
    Ask,
    T,
    begun,
    check_one_home_for,
    meanwhile,
    stored,
    taken_out,
    without_locks,
    without_the_fence,
)

pytestmark = pytest.mark.django_db(transaction=True)
# The place between looking at rows and writing them.
WRITE = "django.db.models.query.QuerySet.update"
PROCESSES = 8
LIMIT = 10


def without_the_repeated_condition(patch: pytest.MonkeyPatch) -> None:
    """The scenes are chosen among those that are due; nobody looks again when they are taken."""
    choose, due = claiming._choose, SceneGenerationQuerySet.due

    def choose_and_forget(*args: Any) -> Any:
        patch.setattr(SceneGenerationQuerySet, "due", due)
        chosen = choose(*args)
        patch.setattr(SceneGenerationQuerySet, "due", lambda self, **_: self.all())
        return chosen

    patch.setattr("generation.claim._choose", choose_and_forget)


def without_looking_again(patch: pytest.MonkeyPatch) -> None:
    """What was found is written, whatever has become of it meanwhile."""

    def update(rows: SceneGenerationQuerySet, **values: Any) -> int:
        found = list(rows.values_list("pk", flat=True))
        return QuerySet.update(SceneGeneration.objects.filter(pk__in=found), **values)

    patch.setattr(SceneGenerationQuerySet, "update", update)


@pytest.fixture
def scene(directed: Any, ask: Ask) -> SceneGeneration:
    """One that somebody has in hand."""
    return begun(ask)


def lose_the_lease(scene: SceneGeneration) -> None:
    SceneGeneration.objects.filter(pk=scene.pk).update(lease_until=Now() - timedelta(seconds=1))


# ---- claim ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    scene: UUID
    token: int
    begun: float
    ended: float


def test_eight_processes_claim_two_hundred_scenes(
    directed: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch, measured: Callable[[str], None]
) -> None:
    directed.GENERATION_LEASE = 300
    # One try alone: what the database refuses as locked comes up.
    monkeypatch.setattr("generation.repeated.TIMES", 1)
    ask(*[f"scene {number}" for number in range(200)])
    claims = check_claims_of_eight(200)
    measured(f"200 scenes, 8 processes, {LIMIT} at once: {max(c.ended for c in claims) - claims[0].begun:.2f} s")

    ask(*[f"scene {number}" for number in range(40)])
    with taken_out(without_locks, without_the_repeated_condition, _with_sqlites_own_transactions):
        check_claims_of_eight(40)


def check_claims_of_eight(scenes: int) -> list[Held]:
    claims = sorted(_claimed_by_eight(), key=lambda held: held.begun)
    assert len(claims) == len({held.scene for held in claims}) == scenes
    assert {held.token for held in claims} == {1}
    calls = [providers.Call(seed=0, begun=held.begun, ended=held.ended) for held in claims]
    assert providers.most_open(calls) <= LIMIT
    return claims


def _with_sqlites_own_transactions(patch: pytest.MonkeyPatch) -> None:
    """They begin as readers, and one that then wants to write is refused where another has written meanwhile."""
    if connection.vendor == "sqlite":
        patch.undo()
        patch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", "DEFERRED")


def _claimed_by_eight() -> list[Held]:
    """Eight processes claim and end scenes until none is left; all stand together once where a guard is wanted.

    They are forked, and open connections of their own.
    """
    connection.close()
    forked = get_context("fork")
    together = forked.Barrier(PROCESSES)
    with pytest.MonkeyPatch.context() as patch, ProcessPoolExecutor(PROCESSES, mp_context=forked) as processes:
        choose = claiming._choose

        def choose_and_wait(*args: Any) -> Any:
            chosen = choose(*args)
            with suppress(BrokenBarrierError):
                together.wait(races.head_start)
            return chosen

        patch.setattr("generation.claim._choose", choose_and_wait)
        claims = [processes.submit(_claim_until_nothing_is_left) for _ in range(PROCESSES)]
        return [held for one in claims for held in one.result(timeout=60)]


def _claim_until_nothing_is_left() -> list[Held]:
    held: list[Held] = []
    try:
        while SceneGeneration.objects.filter(status="queued").exists():
            scenes = claim(5)
            begun = time.time()
            time.sleep(0.02)
            ended = time.time()
            held += [Held(scene.pk, scene.token, begun, ended) for scene in scenes]
            SceneGeneration.objects.filter(pk__in=[scene.pk for scene in scenes]).update(slot_until=None)
    finally:
        connection.close()
    return held


def test_two_claims_never_take_one_scene(directed: Any, ask: Ask) -> None:
    check_two_claims_take_a_scene_once(ask)
    with pytest.MonkeyPatch.context() as patch:
        without_locks(patch)
        check_two_claims_take_a_scene_once(ask)
    with taken_out(without_locks, without_the_repeated_condition):
        check_two_claims_take_a_scene_once(ask)


def check_two_claims_take_a_scene_once(ask: Ask) -> None:
    job = ask("a fox")
    with meanwhile("generation.claim._choose", lambda: claim(1), after=True) as others:
        mine = claim(1)
    assert [scene.token for scene in (*mine, *others.result())] == [1]
    assert job.scenes.get().token == 1
    job.delete()


def test_two_claims_together_keep_to_an_accounts_limit(directed: Any, ask: Ask) -> None:
    check_two_claims_keep_to_the_limit(ask)
    with taken_out(without_locks):
        check_two_claims_keep_to_the_limit(ask)


def check_two_claims_keep_to_the_limit(ask: Ask) -> None:
    """The other one claims when the calls that are open have been counted."""
    job = ask(*[f"scene {number}" for number in range(30)])
    with meanwhile("generation.claim._in_turn", lambda: claim(LIMIT)) as others:
        mine = claim(LIMIT)
    assert len(mine) + len(others.result()) <= LIMIT
    job.delete()


def test_what_was_cancelled_meanwhile_is_not_claimed(directed: Any, ask: Ask) -> None:
    check_cancel_holds_against_a_claim(ask)
    with taken_out(without_locks, without_the_repeated_condition):
        check_cancel_holds_against_a_claim(ask)


def check_cancel_holds_against_a_claim(ask: Ask) -> None:
    job = ask("a fox")
    with meanwhile("generation.claim._choose", job.cancel, after=True) as cancelled:
        claim(1)
    assert cancelled.result() == 1
    assert job.scenes.get().status == "cancelled"
    job.delete()


def test_a_lease_that_is_renewed_meanwhile_is_not_taken_over(directed: Any, ask: Ask) -> None:
    check_a_scene_has_one_holder(ask)
    with taken_out(without_locks, without_the_repeated_condition):
        check_a_scene_has_one_holder(ask)


def check_a_scene_has_one_holder(ask: Ask) -> None:
    scene = begun(ask)
    lose_the_lease(scene)
    with meanwhile("generation.claim._choose", lambda: renew(scene), after=True) as renewed:
        taken = claim(1)
    check_one_holder(scene, renewed=renewed.result(), taken=taken)


# ---- save -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["commit.before", "generation.transitions._mine", "generation.transitions._keep"])
def test_of_two_holders_the_later_one_saves(directed: Any, ask: Ask, place: str) -> None:
    check_one_picture_of_two_holders(ask, place)


def test_without_the_fence_the_earlier_one_saves(directed: Any, ask: Ask) -> None:
    with taken_out(without_the_fence):
        check_one_picture_of_two_holders(ask, "commit.before")


def check_one_picture_of_two_holders(ask: Ask, place: str) -> None:
    scene = begun(ask)
    old = stored(scene)
    lose_the_lease(scene)
    (again,) = claim(1)
    new = stored(again)
    with at(place, old.save) as old_saved:
        new_saved = new.save()
    assert (old_saved.result(), new_saved) == (False, True)
    image = Image.objects.get(generation_id=scene.pk)
    assert (image.name, image.is_chosen) == (new.name, True)
    assert list(Upload.objects.values_list("name", flat=True)) == [old.name]

    objects.delete_unwanted()
    assert not default_storage.exists(old.name)
    assert default_storage.exists(new.name)
    Upload.objects.all().delete()


def at(place: str, act: Callable[[], T]) -> Any:
    """`meanwhile` with "commit.before": before the transaction begins."""
    return meanwhile("generation.kill_points.reached" if place == "commit.before" else place, act)


def test_of_two_takes_of_a_scene_that_end_together_one_is_chosen(directed: Any, ask: Ask) -> None:
    check_one_take_is_chosen(ask)
    with taken_out(without_locks):
        check_one_take_is_chosen(ask)


def check_one_take_is_chosen(ask: Ask) -> None:
    ask("a fox", "a wolf")
    first, second = claim(2)
    SceneGeneration.objects.filter(pk=second.pk).update(scene=first.scene_id)
    second.scene_id = first.scene_id
    ours, theirs = stored(first), stored(second)
    with meanwhile("gallery.models.ImageQuerySet.create", theirs.save) as their_end:
        assert ours.save()
    assert their_end.result()
    chosen = Image.objects.filter(scene=first.scene_id).values_list("is_chosen", flat=True)
    assert sorted(chosen) == [False, True]


@pytest.mark.parametrize("place", ["commit.before", "generation.transitions._mine", "generation.transitions._keep"])
def test_a_scene_is_cancelled_or_saved_and_never_both(directed: Any, ask: Ask, place: str) -> None:
    check_cancelled_or_saved(ask, place)


def test_without_the_fence_a_cancelled_scene_is_saved(directed: Any, ask: Ask) -> None:
    with taken_out(without_the_fence):
        check_cancelled_or_saved(ask, "commit.before")


def check_cancelled_or_saved(ask: Ask, place: str) -> None:
    scene = begun(ask)
    holder = stored(scene)
    with at(place, scene.job.cancel) as cancelled:
        saved = holder.save()
    row = SceneGeneration.objects.get(pk=scene.pk)
    if cancelled.result():
        assert (row.status, saved) == ("cancelled", False)
        assert not Image.objects.filter(generation_id=scene.pk).exists()
    else:
        assert (row.status, saved) == ("saved", True)
        assert Image.objects.get(generation_id=scene.pk).name == holder.name
    check_one_home_for(holder)


# ---- renewal --------------------------------------------------------------------------------------


def renew(scene: SceneGeneration) -> int:
    assert scene.tag is not None
    return transitions.renew({scene.tag}, [scene.pk])


def test_a_cancelled_scene_gets_no_lease_again(directed: Any, ask: Ask) -> None:
    check_a_renewal_revives_nothing(ask)
    with taken_out(without_locks, without_looking_again):
        check_a_renewal_revives_nothing(ask)


def check_a_renewal_revives_nothing(ask: Ask) -> None:
    scene = begun(ask)
    with meanwhile(WRITE, scene.job.cancel) as cancelled:
        renew(scene)
    assert cancelled.result() == 1
    row = SceneGeneration.objects.get(pk=scene.pk)
    assert (row.status, row.lease_until) == ("cancelled", None)


def test_a_scene_that_was_taken_over_is_not_renewed(directed: Any, ask: Ask) -> None:
    check_a_renewal_and_a_takeover(ask)
    with taken_out(without_locks, without_looking_again):
        check_a_renewal_and_a_takeover(ask)


def check_a_renewal_and_a_takeover(ask: Ask) -> None:
    scene = begun(ask)
    lose_the_lease(scene)
    with meanwhile(WRITE, lambda: claim(1)) as taken:
        renewed = renew(scene)
    check_one_holder(scene, renewed=renewed, taken=taken.result())


def check_one_holder(scene: SceneGeneration, *, renewed: int, taken: list[SceneGeneration]) -> None:
    """Either the old one, who was told that it still has it, or the new one."""
    row = SceneGeneration.objects.get(pk=scene.pk)
    assert (renewed, len(taken), row.token) in ((1, 0, 1), (0, 1, 2))
    assert row.tag == (taken[0].tag if taken else scene.tag)
    scene.job.delete()


# ---- retry ----------------------------------------------------------------------------------------


def test_what_is_tried_again_is_not_failed_by_a_late_sweep(directed: Any, ask: Ask) -> None:
    check_retry_holds_against_the_sweep(ask)
    with taken_out(without_locks, without_looking_again):
        check_retry_holds_against_the_sweep(ask)


def check_retry_holds_against_the_sweep(ask: Ask) -> None:
    """Two sweeps find a scene that nobody can end any more; the first fails it, and somebody presses Retry."""
    scene = begun(ask)
    lose_the_lease(scene)
    SceneGeneration.objects.filter(pk=scene.pk).update(attempt=4)

    def fail_and_retry() -> int:
        transitions.fail_exhausted()
        return scene.job.retry()

    with meanwhile(WRITE, fail_and_retry) as tried_again:
        transitions.fail_exhausted()
    assert tried_again.result() == 1
    row = SceneGeneration.objects.get(pk=scene.pk)
    assert (row.status, row.attempt, row.error_code) == ("queued", 0, "")
    scene.job.delete()
