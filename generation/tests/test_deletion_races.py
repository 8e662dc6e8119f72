"""Writes of many rows at once, and deleting what a worker has in hand: with every guard, and without it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from accounts.models import User
from gallery.deletion import Deletion
from gallery.models import Image, Scene, Story, object_names
from generation import objects, transitions
from generation.claim import claim
from generation.models import GenerationJob, SceneGeneration, SceneGenerationQuerySet
from generation.tests import races
from generation.tests.races import (
    Ask,
    Holder,
    check_one_home_for,
    meanwhile,
    over_a_connection_of_its_own,
    stored,
    taken_out,
)

pytestmark = pytest.mark.django_db(transaction=True)


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
            both = [pool.submit(over_a_connection_of_its_own, partial(act, job)) for act in acts]
            time.sleep(races.head_start)
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
