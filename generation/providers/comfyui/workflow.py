"""A workflow in ComfyUI's API format, and where things go into it. Pure: no network, no settings.

    node id -> {"class_type": …, "inputs": {name: value, or [node id, output] for a link}, "_meta": {"title": …}}

prompt   the text node titled "Positive prompt", else the one that reaches a sampler's `positive`, else the only one
seed     every `seed` or `noise_seed` that is a number
size     `width` and `height` of every node that has a `batch_size`, too
prefix   `filename_prefix` of every save node

A text that a node takes from another node by a link is put where it begins. What is linked and no text, a seed
that another node draws for instance, stays as the workflow has it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from generation.providers.exceptions import ProviderConfigurationError

TITLE = "Positive prompt"
# What the nodes of ComfyUI itself that encode a text call it: one text, or one for each encoder of SDXL, SD3 and Flux.
TEXTS = ("text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "prompt")
# What nodes that hold nothing but a text call it (PrimitiveString, PrimitiveStringMultiline and their like).
HELD_TEXTS = (*TEXTS, "value", "string")
SEEDS = ("seed", "noise_seed")
MODELS = ("ckpt_name", "unet_name")
# Links that lead away from the words of a positive prompt.
OTHER_LINKS = ("negative", "clip", "model", "vae")


class Node(TypedDict):
    class_type: str
    inputs: dict[str, object]
    _meta: NotRequired[dict[str, object]]


Graph = dict[str, Node]


@dataclass(frozen=True, slots=True)
class Place:
    """One input of one node."""

    node: str
    input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow that can be filled. `model` is the file of its checkpoint or UNet, "" where it uses none.

    `prefixes` are in the order in which their nodes are asked for a picture: SaveImage first, then as in the file.
    """

    graph: Graph = field(repr=False)
    texts: tuple[Place, ...]
    seeds: tuple[Place, ...]
    widths: tuple[Place, ...]
    heights: tuple[Place, ...]
    prefixes: tuple[Place, ...]
    model: str

    @property
    def save_nodes(self) -> tuple[str, ...]:
        return tuple(place.node for place in self.prefixes)

    def takes_size_at(self, node: str, name: str) -> bool:
        return Place(node, name) in (*self.widths, *self.heights)

    def filled(self, *, prompt: str, seed: int, width: int, height: int, prefix: str) -> Graph:
        """A copy to be submitted. `width` and `height` are pixels, `prefix` may begin with a folder."""
        graph: Graph = json.loads(json.dumps(self.graph))
        filling: list[tuple[tuple[Place, ...], object]] = [
            (self.texts, prompt),
            (self.seeds, seed),
            (self.widths, width),
            (self.heights, height),
            (self.prefixes, prefix),
        ]
        for places, value in filling:
            for place in places:
                graph[place.node]["inputs"][place.input] = value
        return graph


def load_workflow(path: str) -> Workflow:
    """Read and understand the file. Raises ProviderConfigurationError with a sentence that says what to change."""
    if not path:
        raise _unusable("it is not set. It names a file: a workflow of ComfyUI in its API format")
    try:
        content = Path(path).read_text("utf-8-sig")
    except OSError as exc:
        raise _unusable(f"the file {path} cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise _unusable(f"the file {path} is not JSON") from exc
    return parse_workflow(content, path)


def parse_workflow(content: str, path: str) -> Workflow:
    """The workflow in `content`; `path` is for the sentence of the error. Raises ProviderConfigurationError."""
    graph = _graph(content, path)
    texts = tuple(dict.fromkeys(_prompt_places(graph, path)))
    prefixes = _places(graph, _by_preference(graph), "filename_prefix")
    if not prefixes:
        raise _unusable(f"the workflow {path} saves no picture: it needs a Save Image node")
    sized = [key for key, node in graph.items() if {"width", "height", "batch_size"} <= node["inputs"].keys()]
    return Workflow(
        graph=graph,
        texts=texts,
        seeds=tuple(place for name in SEEDS for place in _numbers(graph, graph, name)),
        widths=_numbers(graph, sized, "width"),
        heights=_numbers(graph, sized, "height"),
        prefixes=prefixes,
        model=_model(graph, [place.node for place in prefixes]),
    )


def _graph(content: str, path: str) -> Graph:
    try:
        parsed: object = json.loads(content)
    except ValueError as exc:
        raise _unusable(f"the file {path} is not JSON") from exc
    if isinstance(parsed, dict) and isinstance(parsed.get("nodes"), list):
        raise _unusable(
            f"the workflow {path} is in the format of ComfyUI's page. "
            "Save it there with “Export (API)” and name that file"
        )
    if not (isinstance(parsed, dict) and parsed and all(map(_is_node, parsed.values()))):
        raise _unusable(f"the file {path} holds no workflow in ComfyUI's API format")
    return cast(Graph, parsed)


def _is_node(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_type"), str)
        and isinstance(value.get("inputs"), dict)
        and isinstance(value.get("_meta", {}), dict)
    )


def _prompt_places(graph: Graph, path: str) -> list[Place]:
    titled = [key for key, node in graph.items() if _title(node) == TITLE.casefold()]
    if titled:
        places = [place for key in titled for place in _texts(graph, key, HELD_TEXTS)]
        if not places:
            raise _unusable(f"the node titled “{TITLE}” of the workflow {path} takes no text")
        return places
    reaching = [place for root in _links(graph, "positive") for place in _nearest_texts(graph, root)]
    if reaching:
        return reaching
    nodes = [places for key in graph if (places := list(_texts(graph, key, TEXTS)))]
    if not nodes:
        raise _unusable(f"the workflow {path} has no text node that could take the prompt")
    if len(nodes) > 1:
        raise _unusable(
            f"the workflow {path} has {len(nodes)} text nodes: title the one that takes the prompt “{TITLE}”"
        )
    return nodes[0]


def _title(node: Node) -> str:
    return str(node.get("_meta", {}).get("title", "")).strip().casefold()


def _texts(graph: Graph, key: str, names: Iterable[str], seen: frozenset[str] = frozenset()) -> Iterator[Place]:
    """Where the texts that this node takes stand: in itself, or where its links for them begin."""
    for name in names:
        value = graph[key]["inputs"].get(name)
        source = _source(graph, value)
        if isinstance(value, str):
            yield Place(key, name)
        elif source is not None and source not in seen:
            yield from _texts(graph, source, HELD_TEXTS, seen | {key})


def _nearest_texts(graph: Graph, root: str) -> list[Place]:
    """Those of the first text node on the way up from a sampler's `positive`, level by level."""
    level, seen = [root], {root}
    while level:
        for key in level:
            if places := list(_texts(graph, key, TEXTS)):
                return places
        above = [source for key in level for source in _sources(graph, key) if source not in seen]
        level = list(dict.fromkeys(above))
        seen.update(level)
    return []


def _sources(graph: Graph, key: str) -> Iterator[str]:
    for name, value in graph[key]["inputs"].items():
        source = _source(graph, value)
        if source is not None and name not in OTHER_LINKS:
            yield source


def _links(graph: Graph, name: str) -> list[str]:
    """The nodes that stand behind an input of that name."""
    sources = (_source(graph, node["inputs"].get(name)) for node in graph.values())
    return [source for source in sources if source is not None]


def _source(graph: Graph, value: object) -> str | None:
    """The node that a link begins at; None for a value, and for a link that leads nowhere."""
    if isinstance(value, list) and len(value) == 2 and str(value[0]) in graph:
        return str(value[0])
    return None


def _by_preference(graph: Graph) -> list[str]:
    return sorted(graph, key=lambda key: graph[key]["class_type"] != "SaveImage")


def _places(graph: Graph, keys: Iterable[str], name: str) -> tuple[Place, ...]:
    return tuple(Place(key, name) for key in keys if name in graph[key]["inputs"])


def _numbers(graph: Graph, keys: Iterable[str], name: str) -> tuple[Place, ...]:
    places = _places(graph, keys, name)
    return tuple(place for place in places if type(graph[place.node]["inputs"][name]) in (int, float))


def _model(graph: Graph, save_nodes: list[str]) -> str:
    """Of what the pictures are made with: a loader that leads to none is left out."""
    used: dict[str, None] = {}
    level = save_nodes
    while level:
        used.update(dict.fromkeys(level))
        sources = [_source(graph, value) for key in level for value in graph[key]["inputs"].values()]
        level = [source for source in sources if source is not None and source not in used]
    values = (graph[key]["inputs"].get(name) for key in used for name in MODELS)
    return next((value for value in values if isinstance(value, str)), "")


def _unusable(why: str) -> ProviderConfigurationError:
    return ProviderConfigurationError(f"COMFYUI_WORKFLOW: {why}.")
