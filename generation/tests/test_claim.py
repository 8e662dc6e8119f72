"""Who works on what: no scene twice, no account over its limit, nobody's turn forgotten.

What many claims do at once is in `test_races`.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from generation.claim import claim
from generation.models import GenerationJob, ProviderAccount, SceneGeneration

Ask = Callable[..., GenerationJob]


@pytest.mark.django_db
def test_a_claim_takes_the_lease_the_slot_the_token_and_an_attempt(directed: Any, ask: Ask) -> None:
    job = ask("one")
    (scene,) = claim(10)
    assert scene.job_id == job.pk
    assert (scene.status, scene.phase, scene.token, scene.attempt, scene.request_token) == (
        "running",
        "calling",
        1,
        1,
        1,
    )
    assert scene.lease_until is not None
    assert scene.slot_until is not None
    assert scene.claimed_at is not None
    assert scene.lease_until - scene.claimed_at == pytest.approx(timedelta(seconds=2), abs=timedelta(seconds=0.1))
    assert claim(10) == []


@pytest.mark.django_db
def test_a_scene_is_not_due_before_its_time(directed: Any, ask: Ask) -> None:
    ask("one").scenes.update(due_at=Now() + timedelta(seconds=60))
    assert claim(10) == []


@pytest.mark.django_db
def test_a_lease_that_is_over_is_claimed_again_in_its_own_slot(directed: Any, ask: Ask) -> None:
    directed.GENERATION_CONCURRENCY = {"directed": 1}
    ask("one", "two")
    (first,) = claim(10)
    SceneGeneration.objects.filter(pk=first.pk).update(lease_until=Now() - timedelta(seconds=1))
    (again,) = claim(10)
    assert (again.pk, again.token, again.attempt, again.request_token) == (first.pk, 2, 2, 1)


@pytest.mark.django_db
def test_used_up_attempts_are_not_claimed(directed: Any, ask: Ask) -> None:
    ask("one").scenes.update(attempt=4)
    assert claim(10) == []


@pytest.mark.django_db
def test_an_account_gets_no_more_calls_than_its_allowance(directed: Any, ask: Ask) -> None:
    directed.GENERATION_CONCURRENCY = {"directed": 3}
    ask(*"abcdef")
    assert len(claim(10)) == 3
    assert claim(10) == []
    SceneGeneration.objects.filter(slot_until__isnull=False).update(slot_until=None)
    assert len(claim(10)) == 3


@pytest.mark.django_db
def test_a_closed_account_gets_none(directed: Any, ask: Ask) -> None:
    ask("one")
    ProviderAccount.objects.create(
        provider="directed", allowance=10, ceiling=10, closed_until=Now() + timedelta(seconds=60)
    )
    assert claim(10) == []
    assert not SceneGeneration.objects.claimable().exists()
    assert SceneGeneration.objects.claimable(within=61).exists()


@pytest.mark.django_db
def test_a_free_slot_goes_to_the_person_with_the_fewest_running(directed: Any, ask: Ask) -> None:
    directed.GENERATION_CONCURRENCY = {"directed": 100}
    one, two, three = (User.objects.create_user(name) for name in ("one", "two", "three"))
    ask(*[f"scene {number}" for number in range(20)], owner=one)
    ask("a", "b", "c", owner=two)
    ask("a", owner=three)
    assert Counter(scene.owner_id for scene in claim(6)) == {one.pk: 3, two.pk: 2, three.pk: 1}
    assert Counter(scene.owner_id for scene in claim(2)) == {two.pk: 1, one.pk: 1}


@pytest.mark.django_db
def test_within_a_person_the_oldest_job_goes_first_in_story_order(directed: Any, ask: Ask) -> None:
    first, second = ask("a", "b"), ask("c", "d")
    GenerationJob.objects.filter(pk=first.pk).update(created_at=F("created_at") - timedelta(minutes=1))
    claimed = [(scene.job_id, scene.position) for scene in claim(3)]
    assert sorted(claimed) == sorted([(first.pk, 0), (first.pk, 1), (second.pk, 0)])


@pytest.mark.django_db
def test_a_claim_can_keep_to_one_job(directed: Any, ask: Ask) -> None:
    ask("somebody's")
    job = ask("mine")
    assert [scene.job_id for scene in claim(10, job=job.pk)] == [job.pk]


@pytest.mark.django_db
def test_a_claim_costs_the_same_for_many_scenes(
    directed: Any, ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ask(*[f"scene {number}" for number in range(300)])
    claim(1)
    with django_assert_max_num_queries(10):
        assert len(claim(9)) == 9


@pytest.mark.django_db
def test_of_two_servers_the_one_with_more_room_is_taken(directed: Any, ask: Ask) -> None:
    _two_servers(directed)
    ask(*"abcdef")
    assert Counter(scene.account.name for scene in claim(2) if scene.account) == {"one": 1, "two": 1}
    assert Counter(scene.account.name for scene in claim(9) if scene.account) == {"one": 1, "two": 1}
    assert claim(9) == []


@pytest.mark.django_db
def test_a_begun_request_stays_with_its_server(directed: Any, ask: Ask) -> None:
    _two_servers(directed)
    ask("a")
    (scene,) = claim(1)
    assert scene.account is not None
    SceneGeneration.objects.update(status="queued", lease_until=None, slot_until=None)
    ProviderAccount.objects.exclude(pk=scene.account.pk).update(allowance=100)
    (again,) = claim(1)
    assert again.account == scene.account

    SceneGeneration.objects.update(status="queued", lease_until=None, slot_until=None)
    ProviderAccount.objects.filter(pk=scene.account.pk).update(closed_until=Now() + timedelta(seconds=60))
    assert claim(1) == [], "it may be there"
    SceneGeneration.objects.update(request_token=None)
    (elsewhere,) = claim(1)
    assert elsewhere.account != scene.account


@pytest.mark.django_db
def test_a_begun_request_of_a_server_that_is_no_longer_set_goes_elsewhere(directed: Any, ask: Ask) -> None:
    _two_servers(directed)
    ask("a")
    (scene,) = claim(1)
    assert scene.account is not None
    SceneGeneration.objects.update(status="queued", lease_until=None, slot_until=None)
    directed.GENERATION_ACCOUNTS = {"directed": ["three"]}
    (elsewhere,) = claim(1)
    assert elsewhere.account is not None
    assert elsewhere.account.name == "three"


def _two_servers(settings: Any) -> None:
    settings.GENERATION_ACCOUNTS = {"directed": ["one", "two"]}
    settings.GENERATION_CONCURRENCY = {"directed": 2}
