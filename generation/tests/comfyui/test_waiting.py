"""Deaths, restarts, outages and long queues: nothing is made twice that a server already made."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db.models.functions import Now

from gallery.models import Image
from generation.claim import claim
from generation.engine import Work, _request, work
from generation.models import GenerationJob, SceneGeneration
from generation.providers import get_provider
from generation.providers.base import ImageRequest, Variation
from generation.providers.comfyui import ComfyUIProvider
from generation.providers.comfyui.run import Run
from generation.providers.exceptions import InvalidResponse, RateLimited, ServerGone
from generation.tests.comfyui.conftest import failure
from generation.tests.loopback import faults
from generation.tests.loopback.comfyui import LoopbackComfyUI, asks_history, recorded

Ask = Callable[..., GenerationJob]


def test_who_comes_after_a_death_collects_what_was_submitted(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.delay = 0.3
    request = request_of(is_new=True)
    die_while_waiting(provider, request, monkeypatch)
    assert provider.first_variation(replace(request, is_new=False)).request_id == str(request.key)
    assert [run.id for run in server.runs] == [str(request.key)]
    assert len(server.asked("/view")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_scene_of_a_dead_worker_is_collected_by_its_prompt_id(
    server: LoopbackComfyUI, comfyui: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.delay = 0.3
    comfyui(server)
    job = ask("A fox")
    (claimed,) = claim(1)
    request = _request(Work(claimed, leased_until=float("inf")), time.monotonic())
    provider = get_provider("comfyui")
    assert isinstance(provider, ComfyUIProvider)
    die_while_waiting(provider, request, monkeypatch)
    SceneGeneration.objects.update(lease_until=Now())

    work()
    scene = job.scenes.get()
    assert (scene.status, scene.token, scene.attempt) == ("saved", 2, 2)
    assert Image.objects.get().receipt["request_id"] == str(request.key)
    assert [run.id for run in server.runs] == [str(request.key)], "made once"
    assert len(server.asked("/view")) == 1


def test_who_comes_much_later_finds_it_in_the_history(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    request = request_of(is_new=True)
    provider.first_variation(request)
    asked = len(server.requests)
    provider.first_variation(replace(request, is_new=False))
    assert [one.path for one in server.requests[asked:]] == [f"/history/{request.key}", "/view"]
    assert len(server.prompts) == 1


@pytest.mark.parametrize(
    ("prompt_id", "waits"),
    [("167a3322-beed-4731-893b-99158be54f24", False), ("80ac00c6-b1cf-4ccb-826b-10dfd7b5892c", True)],
)
def test_what_the_recorded_queue_holds_is_not_submitted(
    prompt_id: str, waits: bool, server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    """Two looks: the second at the deadline tells what runs from what waits."""
    answer = faults.json_body(recorded("queue_running_and_pending"))
    server.answer_next(answer, times=99, when=lambda asked: asked.path == "/queue" and asked.method == "GET")
    error = failure(provider, request_of(key=uuid.UUID(prompt_id), deadline=time.monotonic() + 0.3))
    assert isinstance(error, RateLimited if waits else InvalidResponse)
    assert not server.prompts


def test_a_submission_whose_answer_was_lost_is_not_repeated(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.answer_next(server.taken_and_lost, when=lambda asked: asked.path == "/prompt")
    provider.first_variation(request_of(is_new=True))
    assert len(server.prompts) == len(server.runs) == 1


def test_a_submission_that_never_arrived_is_repeated(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.answer_next(faults.drop(), when=lambda asked: asked.path == "/prompt")
    request = request_of(is_new=True)
    assert provider.first_variation(request).request_id == str(request.key)
    assert len(server.prompts) == 1


@pytest.mark.parametrize("fault", [faults.drop(), faults.html(), faults.status(502), faults.empty(), faults.garbage()])
def test_a_question_that_fails_is_asked_again(
    fault: Any, server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.delay = 0.2
    server.answer_next(fault, when=asks_history)
    provider.first_variation(request_of(is_new=True))
    assert len(server.prompts) == 1


def test_after_a_restart_it_is_submitted_again_under_the_same_id(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, wait_for: Any
) -> None:
    server.delay = 0.5
    request = request_of(is_new=True)
    thread, made = in_a_thread(provider, request)
    wait_for(lambda: server.runs)
    server.restart()
    thread.join()
    assert [variation.request_id for variation in made] == [str(request.key)]
    assert [(run.id, run.prefix) for run in server.runs] == [(str(request.key), f"storyapp/{request.key}")] * 2
    assert len(server.asked("/view")) == 1


def test_a_server_that_comes_back_in_time_is_waited_for(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, wait_for: Any
) -> None:
    server.delay = 0.3
    thread, made = in_a_thread(provider, request_of(is_new=True))
    wait_for(lambda: server.runs)
    server.stop()
    time.sleep(0.2)
    server.start()
    thread.join()
    assert len(made) == 1
    assert len(server.asked("/system_stats")) > 1, "it was probed"


def test_a_server_that_stays_away_is_given_up(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.stop()
    begun = time.monotonic()
    error = failure(provider, request_of())
    assert isinstance(error, ServerGone)
    assert error.message == f"The ComfyUI server {server.url} has not answered for 0.5 seconds."
    assert 0.5 <= time.monotonic() - begun < 3


def test_a_new_scene_does_not_wait_for_a_dead_server(provider: ComfyUIProvider, request_of: Any) -> None:
    with LoopbackComfyUI() as gone:
        pass
    begun = time.monotonic()
    error = failure(provider, request_of(server=gone.url, is_new=True))
    assert isinstance(error, ServerGone)
    assert error.message == f"The ComfyUI server {gone.url} does not answer."
    assert time.monotonic() - begun < 0.4


def test_the_wait_in_the_servers_queue_does_not_count(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, wait_for: Any
) -> None:
    server.delay = 0.6
    server.submit_somebody_elses()
    assert provider.first_variation(request_of(call_seconds=0.9, is_new=True)).offered == 30


def test_what_runs_for_too_long_is_stopped(server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any) -> None:
    server.delay = 30
    error = failure(provider, request_of(call_seconds=0.3, is_new=True))
    assert isinstance(error, InvalidResponse), "an answer: the next try is a new prompt"
    assert error.message == "ComfyUI did not finish the picture in time, and was stopped."
    assert server.runs[0].stop.is_set()


def test_what_still_waits_at_the_deadline_keeps_its_place(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.delay = 1
    server.submit_somebody_elses()
    request = request_of(deadline=time.monotonic() + 0.4, is_new=True)
    error = failure(provider, request)
    assert isinstance(error, RateLimited)
    assert error.message == "The ComfyUI server is busy with other pictures."
    later = replace(request, deadline=time.monotonic() + 10, is_new=False)
    assert provider.first_variation(later).request_id == str(request.key)
    assert len(server.prompts) == 2
    assert not any(prompt.stop.is_set() for prompt in server.prompts)


def test_a_cancelled_prompt_leaves_the_queue(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.delay = 0.3
    server.submit_somebody_elses()
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    error = failure(provider, request_of(cancelled=cancelled.is_set, is_new=True))
    assert error.message == "The picture is no longer wanted."
    assert server.pending == []
    assert not server.prompts[0].stop.is_set(), "somebody else's"


def test_what_runs_is_left_to_whoever_took_the_scene_over(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.delay = 0.4
    request = request_of(cancelled=lambda: bool(server.runs), is_new=True)
    failure(provider, request)
    provider.first_variation(replace(request, cancelled=lambda: False, is_new=False))
    assert len(server.prompts) == 1


def die_while_waiting(provider: ComfyUIProvider, request: ImageRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submit, and get no further, as under a kill -9."""

    def die(run: Run) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_wait", die)
        with pytest.raises(SystemExit):
            provider.first_variation(replace(request, is_new=True))


def in_a_thread(provider: ComfyUIProvider, request: ImageRequest) -> tuple[threading.Thread, list[Variation]]:
    made: list[Variation] = []
    thread = threading.Thread(target=lambda: made.append(provider.first_variation(request)))
    thread.start()
    return thread, made
