"""Two at once on one scene: each race is driven to its dangerous place, and the guard there is shown to hold it.

Each check is made twice: as the code is, and with its guard taken out, where the very same check has to fail. What
row locks are on PostgreSQL is on SQLite the one write lock that a transaction takes when it begins.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from threading import BrokenBarrierError, Lock
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string

from accounts.models import User
from gallery.deletion import Deletion
from gallery.models import Image, Scene, Story, Upload, object_names
from gallery.picture import check_picture
from generation import claim as claiming
from generation import objects, transitions
from generation.claim import claim
from generation.models import GenerationJob, SceneGeneration, SceneGenerationQuerySet
from generation.providers.base import Variation
from generation.tests import providers
from generation.transitions import Made

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
T = TypeVar("T")

# What nothing holds back is through by then; what a guard holds back goes on afterwards.
HEAD_START = 0.3
# The place between looking at rows and writing them.
WRITE = "django.db.models.query.QuerySet.update"
PROCESSES = 8
LIMIT = 10


@contextmanager
def meanwhile(place: str, act: Callable[[], T], *, after: bool = False) -> Iterator["Future[T]"]:
    """While the block comes to the function `place` for the first time, `act` runs, over a connection of its own.

    It begins before the function, or after it. The block goes on when `act` has ended or has had its head start;
    the future is there when the block has ended.
    """
    owner_path, _, name = place.rpartition(".")
    owner = _imported(owner_path)
    original: Callable[..., Any] = getattr(owner, name)
    others: list[Future[T]] = []
    once = Lock()
    told: Future[T] = Future()

    def intrude() -> None:
        if once.acquire(blocking=False):
            others.append(pool.submit(_over_a_connection_of_its_own, act))
            with suppress(Exception):
                others[0].result(timeout=HEAD_START)

    def at_the_place(*args: Any, **kwargs: Any) -> Any:
        if not after:
            intrude()
        result = original(*args, **kwargs)
        if after:
            intrude()
        return result

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(owner, name, at_the_place)
        yield told
    if not others:
        raise LookupError(f"{place} was never reached.")
    told.set_result(others[0].result())


def _imported(path: str) -> Any:
    """A module, or a class in one."""
    try:
        return import_string(path)
    except ImportError:
        return __import__(path, fromlist=["*"])


def _over_a_connection_of_its_own(act: Callable[[], T]) -> T:
    try:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # Of two that wait for each other it is then this one that the database refuses.
                cursor.execute(f"SET deadlock_timeout = '{2 * HEAD_START:g}s'")
        return act()
    finally:
        connection.close()


# ---- guards that can be taken out -----------------------------------------------------------------


def without_locks(patch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "postgresql":
        patch.setattr(QuerySet, "select_for_update", lambda self, **_: self)
    else:
        no_transaction = SimpleNamespace(atomic=nullcontext)
        patch.setattr("generation.claim.transaction", no_transaction)
        patch.setattr("generation.transitions.transaction", no_transaction)


def without_the_repeated_condition(patch: pytest.MonkeyPatch) -> None:
    """The scenes are chosen among those that are due; nobody looks again when they are taken."""
    choose, due = claiming._choose, SceneGenerationQuerySet.due

    def choose_and_forget(*args: Any) -> Any:
        patch.setattr(SceneGenerationQuerySet, "due", due)
        chosen = choose(*args)
        patch.setattr(SceneGenerationQuerySet, "due", lambda self, **_: self.all())
        return chosen

    patch.setattr("generation.claim._choose", choose_and_forget)


def without_the_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("generation.transitions._mine", lambda scene: SceneGeneration.objects.filter(pk=scene.pk))


def without_looking_again(patch: pytest.MonkeyPatch) -> None:
    """What was found is written, whatever has become of it meanwhile."""

    def update(rows: SceneGenerationQuerySet, **values: Any) -> int:
        found = list(rows.values_list("pk", flat=True))
        return QuerySet.update(SceneGeneration.objects.filter(pk__in=found), **values)

    patch.setattr(SceneGenerationQuerySet, "update", update)


@contextmanager
def taken_out(*guards: Callable[[pytest.MonkeyPatch], None]) -> Iterator[None]:
    """The check inside has to fail."""
    with pytest.MonkeyPatch.context() as patch:
        for guard in guards:
            guard(patch)
        with pytest.raises((AssertionError, DatabaseError)):
            yield


# ---- rows -----------------------------------------------------------------------------------------


@pytest.fixture
def scene(directed: Any, ask: Ask) -> SceneGeneration:
    """One that somebody has in hand."""
    return begun(ask)


def begun(ask: Ask) -> SceneGeneration:
    ask("a fox")
    (scene,) = claim(1)
    return scene


def lose_the_lease(scene: SceneGeneration) -> None:
    SceneGeneration.objects.filter(pk=scene.pk).update(lease_until=Now() - timedelta(seconds=1))


@dataclass(frozen=True)
class Holder:
    """A worker with a picture in its hands, whose object is in storage."""

    scene: SceneGeneration
    made: Made
    name: str

    def save(self) -> bool:
        return transitions.save(self.scene, self.made, self.name, save_seconds=0.1)


def stored(scene: SceneGeneration) -> Holder:
    content = providers.picture(scene.seed)
    variation = Variation(
        content=content, content_type="image/jpeg", model="directed-1", bytes_received=len(content), request_id="r1"
    )
    made = Made(variation, check_picture(content), seconds=0.1)
    name = transitions.object_name(scene, made.picture)
    assert transitions.begin_saving(scene, made, name)
    for object_name in object_names(name):
        default_storage.save(object_name, ContentFile(content))
    return Holder(scene, made, name)


def check_one_home_for(holder: Holder) -> None:
    """An object that may exist has its name in exactly one of Image and Upload."""
    kept = Image.objects.filter(name=holder.name).count()
    noted = Upload.objects.filter(name=holder.name).count()
    assert (kept, noted) in ((0, 1), (1, 0))


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
                together.wait(HEAD_START)
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


# ---- writes of many rows --------------------------------------------------------------------------


def test_cancel_renewal_and_deletion_write_in_one_order(
    directed: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The database's refusal comes up at once.
    monkeypatch.setattr("generation.repeated.TIMES", 1)
    check_no_deadlock(_three_running(ask), GenerationJob.cancel, _renew_all)
    check_no_deadlock(_three_running(ask), GenerationJob.cancel, _delete_job)
    with taken_out(_without_an_order):
        check_no_deadlock(_three_running(ask), GenerationJob.cancel, _delete_job)


def test_retry_and_deletion_write_in_one_order(directed: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    # The database's refusal comes up at once.
    monkeypatch.setattr("generation.repeated.TIMES", 1)
    check_no_deadlock(_three_failed(ask), GenerationJob.retry, _delete_job)
    with taken_out(_without_an_order):
        check_no_deadlock(_three_failed(ask), GenerationJob.retry, _delete_job)


def _three_running(ask: Ask) -> GenerationJob:
    job = ask("one", "two", "three")
    assert len(claim(10, job=job.pk)) == 3
    return job


def _three_failed(ask: Ask) -> GenerationJob:
    job = ask("one", "two", "three")
    job.scenes.update(status="failed", error_code="interrupted", error_message="Interrupted.")
    return job


def check_no_deadlock(job: GenerationJob, *acts: Callable[[GenerationJob], object]) -> None:
    """Three rows lie in the table against the order of their ids. Both acts want all of them, and meet in the middle
    one, which somebody holds until both have begun."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    _, middle, _ = _turned_around(job)
    with ThreadPoolExecutor(len(acts)) as pool:
        with transaction.atomic():
            SceneGeneration.objects.select_for_update().get(pk=middle)
            both = [pool.submit(_over_a_connection_of_its_own, partial(act, job)) for act in acts]
            time.sleep(HEAD_START)
        for one in both:
            one.result(timeout=10)


def _turned_around(job: GenerationJob) -> list[UUID]:
    """The ids in the order in which a plain UPDATE comes to them."""
    ids = list(job.scenes.order_by("-pk").values_list("pk", flat=True))
    for number, pk in enumerate(ids):
        moment = Now() + timedelta(seconds=number)
        SceneGeneration.objects.filter(pk=pk).update(position=100 + number, changed_at=moment, due_at=moment)
    return ids


def _renew_all(job: GenerationJob) -> int:
    rows = list(job.scenes.all())
    return transitions.renew({row.tag for row in rows if row.tag}, [row.pk for row in rows])


def _delete_job(job: GenerationJob) -> None:
    Deletion(GenerationJob.objects.filter(pk=job.pk)).carry_out()


def _without_an_order(patch: pytest.MonkeyPatch) -> None:
    """In what writes rows of generation; a deletion keeps to its own."""
    patch.setattr(SceneGenerationQuerySet, "locked", lambda rows: rows)


# ---- deleting what a worker has in hand -----------------------------------------------------------

Delete = Callable[[Client, SceneGeneration], None]


def delete_story(client: Client, scene: SceneGeneration) -> None:
    """As its owner does it, on its page."""
    assert scene.scene.story is not None
    answer = client.post(reverse("gallery:story_delete", args=[scene.scene.story.slug]))
    assert answer.status_code == 302


def delete_scene(client: Client, scene: SceneGeneration) -> None:
    Deletion(Scene.objects.filter(pk=scene.scene_id)).carry_out()


def delete_job(client: Client, scene: SceneGeneration) -> None:
    Deletion(GenerationJob.objects.filter(pk=scene.job_id)).carry_out()


def delete_person(client: Client, scene: SceneGeneration) -> None:
    Deletion(User.objects.filter(pk=scene.owner_id)).carry_out()


DELETE: list[Delete] = [delete_story, delete_scene, delete_job, delete_person]


@pytest.mark.parametrize("delete", DELETE)
def test_a_picture_that_is_saved_during_a_deletion_goes_with_it(
    directed: Any, ask: Ask, client: Client, owner: User, delete: Delete
) -> None:
    check_save_during_deletion(ask, client, owner, delete)


@pytest.mark.parametrize("delete", [delete_story, delete_scene, delete_person])
def test_without_its_locks_such_a_deletion_fails(
    directed: Any, ask: Ask, client: Client, owner: User, delete: Delete
) -> None:
    with taken_out(_with_djangos_own_deletion):
        check_save_during_deletion(ask, client, owner, delete)


def check_save_during_deletion(ask: Ask, client: Client, owner: User, delete: Delete) -> None:
    """The worker commits when all that goes has been looked up, before the first row goes."""
    holder = _holder_in_a_story(ask, client, owner)
    with meanwhile("django.db.models.deletion.Collector.delete", holder.save):
        delete(client, holder.scene)
    check_nothing_is_left(holder, delete)


@pytest.mark.parametrize("place", ["generation.transitions._mine", "generation.transitions._keep"])
@pytest.mark.parametrize("delete", DELETE)
def test_a_deletion_in_the_middle_of_a_commit_waits_for_its_end(
    directed: Any, ask: Ask, client: Client, owner: User, delete: Delete, place: str
) -> None:
    check_deletion_during_save(ask, client, owner, delete, place)


def test_without_its_locks_a_deletion_and_a_commit_wait_for_each_other(
    directed: Any, ask: Ask, client: Client, owner: User
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    with taken_out(_with_djangos_own_deletion):
        check_deletion_during_save(ask, client, owner, delete_scene, "generation.transitions._mine")


def check_deletion_during_save(ask: Ask, client: Client, owner: User, delete: Delete, place: str) -> None:
    holder = _holder_in_a_story(ask, client, owner)
    with meanwhile(place, lambda: delete(client, holder.scene)):
        holder.save()
    check_nothing_is_left(holder, delete)


def _holder_in_a_story(ask: Ask, client: Client, owner: User) -> Holder:
    client.force_login(owner)
    ask("a fox", story=Story(owner=owner, title="A story"))
    (scene,) = claim(1)
    return stored(scene)


def check_nothing_is_left(holder: Holder, delete: Delete) -> None:
    """No row that was to go, and no object without a picture once the sweep was here."""
    assert not SceneGeneration.objects.exists()
    check_one_home_for(holder)
    objects.delete_unwanted()
    is_kept = Image.objects.filter(name=holder.name).exists()
    # A job's pictures outlive it.
    assert Scene.objects.exists() == (delete is delete_job)
    assert not is_kept or delete is delete_job
    assert [default_storage.exists(name) for name in object_names(holder.name)] == [is_kept] * 3


def _with_djangos_own_deletion(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("gallery.deletion.Deletion.carry_out", lambda deletion: deletion.rows.delete())
