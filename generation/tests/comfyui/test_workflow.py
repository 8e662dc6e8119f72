"""Prompt, seed, size and prefix go where a workflow's own nodes take them; where there is none, a sentence says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from generation.providers.base import Embedding
from generation.providers.comfyui.embeddings import with_embeddings
from generation.providers.comfyui.workflow import Place, load_workflow, parse_workflow
from generation.providers.exceptions import ProviderConfigurationError
from generation.tests.loopback.comfyui import RECORDINGS, WORKFLOW, recorded

SAVE = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "mine/picture"}}


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def parse(graph: Any) -> Any:
    return parse_workflow(json.dumps(graph), "my.json")


def refusal(graph: Any) -> str:
    with pytest.raises(ProviderConfigurationError) as caught:
        parse(graph)
    return str(caught.value)


def sampled(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint, two texts and a sampler, as ComfyUI's own first workflow has them."""
    return {
        "4": node("CheckpointLoaderSimple", ckpt_name="flux1-schnell.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=30),
        "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
        "6": node("CLIPTextEncode", text="a cat", clip=["4", 1]),
        "3": node("KSampler", seed=1, model=["4", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": SAVE,
        **nodes,
    }


def test_everything_is_put_where_it_belongs_and_the_file_stays_as_it_is() -> None:
    workflow = load_workflow(str(WORKFLOW))
    graph: Any = workflow.filled(prompt="a fox", seed=7, width=640, height=832, prefix="storyapp/key")
    assert graph["6"]["inputs"]["text"] == "a fox"
    assert graph["2"]["inputs"]["seed"] == 7
    assert graph["1"]["inputs"] == {"width": 640, "height": 832, "batch_size": 30, "color": 6324384}
    assert graph["9"]["inputs"]["filename_prefix"] == "storyapp/key"
    assert workflow.graph == recorded("workflow_30_with_prompt_node")
    assert workflow.model == "", "its loader leads to no picture"


def test_a_titled_node_takes_the_prompt_before_any_other() -> None:
    titled = node("CLIPTextEncode", " positive Prompt", text="style words", clip=["4", 1])
    assert parse(sampled(**{"60": titled})).texts == (Place("60", "text"),)


def test_else_the_text_that_reaches_a_samplers_positive() -> None:
    workflow = parse(sampled())
    assert workflow.texts == (Place("6", "text"),)
    assert workflow.model == "flux1-schnell.safetensors"


def test_it_is_found_through_the_nodes_between() -> None:
    between = {
        "3": node("KSampler", seed=1, positive=["70", 0], negative=["70", 1]),
        "70": node("ControlNetApplyAdvanced", negative=["7", 0], positive=["71", 0], control_net=["72", 0]),
        "71": node("FluxGuidance", conditioning=["6", 0], guidance=3.5),
        "72": node("ControlNetLoader", control_net_name="depth"),
    }
    assert parse(sampled(**between)).texts == (Place("6", "text"),)


def test_a_text_that_comes_by_a_link_is_put_where_it_begins() -> None:
    linked = {
        "6": node("CLIPTextEncodeSDXL", text_g=["61", 0], text_l=["61", 0], width=1024, height=1024),
        "61": node("PrimitiveStringMultiline", value="a cat"),
    }
    workflow = parse(sampled(**linked))
    assert workflow.texts == (Place("61", "value"),)
    assert workflow.widths == (Place("5", "width"),), "an encoder's size is no size of a picture"


def test_every_encoder_of_a_node_gets_the_prompt() -> None:
    flux = node("CLIPTextEncodeFlux", clip_l="a cat", t5xxl="a cat", guidance=3.5)
    assert parse(sampled(**{"6": flux})).texts == (Place("6", "clip_l"), Place("6", "t5xxl"))


def test_two_samplers_with_texts_of_their_own_both_get_the_prompt() -> None:
    refined = {
        "62": node("CLIPTextEncode", text="a cat", clip=["4", 1]),
        "33": node("KSamplerAdvanced", noise_seed=5, positive=["62", 0], negative=["7", 0]),
    }
    workflow = parse(sampled(**refined))
    assert workflow.texts == (Place("6", "text"), Place("62", "text"))
    assert workflow.seeds == (Place("3", "seed"), Place("33", "noise_seed"))


def test_what_is_linked_and_no_text_stays_as_it_is() -> None:
    linked = {
        "3": node("KSampler", seed=["90", 0], positive=["6", 0], negative=["7", 0]),
        "5": node("EmptyLatentImage", width=["91", 0], height=512, batch_size=1),
        "90": node("SomeNumber", number=5),
        "91": node("SomeNumber", number=640),
    }
    workflow = parse(sampled(**linked))
    assert (workflow.seeds, workflow.widths, workflow.heights) == ((), (), (Place("5", "height"),))


def test_a_loop_of_links_is_no_endless_one() -> None:
    loop = {"6": node("Any", text=["61", 0], positive=["61", 0]), "61": node("Any", value=["6", 0], text=["6", 0])}
    assert "has no text node" in refusal({**loop, "9": SAVE})


def test_save_image_is_asked_for_its_picture_before_other_save_nodes() -> None:
    others = {"32": node("SaveAnimatedWEBP", filename_prefix="a"), "9": SAVE, "12": SAVE}
    graph = sampled()
    del graph["9"]
    assert parse({**others, **graph}).save_nodes == ("9", "12", "32")


def test_without_a_text_node_a_sentence_says_so() -> None:
    assert refusal(recorded("workflow_30_variations")) == (
        "COMFYUI_WORKFLOW: the workflow my.json has no text node that could take the prompt."
    )


def test_several_text_nodes_want_a_title() -> None:
    graph = sampled()
    del graph["3"]
    assert refusal(graph) == (
        "COMFYUI_WORKFLOW: the workflow my.json has 2 text nodes: "
        "title the one that takes the prompt “Positive prompt”."
    )


def test_a_titled_node_without_a_text_is_told() -> None:
    titled = node("Reroute", "Positive prompt", value=["404", 0])
    assert "the node titled “Positive prompt” of the workflow my.json takes no text" in refusal(
        sampled(**{"60": titled})
    )


def test_without_a_save_node_a_sentence_says_so() -> None:
    graph = sampled(**{"9": node("PreviewImage", images=["8", 0])})
    assert refusal(graph) == "COMFYUI_WORKFLOW: the workflow my.json saves no picture: it needs a Save Image node."


def test_the_pages_own_format_is_told_with_what_to_do() -> None:
    assert refusal(recorded("error_ui_format_workflow")["_request"]) == (
        "COMFYUI_WORKFLOW: the workflow my.json is in the format of ComfyUI's page. "
        "Save it there with “Export (API)” and name that file."
    )


@pytest.mark.parametrize("graph", [{}, [], "text", {"1": {"inputs": {}}}, {"1": {"class_type": "A", "inputs": []}}])
def test_other_json_is_no_workflow(graph: Any) -> None:
    assert refusal(graph) == "COMFYUI_WORKFLOW: the file my.json holds no workflow in ComfyUI's API format."


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'{"1": \xff')
    sentences = {
        "": "COMFYUI_WORKFLOW: it is not set. It names a file: a workflow of ComfyUI in its API format.",
        "/nowhere.json": "COMFYUI_WORKFLOW: the file /nowhere.json cannot be read (No such file or directory).",
        str(RECORDINGS): f"COMFYUI_WORKFLOW: the file {RECORDINGS} cannot be read (Is a directory).",
        str(broken): f"COMFYUI_WORKFLOW: the file {broken} is not JSON.",
    }
    for path, sentence in sentences.items():
        with pytest.raises(ProviderConfigurationError) as caught:
            load_workflow(path)
        assert str(caught.value) == sentence


def test_embeddings_stand_in_front_with_their_weight() -> None:
    written = with_embeddings("A fox :)", [Embedding("mira", 1.2), Embedding("old/lighthouse")])
    assert written == "(embedding:mira:1.2) (embedding:old/lighthouse:1) A fox :)"
    assert with_embeddings("A fox", []) == "A fox"
