"""What a queued scene waits for, and until when: on its card, in the API and in the event stream."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from generation import events
from generation.claim import _in_turn
from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.shape import job_as_json
from generation.slots import Slot, slots
from generation.tests.rows import change, run
from generation.waiting import ROOM, Wait, waits

pytestmark = pytest.mark.django_db
Ask = Callable[..., GenerationJob]


@pytest.fixture
def others(ask: Ask) -> Callable[..., GenerationJob]:
    """Somebody else asked before."""
    somebody = User.objects.create_user("somebody")
    return lambda *scenes: ask(*scenes, owner=somebody)


def account(**values: Any) -> ProviderAccount:
    return ProviderAccount.objects.create(**{"provider": "sketch", "allowance": 2, "ceiling": 2, **values})


def wait_of(row: SceneGeneration) -> Wait:
    return waits([SceneGeneration.objects.get(pk=row.pk)], timezone.now())[row.pk]


def slot_of(row: SceneGeneration) -> Slot:
    return slots(SceneGeneration.objects.filter(pk=row.pk))[0]


def test_a_scene_waits_for_its_turn(ask: Ask, others: Ask) -> None:
    theirs = others("a boat", "a town", "the sea")
    first, second = ask("a fox", "a wolf").scenes.all()
    assert wait_of(first) == Wait(thing="its turn", note="1 ahead", sentence="its turn: 1 picture is ahead")
    assert wait_of(second) == Wait(thing="its turn", note="3 ahead", sentence="its turn: 3 pictures are ahead")
    # Who has two in hand already comes after who has none.
    for row in theirs.scenes.all()[:2]:
        run(row)
    account_of_these = ProviderAccount.objects.get()
    account_of_these.allowance = account_of_these.ceiling = 10
    account_of_these.save()
    assert wait_of(first).sentence == "its turn: it is next"
    assert (slot_of(first).waiting_for, slot_of(first).note) == ("its turn", "next")


def test_who_is_ahead_is_who_is_claimed_before(ask: Ask) -> None:
    """For every scene of six people, of whom some have scenes in hand: as many as the claim puts before it."""
    account(allowance=1000, ceiling=1000)
    dice = random.Random(7)
    for number in range(6):
        person = User.objects.create_user(f"person-{number}")
        job = ask(*[f"scene {n}" for n in range(dice.randint(1, 12))], owner=person)
        for row in dice.sample(list(job.scenes.all()), k=dice.randint(0, job.scenes.count() - 1)):
            run(row)
    due = SceneGeneration.objects.due()
    turns = [turn[5] for turn in _in_turn(due, "sketch", Q(request_token__isnull=False), 1000)]
    ahead = {pk: wait.sentence for pk, wait in waits(list(due), timezone.now()).items()}
    assert len(turns) == len(ahead) > 20
    assert sorted(turns, key=lambda pk: _number(ahead[pk])) == turns
    assert [_number(ahead[pk]) for pk in turns[:10]] == list(range(10))


def _number(sentence: str) -> int:
    return next((int(word) for word in sentence.split() if word.isdigit()), 0)


def test_many_that_are_ahead_are_told_in_round_numbers(ask: Ask) -> None:
    job = ask(*[f"scene {number}" for number in range(400)])
    found = waits(list(job.scenes.all()), timezone.now())
    notes = [found[row.pk].note for row in job.scenes.all()]
    assert notes[:12] == ["next", *(f"{number} ahead" for number in range(1, 11)), "about 10 ahead"]
    assert notes[58] == "about 60 ahead"
    assert notes[399] == "about 400 ahead"
    assert len(set(notes)) < 25


def test_a_limit_that_is_reached_is_said(ask: Ask, others: Ask) -> None:
    account(allowance=1, ceiling=2)
    (theirs,) = others("a boat").scenes.all()
    run(theirs, slot_until=Now() + timedelta(seconds=60))
    first, second = ask("a fox", "a wolf").scenes.all()
    assert wait_of(first).sentence == "the provider: it makes one picture at a time, and it is next"
    assert wait_of(second).note == "one at a time, 1 ahead"
    ProviderAccount.objects.update(allowance=2)
    assert wait_of(second).thing == "its turn"


def test_a_closed_provider_is_waited_for_by_scenes_that_were_never_tried(ask: Ask) -> None:
    until = timezone.now() + timedelta(minutes=8)
    account(closed_until=until)
    (row,) = ask("a fox").scenes.all()
    assert wait_of(row) == Wait(thing="the provider", sentence="the provider: it is busy", until=until)
    slot = slot_of(row)
    assert (slot.waiting_for, slot.until, slot.time_left) == ("the provider", until, "8 min")
    told = job_as_json(row.job)["scenes"][0]
    assert told["waiting_for"] == "the provider: it is busy"
    assert told["waiting_until"] is not None


def test_room_in_the_storage_is_waited_for_in_its_own_words(ask: Ask) -> None:
    (row,) = ask("a fox").scenes.all()
    full = "The storage is full. It goes on when there is room."
    assert row.job.scenes.hold(seconds=10, waiting_for=ROOM, code="storage_full", message=full) == 1
    assert row.job.scenes.hold(seconds=10, waiting_for=ROOM, code="storage_full", message=full) == 0, "it is not due"
    slot = slot_of(row)
    assert (slot.waiting_for, slot.note, slot.reason) == (ROOM, "The storage is full", "")
    assert 1 <= slot.seconds_left <= 11
    assert job_as_json(row.job)["scenes"][0]["waiting_for"] == f"{ROOM}: {full}"


def test_one_of_two_servers_that_is_open_is_enough_but_not_for_what_the_other_has_begun(
    ask: Ask, settings: Any
) -> None:
    settings.GENERATION_ACCOUNTS = {"sketch": ["one", "two"]}
    closed = account(name="one", closed_until=Now() + timedelta(minutes=1))
    account(name="two")
    account(name="no longer set", closed_until=Now() + timedelta(minutes=9))
    begun, new = ask("a fox", "a wolf").scenes.all()
    change(begun, account=closed, request_token=1)
    assert wait_of(begun).thing == "the provider"
    assert wait_of(new).thing == "its turn"


def test_what_the_provider_put_off_says_why_and_until_when(ask: Ask) -> None:
    (row,) = ask("a fox").scenes.all()
    until = timezone.now() + timedelta(seconds=12)
    change(row, waiting_for="the provider", error_message="Too many at once.", due_at=until)
    assert wait_of(row) == Wait(thing="the provider", sentence="the provider: Too many at once.", until=until)
    # Closed for longer than the scene itself was put off.
    later = until + timedelta(seconds=30)
    account(closed_until=later)
    assert wait_of(row).until == later


def test_what_is_tried_again_says_when_and_then_that_it_has_to_wait_its_turn(ask: Ask, others: Ask) -> None:
    others("a boat")
    (row,) = ask("a fox").scenes.all()
    until = timezone.now() + timedelta(seconds=4)
    change(row, attempt=1, due_at=until, error_code="provider_unavailable", error_message="It answered 503.")
    assert wait_of(row) == Wait(thing="another try", sentence="It answered 503.", until=until)
    assert (slot_of(row).tries, slot_of(row).reason, slot_of(row).until) == ("2 of 4", "It answered 503.", until)
    change(row, due_at=Now())
    assert (slot_of(row).word, slot_of(row).until, slot_of(row).note) == ("Trying again", None, "1 ahead")


def test_without_a_worker_that_is_said(ask: Ask, others: Ask) -> None:
    (row,) = ask("a fox").scenes.all()
    change(row, due_at=Now() - timedelta(seconds=30))
    assert wait_of(row) == Wait(thing="a worker", sentence="a worker: nobody makes pictures at the moment")
    (theirs,) = others("a boat").scenes.all()
    run(theirs, lease=-30)
    assert wait_of(row).thing == "a worker", "a lease that is over is nobody's work"
    run(theirs)
    assert wait_of(row).thing == "its turn"


def test_three_queries_tell_it_of_any_number(
    ask: Ask, others: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    account()
    for count in (1, 60):
        others(*[f"theirs {number}" for number in range(count)])
        rows = list(ask(*[f"mine {number}" for number in range(count)]).scenes.all())
        with django_assert_num_queries(3):
            assert len(waits(rows, timezone.now())) == count
    run(rows[0])
    drawn = SceneGeneration.objects.get(pk=rows[0].pk)
    with django_assert_num_queries(0):
        assert waits([drawn], timezone.now()) == {}


def test_the_stream_tells_when_others_have_gone_before(ask: Ask, others: Ask) -> None:
    """Of this job nothing has changed, so only a look at the line finds it, and sends what looks different alone."""
    theirs = others("a boat")
    job = ask("a fox", "a wolf")
    first, second = job.scenes.all()
    mark, _, sent = events._whole_state(job.pk, None)
    news, sent = events._changes(job.pk, mark, sent, True)
    assert not news.has_slots
    theirs.cancel()
    assert events.read_marks([job.pk])[job.pk] == mark
    news, sent = events._changes(job.pk, mark, sent, True)
    assert "next" in news.text
    assert f"scene-{first.pk}" in news.text
    assert f"scene-{second.pk}" in news.text
    assert not events._changes(job.pk, mark, sent, True)[0].has_slots
