"""The first picture of the right node, whole, new, and with the embeddings that were meant."""

from collections.abc import Callable
from typing import Any

import pytest

from gallery.picture import check_picture
from generation.engine import work
from generation.models import GenerationJob
from generation.providers.base import Embedding
from generation.providers.comfyui import ComfyUIProvider
from generation.providers.exceptions import RequestRefused
from generation.tests.comfyui.conftest import failure
from generation.tests.loopback import faults
from generation.tests.loopback.comfyui import WORKFLOW, LoopbackComfyUI, asks_history, noise, recorded_history

Ask = Callable[..., GenerationJob]


def test_previews_and_texts_are_passed_over(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.files["multi", "final_00001_.png"] = picture = noise("final", 1, 8, 8, 99)
    server.answer_next(recorded_history("history_several_outputs"), when=asks_history)
    variation = provider.first_variation(request_of())
    assert (variation.content, variation.offered) == (picture, 7)
    assert server.asked("/view")[0].query == {"filename": "final_00001_.png", "subfolder": "multi", "type": "output"}


def test_without_a_save_node_of_ours_the_first_stored_picture_is_taken(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    outputs = {
        "5": {"images": [{"filename": "p.png", "subfolder": "", "type": "temp"}]},
        "21": {"text": ["a red fox"]},
        "77": {"images": ["…", None, {"filename": "q.png", "subfolder": "", "type": "output", "more": 1}]},
    }
    server.files["", "q.png"] = picture = noise("q", 1, 8, 8, 99)
    server.answer_next(recorded_history("history_several_outputs", outputs=outputs), when=asks_history)
    variation = provider.first_variation(request_of())
    assert (variation.content, variation.offered) == (picture, 1)


def test_a_run_without_a_stored_picture_is_no_success(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.answer_next(recorded_history("history_several_outputs", outputs={}), when=asks_history)
    assert failure(provider, request_of()).message == "ComfyUI ended without a picture."


def test_a_status_of_null_leaves_it_to_the_outputs(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.files["multi", "final_00001_.png"] = picture = noise("final", 1, 8, 8, 99)
    server.answer_next(recorded_history("history_several_outputs", status=None, extra={"key": 1}), when=asks_history)
    assert provider.first_variation(request_of()).content == picture


def test_what_is_no_picture_in_a_list_is_not_counted(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.files["test", "scene_1_00001_.png"] = picture = noise("1", 1, 8, 8, 99)
    server.answer_next(recorded_history("history_30_plain_trimmed"), when=asks_history)
    variation = provider.first_variation(request_of())
    assert (variation.content, variation.offered) == (picture, 3), "the recording leaves 27 out"


def test_nothing_is_fetched_before_the_history_names_it(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    """While it runs, the loopback server answers /view with half a picture and 200, as the real one does."""
    server.delay = 0.3
    variation = provider.first_variation(request_of())
    check_picture(variation.content)
    (view,) = server.asked("/view")
    (run,) = server.runs
    assert view.begun > run.ended


def test_the_same_scene_again_is_a_new_picture_under_a_prefix_of_its_own(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    first, second = (request_of(is_new=True) for _ in range(2))
    provider.first_variation(first)
    server.files.clear()
    provider.first_variation(second)
    assert [run.prefix for run in server.runs] == [f"storyapp/{one.key}" for one in (first, second)]
    assert [run.id for run in server.runs] == [str(one.key) for one in (first, second)]
    assert server.runs[0].seed == server.runs[1].seed == 7


@pytest.mark.django_db(transaction=True)
def test_half_a_picture_is_not_kept_and_made_anew(server: LoopbackComfyUI, comfyui: Any, ask: Ask) -> None:
    comfyui(server)
    server.answer_next(faults.half(noise("half", 1, 64, 64, 9_000)), when=lambda asked: asked.path == "/view")
    job = ask("A fox")
    work()
    assert job.scenes.get().status == "saved"
    assert len({run.prefix for run in server.runs}) == 2


def test_no_origin_is_sent(server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any) -> None:
    provider.first_variation(request_of())
    assert not any("Origin" in one.headers for one in server.requests)


def test_embeddings_are_submitted_with_their_weight(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    embeddings = (Embedding("mira", 1.2), Embedding("old/lighthouse", 0.8))
    request = request_of(embeddings=embeddings, is_new=True)
    provider.check(request)
    provider.first_variation(request)
    text = server.runs[0].graph["6"]["inputs"]["text"]
    assert text == "(embedding:mira:1.2) (embedding:old/lighthouse:0.8) a fox"
    assert len(server.asked("/embeddings")) == 1, "asked once a minute"


def test_a_missing_embedding_is_refused_by_its_name_before_a_row_is_made(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    request = request_of(embeddings=(Embedding("mira"), Embedding("nobody")))
    with pytest.raises(RequestRefused, match=f"The ComfyUI server {server.url} has no embedding called nobody."):
        provider.check(request)
    server.embeddings.append("nobody")
    provider.check(request)


def test_any_server_that_lacks_it_refuses(server: LoopbackComfyUI, request_of: Any) -> None:
    with LoopbackComfyUI() as poorer:
        poorer.embeddings.clear()
        provider = ComfyUIProvider(workflow=str(WORKFLOW), servers=[server.url, poorer.url])
        with pytest.raises(RequestRefused, match=poorer.url):
            provider.check(request_of(embeddings=(Embedding("mira"),)))


def test_during_an_outage_it_is_accepted_and_checked_before_it_is_submitted(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.stop()
    request = request_of(embeddings=(Embedding("nobody"),))
    for _ in range(100):
        provider.check(request)
    assert len(server.requests) == 1, "a silent server is not asked for every scene"
    server.start()
    error = failure(provider, request)
    assert error.message == f"The ComfyUI server {server.url} has no embedding called nobody."
    assert not server.prompts


@pytest.mark.parametrize("name", ["my fox", "fox (old)"])
def test_a_name_that_a_prompt_cannot_hold_is_refused(
    name: str, server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any
) -> None:
    server.embeddings.append(name)
    with pytest.raises(RequestRefused, match="cannot be written into a prompt"):
        provider.check(request_of(embeddings=(Embedding(name),)))
