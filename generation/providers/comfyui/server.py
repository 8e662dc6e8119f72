"""The calls of one ComfyUI server that storyapp makes (recorded from 0.3.64), and what its refusals mean.

`Origin` is never sent: a server on loopback answers 403 where it names another host.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generation.providers.comfyui.workflow import Graph, Workflow
from generation.providers.exceptions import (
    InvalidResponse,
    NotEntitled,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
)
from generation.providers.http import Answer, fetch, plain_words, raise_for_status

PROVIDER = "comfyui"
CLIENT = "storyapp"
# A call other than /view moves a few kilobytes: a server that needs longer for it is in trouble.
CALL_SECONDS = 10.0
NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture by the name that the history gives it: the three things that /view asks for."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Prompt ids: of what runs now, and of what waits."""

    running: frozenset[str]
    pending: frozenset[str]


@dataclass(frozen=True, slots=True)
class Server:
    """Raises ProviderUnavailable where the server does not answer as ComfyUI does. Deadlines are monotonic moments."""

    url: str

    def submit(self, prompt_id: str, graph: Graph, *, deadline: float) -> Answer:
        """Queue the prompt. Whether it was taken is for `refused` to say: here only the network raises."""
        body = {"prompt": graph, "client_id": CLIENT, "prompt_id": prompt_id}
        return self._call("POST", "/prompt", deadline, body=body)

    def refused(self, answer: Answer, workflow: Workflow) -> str:
        """What the answer to a submission says of outputs that are left out; "" where all are taken.

        Raises NotEntitled where workflow and server do not fit each other, RequestRefused where the size is refused.
        """
        said = _object(answer.content)
        if answer.status == 400:
            raise self._refusal(said, workflow)
        if answer.status == 500:
            # ComfyUI's plain "Server got itself in trouble": it says nothing more to a client.
            message = f"The ComfyUI server {self.url} failed on the workflow (500). Its own log says why."
            raise ProviderUnavailable(message, provider=PROVIDER)
        raise_for_status(answer, provider=PROVIDER)
        return "; ".join(_sentence(error) for error in _node_errors(said))

    def history(self, prompt_id: str, *, deadline: float) -> Mapping[str, object] | None:
        """The entry of a prompt that has ended; None while it waits, runs, or is not known at all."""
        entry = self._ask(f"/history/{prompt_id}", deadline).get(prompt_id)
        return entry if isinstance(entry, dict) else None

    def queue(self, *, deadline: float) -> Queue:
        """The body holds the whole graph of every prompt: to be asked rarely."""
        body = self._ask("/queue", deadline)
        return Queue(_prompt_ids(body.get("queue_running")), _prompt_ids(body.get("queue_pending")))

    def view(self, image: StoredImage, *, deadline: float) -> Answer:
        """The picture's bytes. Raises InvalidResponse where the file is gone."""
        params = {"filename": image.filename, "subfolder": image.subfolder, "type": image.type}
        answer = fetch("GET", f"{self.url}/view", provider=PROVIDER, deadline=deadline, params=params)
        if answer.status == 404:
            raise InvalidResponse("The ComfyUI server no longer has the picture that it lists.", provider=PROVIDER)
        raise_for_status(answer, provider=PROVIDER)
        return answer

    def delete(self, prompt_id: str, *, deadline: float) -> None:
        """Take a waiting prompt out of the queue. A running one goes on."""
        raise_for_status(self._call("POST", "/queue", deadline, body={"delete": [prompt_id]}), provider=PROVIDER)

    def interrupt(self, prompt_id: str, *, deadline: float) -> None:
        """Stop a running prompt. Versions that do not know the id stop whatever runs: only for what is running."""
        raise_for_status(self._call("POST", "/interrupt", deadline, body={"prompt_id": prompt_id}), provider=PROVIDER)

    def embeddings(self, *, deadline: float) -> frozenset[str]:
        """The names of its textual-inversion embeddings, folders included, without the ending of the file."""
        answer = self._call("GET", "/embeddings", deadline)
        raise_for_status(answer, provider=PROVIDER)
        names = _json(answer.content)
        if not isinstance(names, list):
            raise self._strange()
        return frozenset(name for name in names if isinstance(name, str))

    def answers(self, *, deadline: float) -> bool:
        """Whether it is there, and is a ComfyUI. Raises NotEntitled where it is and wants a login."""
        try:
            return "system" in self._ask("/system_stats", deadline)
        except ProviderUnavailable:
            return False

    def _ask(self, path: str, deadline: float) -> dict[str, object]:
        """A page in front of a server that is away may answer 404 or HTML: that is no word about our prompt."""
        try:
            answer = self._call("GET", path, deadline)
            raise_for_status(answer, provider=PROVIDER)
        except InvalidResponse as exc:
            raise ProviderUnavailable(exc.message, provider=PROVIDER) from exc
        body = _json(answer.content)
        if not isinstance(body, dict):
            raise self._strange()
        return body

    def _call(self, method: str, path: str, deadline: float, *, body: object = None) -> Answer:
        soon = min(deadline, time.monotonic() + CALL_SECONDS)
        return fetch(method, f"{self.url}{path}", provider=PROVIDER, deadline=soon, body=body)

    def _strange(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.url} does not answer as a ComfyUI server does.", provider=PROVIDER)

    def _refusal(self, said: dict[str, object], workflow: Workflow) -> ProviderError:
        """Everything but the size comes from the workflow's file or the server's models: the next scene fails, too."""
        errors = list(_node_errors(said))
        if errors and all(
            _is_out_of_range(error) and workflow.takes_size_at(error.node, error.input) for error in errors
        ):
            sides = "; ".join(_sentence(error) for error in errors)
            return RequestRefused(f"The ComfyUI server refuses this size: {sides}.", provider=PROVIDER)
        reasons = "; ".join(_sentence(error) for error in errors) or _words(said.get("error"))
        return NotEntitled(f"The ComfyUI server {self.url} cannot run the workflow: {reasons}.", provider=PROVIDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeError:
    node: str
    class_type: str
    type: str
    message: str
    details: str
    input: str
    received: str


def _node_errors(said: dict[str, object]) -> Iterator[NodeError]:
    for node, found in _dict(said.get("node_errors")).items():
        for error in _list(_dict(found).get("errors")):
            extra = _dict(_dict(error).get("extra_info"))
            yield NodeError(
                node=node,
                class_type=_text(_dict(found).get("class_type")),
                type=_text(_dict(error).get("type")),
                message=_text(_dict(error).get("message")),
                details=_text(_dict(error).get("details")),
                input=_text(extra.get("input_name")),
                received=_text(extra.get("received_value")),
            )


def _is_out_of_range(error: NodeError) -> bool:
    return error.type in ("value_smaller_than_min", "value_bigger_than_max")


def _sentence(error: NodeError) -> str:
    """`node 4 (CheckpointLoaderSimple) has no ckpt_name “sd_xl_base.safetensors”`."""
    where = f"node {error.node} ({error.class_type})"
    if error.type == "value_not_in_list":
        # Its own details go on with all files that it does have.
        return f"{where} has no {error.input} “{error.received[:NAME_LENGTH]}” to choose"
    return f"{where}: {plain_words(error.message)}" + (f" ({plain_words(error.details)})" if error.details else "")


def _words(error: object) -> str:
    """`Cannot execute because node NoSuchNode does not exist (Node ID '#1')`."""
    message, details = (_text(_dict(error).get(name)).strip(". ") for name in ("message", "details"))
    if not message:
        return "it gives no reason"
    return plain_words(message) + (f" ({plain_words(details)})" if details and details != message else "")


def _prompt_ids(rows: object) -> frozenset[str]:
    """Of rows `[number, prompt id, graph, extra, outputs, …]`."""
    return frozenset(str(row[1]) for row in _list(rows) if isinstance(row, list) and len(row) > 1)


def _object(content: bytes) -> dict[str, object]:
    return _dict(_json(content))


def _json(content: bytes) -> object:
    """None for what is no JSON."""
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)
