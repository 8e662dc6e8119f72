"""What a person is told when ComfyUI refuses or fails, and what is left behind then: nothing."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from gallery.models import Image, Upload
from generation.engine import work
from generation.models import GenerationJob
from generation.providers.comfyui import ComfyUIProvider
from generation.providers.exceptions import NotEntitled, ProviderConfigurationError, ProviderUnavailable
from generation.tests.comfyui.conftest import failure
from generation.tests.loopback import faults
from generation.tests.loopback.comfyui import (
    WORKFLOW,
    LoopbackComfyUI,
    asks_history,
    recorded,
    recorded_answer,
    recorded_history,
)

Ask = Callable[..., GenerationJob]

REFUSALS = {
    "error_missing_model_file": (
        "not_entitled",
        "The ComfyUI server {url} cannot run the workflow: "
        "node 4 (CheckpointLoaderSimple) has no ckpt_name “sd_xl_base_1.0.safetensors” to choose.",
    ),
    "error_missing_input": (
        "not_entitled",
        "The ComfyUI server {url} cannot run the workflow: node 1 (EmptyImage): Required input is missing (width).",
    ),
    "error_unknown_node": (
        "not_entitled",
        "The ComfyUI server {url} cannot run the workflow: "
        "Cannot execute because node NoSuchNode does not exist (Node ID '#1').",
    ),
    "error_no_outputs": (
        "not_entitled",
        "The ComfyUI server {url} cannot run the workflow: Prompt has no outputs.",
    ),
    "error_no_prompt_key": (
        "not_entitled",
        "The ComfyUI server {url} cannot run the workflow: No prompt provided.",
    ),
    "error_value_out_of_range": (
        "request_refused",
        "The ComfyUI server refuses this size: node 1 (EmptyImage): Value 0 smaller than min of 1 (width); "
        "node 1 (EmptyImage): Value 99999 bigger than max of 16384 (height).",
    ),
    "error_not_json": (
        "provider_unavailable",
        "The ComfyUI server {url} failed on the workflow (500). Its own log says why.",
    ),
    "error_ui_format_workflow": (
        "provider_unavailable",
        "The ComfyUI server {url} failed on the workflow (500). Its own log says why.",
    ),
}


FAILED_RUNS = {
    "history_runtime_error": "ComfyUI could not make the picture: node 9 (SaveImage): "
    "ERROR: Saving image outside the output folder is not allowed.",
    "history_error_with_outputs": "ComfyUI could not make the picture: node 9 (SaveImage): "
    "ERROR: Saving image outside the output folder is not allowed.",
    "history_interrupted": "The picture was interrupted on the ComfyUI server.",
    "history_cached_rerun": "The ComfyUI server no longer has the picture that it lists.",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recording", REFUSALS)
def test_a_refused_submission_says_what_to_change(
    recording: str, server: LoopbackComfyUI, comfyui: Any, ask: Ask
) -> None:
    comfyui(server).GENERATION_ATTEMPTS = 1
    server.answer_next(recorded_answer(recording), when=lambda asked: asked.path == "/prompt")
    job = ask("A fox")
    work()
    code, message = REFUSALS[recording]
    scene = job.scenes.get()
    assert (scene.status, scene.error_code, scene.error_message) == ("failed", code, message.format(url=server.url))
    assert len(server.asked("/prompt", "POST")) == 1
    assert not server.asked("/view")
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_no_try_can_change_is_tried_once_and_stops_the_job(
    server: LoopbackComfyUI, comfyui: Any, ask: Ask
) -> None:
    comfyui(server).GENERATION_CONCURRENCY = {"comfyui": 1}
    always = recorded_answer("error_missing_model_file")
    server.answer_next(always, times=9, when=lambda asked: asked.path == "/prompt")
    job = ask("one", "two", "three")
    work()
    assert set(job.scenes.values_list("status", flat=True)) == {"failed"}
    assert len(server.asked("/prompt", "POST")) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recording", FAILED_RUNS)
def test_a_run_that_failed_says_why_and_nothing_of_it_is_fetched(
    recording: str, server: LoopbackComfyUI, comfyui: Any, ask: Ask
) -> None:
    comfyui(server).GENERATION_ATTEMPTS = 1
    server.answer_next(recorded_history(recording), when=asks_history)
    job = ask("A fox")
    work()
    scene = job.scenes.get()
    assert (scene.status, scene.error_code) == ("failed", "invalid_response")
    assert scene.error_message == FAILED_RUNS[recording]
    assert scene.request_token is None, "the next try is a new prompt"
    assert all(view.status == 404 for view in server.asked("/view"))
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_failed_is_tried_again_as_a_new_prompt(server: LoopbackComfyUI, comfyui: Any, ask: Ask) -> None:
    comfyui(server)
    server.fail_with = "CUDA out of memory.\n/home/somebody/ComfyUI/execution.py"
    job = ask("A fox")
    work()
    assert job.scenes.get().status == "saved"
    failed, made = server.runs
    assert failed.id != made.id
    assert failed.prefix != made.prefix
    assert failed.seed == made.seed


def test_a_failed_run_tells_no_folders(server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any) -> None:
    server.fail_with = "CUDA out of memory.\n/home/somebody/ComfyUI/execution.py"
    error = failure(provider, request_of())
    assert error.message == "ComfyUI could not make the picture: node 9 (SaveImage): CUDA out of memory."


def test_an_output_that_is_left_out_costs_no_picture(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, caplog: Any
) -> None:
    def half_valid(exchange: Any) -> None:
        server.take(exchange.request.json)
        exchange.send_json(recorded("partial_two_outputs_one_bad")["body"])

    server.answer_next(half_valid, when=lambda asked: asked.path == "/prompt")
    assert provider.first_variation(request_of()).offered == 30
    left_out = next(record for record in caplog.records if record.getMessage() == "comfyui.outputs_left_out")
    assert vars(left_out)["reason"] == "node 10 (SaveImage): Required input is missing (images)"


def test_a_server_that_wants_a_login_says_so(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.answer_next(faults.status(401), times=3)
    for is_new in (True, False):
        assert failure(provider, request_of(is_new=is_new)).code == "not_entitled"
    with pytest.raises(NotEntitled):
        provider.probe(time.monotonic() + 2)


def test_the_workflow_is_checked_before_anybody_is_asked(server: LoopbackComfyUI, request_of: Any) -> None:
    provider = ComfyUIProvider(workflow="/nowhere.json", servers=[server.url])
    with pytest.raises(ProviderConfigurationError):
        provider.check(request_of())
    with pytest.raises(ProviderConfigurationError):
        provider.describe()
    assert not server.requests


def test_check_tells_the_workflow_and_which_servers_are_silent(
    server: LoopbackComfyUI, provider: ComfyUIProvider
) -> None:
    assert provider.describe() == f"comfyui with the workflow {WORKFLOW}"
    provider.probe(time.monotonic() + 2)
    server.stop()
    with pytest.raises(ProviderUnavailable, match=f"No ComfyUI server answers at {server.url}"):
        provider.probe(time.monotonic() + 2)
