"""The base of our loopback servers: it records every request, counts what is in flight and plays faults.

    with LoopbackPollinations(delay=2) as server:
        server.answer_next(faults.html(), faults.drop())                         # the next two requests
        server.answer_next(faults.hang(), when=lambda asked: asked.path.startswith("/view"))
        ...
        assert most_at_once(server.requests) == 10

A vendor's server is a subclass: it gives `answer`, which looks at `exchange.request` and writes one answer, most
often by `exchange.send`. It runs in a thread a connection, so its own state wants `self.lock`. No Django here.
"""

import json
import socket
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

KEEPS_BODIES_UP_TO = 64 * 1024
LOOKS_EVERY = 0.05


@dataclass(eq=False, kw_only=True)
class Request:
    """One request as it came in. Times are of `time.monotonic()`; `ended` is None until its answer is handed over.

    `path` is unquoted, `target` as it stood in the request line. `body` is let go after the answer where it is
    larger than 64 KiB, `body_size` stays. `status` is None where the connection was closed without one, `sent`
    counts the bytes of the answer's body.
    """

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes = field(repr=False)
    body_size: int
    begun: float
    ended: float | None = None
    status: int | None = None
    sent: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """A request and the wire to answer it on. Answers that stop halfway close the connection behind them."""

    def __init__(self, request: Request, server: "LoopbackServer", handler: BaseHTTPRequestHandler) -> None:
        self.request = request
        self.server = server
        self._handler = handler
        self._head = b""

    def send(
        self,
        content: bytes = b"",
        content_type: str = "application/octet-stream",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A whole and honest answer."""
        self.begin(status, {"Content-Type": content_type, "Content-Length": str(len(content)), **(headers or {})})
        # Before the client can have it: its next request must not seem to overlap with this one.
        self.request.ended = time.monotonic()
        self.write(content)

    def send_json(self, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send(json.dumps(body).encode(), "application/json", status=status, headers=headers)

    def begin(self, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """The head of an answer; it leaves with the first `write`, which an answer without a body needs, too."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
        self.request.status = status
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in pairs), "", ""]
        self._head = "\r\n".join(lines).encode("latin-1")

    def write(self, content: bytes) -> None:
        """Raises OSError once the client has gone, which ends the answer."""
        size = 0 if self._handler.command == "HEAD" else len(content)
        # Counted first, so that whoever has read the answer finds it counted.
        self.request.sent += size
        try:
            self._handler.wfile.write(self._head + content)
        except OSError:
            self.request.sent -= size
            raise
        self._head = b""

    def raw(self, content: bytes) -> None:
        """Bytes that are no part of a body: a broken head, or none."""
        self._handler.wfile.write(content)

    def pause(self, seconds: float) -> None:
        """Sleep, but not longer than the server runs or the client stays."""
        self.wait(self.server.stopping, seconds)

    def wait(self, event: threading.Event, seconds: float = float("inf")) -> None:
        """Until `event`, for so many seconds at most. Raises ConnectionError, which ends the answer, once the client
        has gone: the request counts as in flight for as long as somebody waits for it."""
        ends = time.monotonic() + seconds
        while not event.wait(max(0.0, min(LOOKS_EVERY, ends - time.monotonic()))) and time.monotonic() < ends:
            if self._client_has_gone():
                raise ConnectionError("the client has gone")

    def _client_has_gone(self) -> bool:
        try:
            next_byte: bytes = self._handler.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not next_byte

    def close(self) -> None:
        """No further byte comes on this connection."""
        self._handler.close_connection = True
        with suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)


Answer = Callable[[Exchange], None]
Matches = Callable[[Request], bool]


class LoopbackServer:
    """A context manager: inside it the server answers at `url`.

    `delay` is how many seconds the vendor takes to make something; where it falls is the subclass's to say.
    `requests` holds every request so far, in the order they came in.
    """

    name: ClassVar[str]

    def __init__(self, *, port: int = 0, delay: float = 0.0) -> None:
        self.delay = delay
        self.requests: list[Request] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._script: list[tuple[Matches, Answer]] = []
        self._http = _Server(("127.0.0.1", port), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Options of the command line beyond --port and --delay; they are passed to the constructor by name."""

    def answer(self, exchange: Exchange) -> None:
        """What the vendor would answer. The base knows nothing."""
        exchange.send(status=404)

    def variables(self) -> dict[str, str]:
        """The environment that makes storyapp use this server."""
        return {}

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends at once: what hangs or drips is let go."""
        self.stopping.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()

    def answer_next(self, *answers: Answer, times: int = 1, when: Matches = lambda request: True) -> None:
        """Play these instead of the vendor's own answers, one a request, for the next requests that match."""
        with self.lock:
            self._script += [(when, answer) for answer in answers for _ in range(times)]

    def asked(self, path: str, method: str | None = None) -> list[Request]:
        """The requests whose path begins like that."""
        with self.lock:
            return [one for one in self.requests if one.path.startswith(path) and method in (one.method, None)]

    @property
    def in_flight(self) -> int:
        with self.lock:
            return sum(1 for request in self.requests if request.ended is None)

    def handle(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        """Record, answer as the script says or else as the vendor would, and note the end."""
        exchange = Exchange(request, self, handler)
        with self.lock:
            self.requests.append(request)
            answer = self._scripted(request) or self.answer
        try:
            answer(exchange)
        except OSError:
            exchange.close()
        finally:
            request.ended = request.ended or time.monotonic()
            if request.body_size > KEEPS_BODIES_UP_TO:
                request.body = b""

    def _scripted(self, request: Request) -> Answer | None:
        for number, (matches, answer) in enumerate(self._script):
            if matches(request):
                del self._script[number]
                return answer
        return None


def most_at_once(requests: Iterable[Request]) -> int:
    """How many of these were in flight at the same moment, at the most."""
    begun = [(request.begun, 1) for request in requests]
    ended = [(request.ended, -1) for request in requests if request.ended is not None]
    most = current = 0
    for _, change in sorted(begun + ended):
        current += change
        most = max(most, current)
    return most


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Kept-alive ones, too: no thread of ours waits for a client that asks nothing more."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is a bug of the server and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _handler_of(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def parse_request(self) -> bool:
            """Every method is handled alike: the base class looks for a `do_` of its name."""
            parsed = super().parse_request()
            if parsed:
                setattr(self, f"do_{self.command}", self._handle)
            return parsed

        def _handle(self) -> None:
            server.handle(self._read(), self)

        def _read(self) -> Request:
            begun = time.monotonic()
            address = urlsplit(self.path)
            body = self._body()
            return Request(
                method=self.command,
                target=self.path,
                path=unquote(address.path),
                query=dict(parse_qsl(address.query, keep_blank_values=True)),
                headers=self.headers,
                body=body,
                body_size=len(body),
                begun=begun,
            )

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal: `requests` holds it all."""

    return Handler
