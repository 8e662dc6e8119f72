"""One process makes scenes: all at once, none held up by another, each with its reason when it fails."""

import time
from collections.abc import Callable
from itertools import count
from threading import Timer
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.db.models import F

from gallery.models import Image, Upload, object_names
from generation import transitions
from generation.engine import LEAST_ROOM, Stop, work
from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.tests import providers
from generation.waiting import ROOM

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]


def statuses(job: GenerationJob) -> list[str]:
    return list(job.scenes.order_by("position").values_list("status", flat=True))


def scene(job: GenerationJob, position: int = 0) -> SceneGeneration:
    return job.scenes.get(position=position)


def test_a_scene_becomes_one_picture_with_its_receipt(directed: Any, ask: Ask) -> None:
    job = ask("A fox in the forest", seed=7)
    assert work()

    saved, image = scene(job), Image.objects.get()
    assert (saved.status, saved.phase, saved.attempt, saved.token) == ("saved", "", 1, 1)
    assert saved.lease_until is None
    assert saved.slot_until is None
    assert saved.finished_at is not None
    content = providers.picture(7)
    assert default_storage.open(image.name).read() == content
    assert (image.bytes, image.width, image.height, image.seed) == (len(content), 64, 64, 7)
    assert image.is_chosen
    assert image.prompt == "A fox in the forest."
    assert image.model == "directed-1"
    assert image.receipt["attempts"] == 1
    assert image.receipt["variations_offered"] == 1
    assert image.receipt["bytes_received"] == len(content)
    assert all(default_storage.exists(name) for name in object_names(image.name))
    assert not Upload.objects.exists()


def test_ten_scenes_are_in_flight_at_once(directed: Any, ask: Ask) -> None:
    job = ask(*[f"Scene {number} [slow 1]" for number in range(10)])
    work()
    assert statuses(job) == ["saved"] * 10
    assert providers.most_at_once() == 10


def test_what_fails_and_what_hangs_do_not_hold_the_others(directed: Any, ask: Ask, monkeypatch: Any) -> None:
    monkeypatch.setattr("generation.engine.GRACE_OF_A_CALL", 1.0)
    directed.GENERATION_DEADLINE = 1
    directed.GENERATION_ATTEMPTS = 1
    job = ask("[fail 9] it fails", "[hang] it hangs", *[f"Scene {number}" for number in range(8)])
    assert not work(), "a thread still hangs"

    assert statuses(job) == ["failed", "failed", *["saved"] * 8]
    failed, hung = scene(job, 0), scene(job, 1)
    assert (failed.error_code, failed.error_message) == ("provider_unavailable", "The provider answered 503.")
    assert hung.error_message == "The provider did not answer within 1 seconds."
    ended = job.scenes.filter(status="saved").order_by("-finished_at").first()
    assert ended is not None
    assert hung.finished_at is not None
    assert ended.finished_at is not None
    assert ended.finished_at < hung.finished_at

    job.scenes.filter(position=0).update(prompt="it is well again")
    assert job.scenes.filter(position=0).retry() == 1
    work()
    again = scene(job, 0)
    assert (again.status, again.attempt, again.token, again.error_message) == ("saved", 1, 2, "")


def test_a_passing_failure_is_tried_again_with_the_same_seed(directed: Any, ask: Ask) -> None:
    job = ask("[fail 2] shaky", seed=5)
    work()
    saved = scene(job)
    assert (saved.status, saved.attempt, saved.token, providers.calls(5)) == ("saved", 3, 3, 3)
    assert Image.objects.get().receipt["attempts"] == 3


def test_a_provider_that_never_recovers_fails_with_its_reason(directed: Any, ask: Ask) -> None:
    job = ask("[fail 99] hopeless", seed=5)
    work()
    failed = scene(job)
    assert (failed.status, failed.attempt, providers.calls(5)) == ("failed", 4, 4)
    assert failed.error_message == "The provider answered 503."
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def test_a_refused_prompt_is_not_tried_again(directed: Any, ask: Ask) -> None:
    job = ask("[refuse] forbidden", "allowed", seed=1)
    work()
    assert statuses(job) == ["failed", "saved"]
    assert scene(job).error_code == "request_refused"
    assert providers.calls(1) == 1


def test_without_a_key_the_job_stops(directed: Any, ask: Ask) -> None:
    directed.GENERATION_THREADS = 1
    job = ask("[no key] first", "second", "third")
    other = ask("somebody else's scene")
    work()
    assert statuses(job) == ["failed"] * 3
    assert {one.error_code for one in job.scenes.all()} == {"not_entitled"}
    assert providers.calls() == 2, "one of the stopped job, one of the other"
    assert statuses(other) == ["saved"]


def test_an_answer_that_is_no_picture_is_never_kept(directed: Any, ask: Ask) -> None:
    job = ask("[html] an error page")
    work()
    failed = scene(job)
    assert (failed.status, failed.error_code, failed.attempt) == ("failed", "invalid_response", 4)
    assert failed.bytes_received == 4 * len(b"<html>")
    assert not Image.objects.exists()


def test_bytes_that_are_kept_for_another_prompt_are_waited_out(directed: Any, ask: Ask) -> None:
    first = ask("a fox", seed=9)
    work()
    second = ask("a wolf", seed=9)
    second.scenes.update(waits=19)
    work()
    assert (statuses(first), statuses(second)) == (["saved"], ["failed"])
    assert "belongs to another prompt" in scene(second).error_message
    assert scene(second).bytes_received == 2 * len(providers.picture(9)), "of both calls"
    assert Image.objects.count() == 1


def test_a_provider_with_a_bug_fails_its_scene_alone(directed: Any, ask: Ask) -> None:
    job = ask("[broken] bug", "fine")
    work()
    assert statuses(job) == ["failed", "saved"]
    assert scene(job).error_message == "The provider failed in an unexpected way."


def test_too_many_requests_cut_the_allowance_and_burn_no_attempt(directed: Any, ask: Ask) -> None:
    job = ask("[wait 0.3] patience", seed=3)
    work()
    saved = scene(job)
    assert (saved.status, saved.attempt, saved.token, saved.waits) == ("saved", 1, 2, 1)
    account = ProviderAccount.objects.get(provider="directed")
    assert account.ceiling == 10
    assert account.allowance == 6, "halved from ten, and one more for the success"


def test_waiting_has_an_end(directed: Any, ask: Ask) -> None:
    job = ask("[wait 0] for ever")
    job.scenes.update(waits=20)
    work()
    failed = scene(job)
    assert failed.status == "failed"
    assert failed.error_message.startswith("The provider kept us waiting")


def test_a_request_to_a_server_that_stays_gone_is_forgotten_there(directed: Any, ask: Ask) -> None:
    job = ask("[gone] to nobody")
    job.scenes.update(waits=20)
    work()
    failed = scene(job)
    assert (failed.status, failed.error_code, failed.request_token) == ("failed", "server_gone", None)


def test_a_cancelled_scene_stays_cancelled_and_gives_its_slot_back(directed: Any, ask: Ask) -> None:
    job = ask("[slow 1] too late")
    _later(0.4, job.cancel)
    work()
    cancelled = scene(job)
    assert (cancelled.status, cancelled.slot_until) == ("cancelled", None)
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.parametrize("text", ["[slow 0.8] deleted", "[wait 1] [slow 0.8] deleted", "[slow 0.8] [no key] deleted"])
def test_a_job_that_is_deleted_meanwhile_is_dropped(directed: Any, ask: Ask, text: str) -> None:
    job = ask(text)
    _later(0.3, job.delete)
    assert work()
    assert not SceneGeneration.objects.exists()
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def test_a_stop_hands_back_what_does_not_end(directed: Any, ask: Ask) -> None:
    job = ask("[slow 4] long", "quick", "[slow 0.6] ends in time")
    stop = Stop(farewell=1.5)
    Timer(0.3, stop.set).start()
    assert not work(stop=stop)
    assert statuses(job) == ["queued", "saved", "saved"]
    handed_back = scene(job)
    assert (handed_back.attempt, handed_back.token, handed_back.lease_until) == (0, 1, None)


def test_a_full_storage_is_said_and_goes_on_when_there_is_room(directed: Any, ask: Ask, monkeypatch: Any) -> None:
    full = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise full

    job = ask("no room")
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "save", refuse)
        directed.GENERATION_ATTEMPTS = 1
        work()
        failed = scene(job)
        assert (failed.status, failed.error_code) == ("failed", "storage_full")
    job.retry()
    work()
    assert statuses(job) == ["saved"]


def test_without_room_no_call_begins(directed: Any, ask: Ask, monkeypatch: Any) -> None:
    free = [0]
    monkeypatch.setattr("generation.engine.free_bytes", lambda storage: free[0])
    monkeypatch.setattr("generation.engine.LOOK_FOR_ROOM_EVERY", 0.3)
    directed.GENERATION_ATTEMPTS = 1
    job = ask("A lighthouse", "A harbour")
    looks: list[tuple[str, str, int]] = []

    def look() -> None:
        looks.extend(job.scenes.values_list("status", "waiting_for", "token"))
        connection.close()
        free[0] = LEAST_ROOM

    Timer(1, look).start()
    work()
    assert looks == [("queued", ROOM, 0)] * 2
    assert statuses(job) == ["saved"] * 2
    assert (scene(job).attempt, scene(job).waiting_for, scene(job).error_message) == (1, "", "")


def test_a_call_that_ended_in_time_counts_however_late_it_is_looked_at(
    directed: Any, ask: Ask, monkeypatch: Any
) -> None:
    monkeypatch.setattr("generation.engine.GRACE_OF_A_CALL", 0.2)
    directed.GENERATION_DEADLINE, directed.GENERATION_LEASE, directed.GENERATION_ATTEMPTS = 1, 10, 1
    begin_saving, first = transitions.begin_saving, count()

    def begin_saving_late(*scene_and_picture: Any) -> bool:
        """The database takes its time, once."""
        time.sleep(0 if next(first) else 1.5)
        return begin_saving(*scene_and_picture)

    monkeypatch.setattr(transitions, "begin_saving", begin_saving_late)
    job = ask("quick", "[slow 0.5] ends meanwhile")
    work()
    assert statuses(job) == ["saved", "saved"]


def test_a_call_that_ends_after_its_deadline_keeps_its_slot_until_it_has_ended(directed: Any, ask: Ask) -> None:
    directed.GENERATION_DEADLINE = 1
    directed.GENERATION_CONCURRENCY = {"directed": 1}
    ask("[late 0.5] one", "[late 0.5] two")
    work()
    assert providers.most_at_once() == 1


@pytest.mark.parametrize("commit", ["claim", "intent", "picture"])
def test_a_commit_whose_answer_is_lost_costs_no_picture_and_makes_none_twice(
    directed: Any, ask: Ask, monkeypatch: Any, commit: str
) -> None:
    job = ask("a fox", "a wolf")
    directed.GENERATION_THREADS = 1
    lost = ["claim", "intent", "picture"].index(commit)
    commits, really_commit = count(), connection.commit

    def commit_and_lose_the_answer() -> None:
        really_commit()
        if next(commits) == lost:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "commit", commit_and_lose_the_answer)
    work()
    assert [(one.status, one.token, one.attempt) for one in job.scenes.all()] == [("saved", 1, 1)] * 2
    assert Image.objects.count() == providers.calls() == 2
    assert not Upload.objects.exists()


def test_renewal_keeps_a_long_call_alive(directed: Any, ask: Ask) -> None:
    directed.GENERATION_LEASE = 0.8
    job = ask("[slow 2] longer than the lease")
    work()
    assert (scene(job).status, scene(job).token) == ("saved", 1)


def test_a_scene_that_was_taken_over_is_dropped(directed: Any, ask: Ask) -> None:
    job = ask("[slow 0.8] contested")
    _later(0.3, lambda: job.scenes.update(token=F("token") + 1))
    work(stop=_stop_after(2))
    assert scene(job).status == "running", "the other worker's"
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def _later(seconds: float, write: Callable[[], object]) -> None:
    """Somebody else's write in the middle of the work, over a connection of its own."""

    def write_and_close() -> None:
        write()
        connection.close()

    Timer(seconds, write_and_close).start()


def _stop_after(seconds: float) -> Stop:
    stop = Stop()
    Timer(seconds, stop.set).start()
    return stop
