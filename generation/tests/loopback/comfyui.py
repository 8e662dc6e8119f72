"""A loopback ComfyUI: one prompt at a time, history and queue in memory only, files that outlive both.

It answers in the shapes that were recorded from a real server (0.3.64), see `generation/tests/recordings/comfyui`.
What it runs is the batch of the graph: so many pictures, which differ by what the save node can be reached from.
"""

import hashlib
import json
import math
import random
import re
import struct
import threading
import time
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeAlias

from generation.tests.loopback.server import Answer, Exchange, LoopbackServer, Request

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings" / "comfyui"
WORKFLOW = RECORDINGS / "workflow_30_with_prompt_node.json"
PICTURE_BYTES = 2_300_000
TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"

Graph: TypeAlias = dict[str, dict[str, Any]]
File: TypeAlias = tuple[str, str]


@dataclass(eq=False, kw_only=True)
class Prompt:
    """One submission. Times are of `time.monotonic()`, endlessly far until they have come."""

    number: int
    id: str
    graph: Graph
    client: dict[str, object]
    begun: float = math.inf
    ended: float = math.inf
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def save_nodes(self) -> list[str]:
        return [key for key, node in self.graph.items() if "filename_prefix" in node["inputs"]]

    @property
    def prefix(self) -> str:
        return str(self.graph[self.save_nodes[0]]["inputs"]["filename_prefix"])

    @property
    def seed(self) -> int:
        return next(int(node["inputs"]["seed"]) for node in self.graph.values() if "seed" in node["inputs"])

    @property
    def row(self) -> list[object]:
        return [self.number, self.id, self.graph, self.client, self.save_nodes]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a file holds. Made when it is asked for: thirty of them would be 70 MB."""

    seed: str
    number: int
    width: int
    height: int
    size: int

    @property
    def content(self) -> bytes:
        return noise(self.seed, self.number, self.width, self.height, self.size)


class LoopbackComfyUI(LoopbackServer):
    """`delay` is what one prompt takes. `variations` None: as many as the graph's batch_size.

    `prompts` holds every submission, `runs` those that were begun, in their order. `down` drops every connection.
    `files` outlive `restart()`; put `bytes` there by hand where a test wants others.
    """

    name = "comfyui"

    def __init__(
        self, *, port: int = 0, delay: float = 0.0, variations: int | None = None, size: int = PICTURE_BYTES
    ) -> None:
        super().__init__(port=port, delay=delay)
        self.variations = variations
        self.size = size
        self.down = False
        self.embeddings = ["mira", "old/lighthouse"]
        self.prompts: list[Prompt] = []
        self.runs: list[Prompt] = []
        self.files: dict[File, Picture | bytes] = {}
        self.fail_with = ""
        self._unfinished: set[File] = set()
        self._forget()

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--variations", type=int, help="pictures a prompt; default: the workflow's batch_size")
        parser.add_argument("--size", type=int, default=PICTURE_BYTES, help="about so many bytes a picture")

    def variables(self) -> dict[str, str]:
        return {"IMAGE_PROVIDER": self.name, "COMFYUI_URLS": self.url, "COMFYUI_WORKFLOW": str(WORKFLOW)}

    def __enter__(self) -> Self:
        threading.Thread(target=self._run_for_ever, daemon=True).start()
        return super().__enter__()

    def restart(self) -> None:
        """Queue, history and cache are lost, and what runs is never finished."""
        with self.lock:
            if self._running:
                self._running.stop.set()
            self._forget()

    def stop(self) -> None:
        """Dead until `start`."""
        self.down = True
        self.restart()

    def start(self) -> None:
        self.down = False

    def _forget(self) -> None:
        self._running: Prompt | None = None
        self.pending: list[Prompt] = []
        self._history: dict[str, dict[str, object]] = {}
        self._cache: dict[str, dict[str, object]] = {}

    def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        path = request.path.removeprefix("/api")
        if self.down:
            exchange.close()
        elif "Origin" in request.headers:
            exchange.send(status=403)
        elif request.method == "POST":
            self._post(exchange, path)
        elif path == "/view":
            self._view(exchange)
        else:
            body = self._get(path)
            exchange.send_json(body) if body is not None else exchange.send(status=404)

    def taken_and_lost(self, exchange: Exchange) -> None:
        """For `answer_next`: the prompt is queued, and the connection ends without a word of it."""
        self.take(exchange.request.json)
        exchange.close()

    def submit_somebody_elses(self) -> Prompt:
        """A prompt of another program."""
        return self.take({"prompt_id": "somebody-elses", "prompt": recorded("workflow_30_variations")})

    @property
    def most_in_hand(self) -> int:
        """Prompts that were submitted and not yet ended, at the most."""
        submitted = sorted(request.begun for request in self.asked("/prompt", "POST"))
        return max(
            number - sum(1 for run in self.runs if run.ended <= moment)
            for number, moment in enumerate(submitted, start=1)
        )

    def _get(self, path: str) -> object:
        with self.lock:
            if path.startswith("/history/"):
                identity = path.removeprefix("/history/")
                return {identity: self._history[identity]} if identity in self._history else {}
            if path == "/queue":
                running = [self._running.row] if self._running else []
                return {"queue_running": running, "queue_pending": [one.row for one in self.pending]}
            if path == "/prompt":
                return {"exec_info": {"queue_remaining": len(self.pending) + bool(self._running)}}
        bodies = {"/embeddings": self.embeddings, "/system_stats": recorded("system_stats")}
        if path.startswith("/object_info/"):
            return recorded("object_info_ImageAddNoise") if path.endswith("/ImageAddNoise") else {}
        return bodies.get(path)

    def _post(self, exchange: Exchange, path: str) -> None:
        try:
            body = exchange.request.json if exchange.request.body else {}
        except ValueError:
            return exchange.send(TROUBLE.encode(), "text/plain; charset=utf-8", status=500)
        if path == "/prompt":
            return self._submit(exchange, body)
        if path == "/queue":
            self._delete(body.get("delete", []))
        elif path == "/interrupt":
            self._interrupt(body.get("prompt_id"))
        else:
            return exchange.send(status=404)
        return exchange.send()

    def _submit(self, exchange: Exchange, body: dict[str, Any]) -> None:
        graph = body.get("prompt")
        if graph is None:
            return recorded_answer("error_no_prompt_key")(exchange)
        if not all(isinstance(node, dict) and "class_type" in node for node in graph.values()):
            return recorded_answer("error_ui_format_workflow")(exchange)
        if not any("filename_prefix" in node["inputs"] for node in graph.values()):
            return recorded_answer("error_no_outputs")(exchange)
        prompt = self.take(body)
        return exchange.send_json({"prompt_id": prompt.id, "number": prompt.number, "node_errors": {}})

    def take(self, body: dict[str, Any]) -> Prompt:
        """Queue what a valid body of POST /prompt asks for."""
        with self.lock:
            client = {"client_id": body["client_id"]} if "client_id" in body else {}
            prompt = Prompt(number=len(self.prompts), id=body["prompt_id"], graph=body["prompt"], client=client)
            self.prompts.append(prompt)
            self.pending.append(prompt)
        return prompt

    def _delete(self, identities: list[str]) -> None:
        with self.lock:
            self.pending = [one for one in self.pending if one.id not in identities]

    def _interrupt(self, identity: str | None) -> None:
        with self.lock:
            if self._running and identity in (self._running.id, None):
                self._running.stop.set()

    def _view(self, exchange: Exchange) -> None:
        query = exchange.request.query
        file = (query.get("subfolder", ""), query["filename"])
        with self.lock:
            found, unfinished = self.files.get(file), file in self._unfinished
        if found is None or query.get("type", "output") != "output":
            return exchange.send(status=404)
        content = found if isinstance(found, bytes) else found.content
        headers = {"Content-Disposition": f'filename="{file[1]}"', "Accept-Ranges": "bytes"}
        # A file that is being written is answered with what there is of it, and 200.
        whole = content[: len(content) // 2] if unfinished else content
        return exchange.send(whole, "image/png", headers=headers)

    def _run_for_ever(self) -> None:
        while not self.stopping.is_set():
            if prompt := self._next():
                self._run(prompt)
            else:
                self.stopping.wait(0.01)

    def _next(self) -> Prompt | None:
        with self.lock:
            if not self.pending:
                return None
            self._running = prompt = self.pending.pop(0)
            prompt.begun = time.monotonic()
            self.runs.append(prompt)
            return prompt

    def _run(self, prompt: Prompt) -> None:
        graph = _used(prompt.graph, prompt.save_nodes)
        with self.lock:
            cached = self._cache.get(graph)
            outputs = cached or dict(self._write(prompt))
        stopped = prompt.stop.wait(0 if cached else self.delay)
        with self.lock:
            prompt.ended = time.monotonic()
            self._unfinished.clear()
            if self._running is not prompt:  # Restarted meanwhile.
                return
            self._running = None
            if stopped:
                self._history[prompt.id] = _entry(prompt, {}, _interrupted(prompt.id))
            elif self.fail_with:
                self._history[prompt.id] = _entry(prompt, {}, _failed(prompt.id, self.fail_with))
                self.fail_with = ""
            else:
                self._cache[graph] = outputs
                self._history[prompt.id] = _entry(prompt, outputs, _succeeded(prompt.id))

    def _write(self, prompt: Prompt) -> Iterator[tuple[str, object]]:
        """The files of every save node, unfinished as yet; the counter goes on over those of the same prefix."""
        for key in prompt.save_nodes:
            folder, _, prefix = str(prompt.graph[key]["inputs"]["filename_prefix"]).rpartition("/")
            first = 1 + max(
                (_counter(name) for place, name in self.files if place == folder and name.startswith(prefix)), default=0
            )
            names = [f"{prefix}_{first + number:05}_.png" for number in range(self._batch(prompt.graph))]
            for number, name in enumerate(names):
                self.files[folder, name] = self._picture(prompt.graph, key, number)
                self._unfinished.add((folder, name))
            yield key, {"images": [{"filename": name, "subfolder": folder, "type": "output"} for name in names]}

    def _batch(self, graph: Graph) -> int:
        return self.variations or next(_inputs(graph, "batch_size"), 1)

    def _picture(self, graph: Graph, key: str, number: int) -> Picture:
        used = re.sub(r'"filename_prefix": "[^"]*"', "", _used(graph, [key]))
        seed = hashlib.sha256(used.encode()).hexdigest()
        return Picture(seed, number, next(_inputs(graph, "width"), 64), next(_inputs(graph, "height"), 64), self.size)


def recorded(name: str) -> Any:
    """A recording of the real server, as it is in its file."""
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def asks_history(request: Request) -> bool:
    """For `answer_next(when=…)`."""
    return request.path.startswith("/history/")


def recorded_answer(name: str) -> Answer:
    """A recorded answer of POST /prompt, with its status."""
    recording = recorded(name)
    body = recording["body"]
    if recording["_http_status"] == 500:
        text = body if isinstance(body, str) else body["text"]
        return lambda exchange: exchange.send(text.encode(), "text/plain; charset=utf-8", status=500)
    return lambda exchange: exchange.send_json(body, status=recording["_http_status"])


def recorded_history(name: str, **changes: object) -> Answer:
    """A recorded entry of the history under the id that is asked for; `changes` are put over its top level."""
    (entry,) = recorded(name).values()

    def answer(exchange: Exchange) -> None:
        exchange.send_json({exchange.request.path.rsplit("/", 1)[1]: {**entry, **changes}})

    return answer


@lru_cache(maxsize=4)
def noise(seed: str, number: int, width: int, height: int, size: int) -> bytes:
    """A PNG of so many pixels and about `size` bytes: noise as far as these reach, and one colour below it."""
    row = 1 + 3 * width
    noisy = min(height, math.ceil(size / row))
    draw = random.Random(f"{seed} {number}")
    dots = bytearray(draw.randbytes(noisy * row))
    dots[::row] = bytes(noisy)  # No filter: the first byte of every row.
    plain = (b"\0" + draw.randbytes(3) * width) * (height - noisy)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(dots) + plain, 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _used(graph: Graph, outputs: list[str]) -> str:
    """What the outputs can be reached from, as text: where it is the same, ComfyUI runs nothing."""
    used: dict[str, object] = {}
    keys = list(outputs)
    while keys:
        key = keys.pop()
        if key in graph and key not in used:
            used[key] = [graph[key]["class_type"], graph[key]["inputs"]]
            keys += [str(value[0]) for value in graph[key]["inputs"].values() if isinstance(value, list)]
    return json.dumps(used, sort_keys=True)


def _inputs(graph: Graph, name: str) -> Iterator[int]:
    values = (node["inputs"].get(name) for node in graph.values() if "batch_size" in node["inputs"])
    return (value for value in values if isinstance(value, int))


def _counter(name: str) -> int:
    found = re.search(r"_(\d{5})_\.png$", name)
    return int(found[1]) if found else 0


def _entry(prompt: Prompt, outputs: Mapping[str, object], status: dict[str, object]) -> dict[str, object]:
    meta = {key: {"node_id": key, "display_node": key, "parent_node": None, "real_node_id": key} for key in outputs}
    return {"prompt": prompt.row, "outputs": outputs, "status": status, "meta": meta}


def _succeeded(identity: str) -> dict[str, object]:
    return _status("success", identity, "execution_success")


def _interrupted(identity: str) -> dict[str, object]:
    return _status("error", identity, "execution_interrupted", node_id="9", node_type="SaveImage", executed=[])


def _failed(identity: str, message: str) -> dict[str, object]:
    what = {"node_id": "9", "node_type": "SaveImage", "exception_message": message, "exception_type": "Exception"}
    return _status("error", identity, "execution_error", **what)


def _status(word: str, identity: str, event: str, **what: object) -> dict[str, object]:
    moment = {"prompt_id": identity, "timestamp": int(time.time() * 1000)}
    messages = [["execution_start", moment], ["execution_cached", {"nodes": [], **moment}], [event, {**what, **moment}]]
    return {"status_str": word, "completed": word == "success", "messages": messages}
