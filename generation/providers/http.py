"""The one place where providers talk HTTP: `fetch` for an answer, `raise_for_status` for what its status means.

An answer is what a stranger sends, so everything about it is bounded: its time to the last byte, its bytes, its
headers. Nothing is unpacked, no redirect is followed, no cookie is kept. Errors carry sentences of ours, never
the text of an exception: that holds the address with its prompt, and may hold a header with its key.

Variables of the environment (HTTPS_PROXY, REQUESTS_CA_BUNDLE) and ~/.netrc are not looked at: they would send
calls to this machine or to a server next door through a proxy, and replace our key by a login of somebody's.
"""

import http.client
import json
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Lock, Timer
from types import TracebackType
from typing import Any, Self, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from generation.providers.exceptions import (
    InvalidResponse,
    NotEntitled,
    ProviderConfigurationError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)

MAX_BYTES = 25 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
CONNECT_TIMEOUT = 10.0
PIECE = 64 * 1024
LONGEST_WAIT = 600.0
MESSAGE_LENGTH = 200

LATE = "The provider did not answer in time."
UNREACHABLE = "The provider could not be reached."
BROKEN_OFF = "The provider broke off its answer."
BAD_RESPONSE = "Bad provider response"

# What a network, TLS or HTTP may raise below us.
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of any status. `headers` are found in any case of letters.

    `content` is the body as it was sent. That of an answer other than 200 is cut after 64 KiB, and empty for a
    redirect. `content_type` is what the server says, in small letters and without parameters, or "".
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    content_type: str

    @property
    def bytes_received(self) -> int:
        return len(self.content)


def fetch(
    method: str,
    url: str,
    *,
    provider: str,
    deadline: float,
    max_bytes: int = MAX_BYTES,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    body: object = None,
) -> Answer:
    """One request over a connection of its own, and its answer to the last byte before `deadline` (monotonic).

    `body` is sent as JSON. Raises ProviderUnavailable (network, deadline, an answer that breaks off),
    InvalidResponse (more than `max_bytes`, packed, not HTTP) and ProviderConfigurationError (an address or a key
    that cannot be sent); a status never raises here.
    """
    request = _prepared(method, url, provider=provider, headers=headers, params=params, body=body)
    with _Alarm(deadline) as alarm, closing(_Adapter(alarm)) as adapter:
        response = _begin(adapter, request, provider=provider, alarm=alarm)
        with closing(response):
            content = _read(response, provider=provider, alarm=alarm, max_bytes=max_bytes)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(status=response.status_code, headers=response.headers, content=content, content_type=content_type)


def raise_for_status(answer: Answer, *, provider: str, secrets: Collection[str] = ()) -> None:
    """Return for 200; raise the ProviderError that any other status means. `secrets` are kept out of its message."""
    status = answer.status
    if status == 200:
        return
    if status in (401, 403):
        raise NotEntitled(f"The provider needs a key that it accepts: it answered {status}.", provider=provider)
    if status == 402 and b"queue full" not in answer.content.lower():
        raise NotEntitled("The provider needs credit: it answered 402.", provider=provider)
    if status in (402, 429):
        message = f"The provider takes no more calls at the moment: it answered {status}."
        raise RateLimited(message, provider=provider, retry_after=retry_after(answer))
    if status in (400, 413, 414, 422, 451):
        said = vendors_message(answer, secrets=secrets)
        message = f"The prompt was refused: {said}" if said else f"The prompt was refused ({status})."
        raise RequestRefused(message, provider=provider)
    if 500 <= status <= 599:
        raise ProviderUnavailable(f"The provider answered {status}.", provider=provider)
    if 300 <= status <= 399:
        raise InvalidResponse(f"{BAD_RESPONSE}: a redirect ({status}), which is not followed.", provider=provider)
    raise InvalidResponse(f"{BAD_RESPONSE}: status {status}.", provider=provider)


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3), 600 at the most; None where it says none, nonsense or the past."""
    asked = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", asked):
        return min(LONGEST_WAIT, float(asked))
    moment, now = _moment(asked), _moment(answer.headers.get("Date", "")) or time.time()
    return min(LONGEST_WAIT, moment - now) if moment and moment > now else None


def vendors_message(answer: Answer, *, secrets: Collection[str] = ()) -> str:
    """What the vendor's JSON says of an error, as a short and plain sentence, or "".

    Known shapes: {"error": {"message": …}}, {"error": …}, {"message": …}, {"detail": …}.
    """
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(said, dict):
            said = said.get(name, said)
    return plain_words(said, secrets=secrets) if isinstance(said, str) else ""


def plain_words(text: str, *, secrets: Collection[str] = (), length: int = MESSAGE_LENGTH) -> str:
    """A stranger's text made fit to be shown: one line, no markup, no key, `length` characters at the most."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    text = re.split(r"[{<]", text, maxsplit=1)[0]
    # No word of a sentence has 24 letters, digits and signs without a blank: that is a key, an address or an id.
    text = re.sub(r"[!-~]{24,}", "…", text)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _prepared(
    method: str,
    url: str,
    *,
    provider: str,
    headers: Mapping[str, str] | None,
    params: Mapping[str, str] | None,
    body: object,
) -> requests.PreparedRequest:
    try:
        # A packed answer is a bomb or a waste: pictures are packed already.
        ours = {"User-Agent": "storyapp", "Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})}
        for value in ours.values():
            value.encode("latin-1")
        return requests.Request(method, url, headers=ours, params=params, json=body).prepare()
    except (requests.RequestException, ValueError):
        message = f"The address or the key of the provider {provider} is not one that can be sent."
        # Not "from exc": its text holds the address or the key.
        raise ProviderConfigurationError(message) from None


def _begin(
    adapter: "_Adapter", request: requests.PreparedRequest, *, provider: str, alarm: "_Alarm"
) -> requests.Response:
    """The head of the answer. An adapter is asked directly, as a session follows redirects, or reads their body."""
    left = alarm.deadline - time.monotonic()
    if left <= 0:
        raise ProviderUnavailable(LATE, provider=provider)
    try:
        return adapter.send(request, stream=True, timeout=(min(CONNECT_TIMEOUT, left), left))
    except FAILURES as exc:
        # Not "from exc", here and below: its text holds the address with the prompt.
        raise _failure(exc, provider=provider, alarm=alarm) from None


def _failure(exc: Exception, *, provider: str, alarm: "_Alarm") -> ProviderError:
    if alarm.rang or isinstance(exc, requests.ReadTimeout):
        return ProviderUnavailable(LATE, provider=provider)
    causes = list(_causes(exc))
    if any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in causes):
        return ProviderUnavailable(BROKEN_OFF, provider=provider)
    if any(isinstance(cause, http.client.HTTPException) for cause in causes):
        # Among them the limits of http.client itself: 100 headers, 64 KiB a line.
        return InvalidResponse(f"{BAD_RESPONSE}: not the HTTP that was asked for.", provider=provider)
    return ProviderUnavailable(UNREACHABLE, provider=provider)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _read(response: requests.Response, *, provider: str, alarm: "_Alarm", max_bytes: int) -> bytes:
    """The body, as it comes. Of an error's the beginning is enough, however it ends."""
    if response.status_code == 200:
        _refuse_by_head(response, provider=provider, max_bytes=max_bytes)
        return _whole(response, provider=provider, alarm=alarm, max_bytes=max_bytes)
    body = bytearray()
    if not 300 <= response.status_code <= 399:
        with suppress(*FAILURES):
            for piece in _pieces(response):
                body += piece
                if len(body) >= MAX_ERROR_BYTES:
                    break
    return bytes(body[:MAX_ERROR_BYTES])


def _refuse_by_head(response: requests.Response, *, provider: str, max_bytes: int) -> None:
    """What the head already rules out is not read at all."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise InvalidResponse(f"{BAD_RESPONSE}: packed, which was not asked for.", provider=provider)
    length = response.headers.get("Content-Length", "")
    if re.fullmatch(r"[0-9]{1,20}", length) and int(length) > max_bytes:
        raise InvalidResponse(_too_large(max_bytes), provider=provider)


def _whole(response: requests.Response, *, provider: str, alarm: "_Alarm", max_bytes: int) -> bytes:
    body = bytearray()
    try:
        for piece in _pieces(response):
            body += piece
            if len(body) > max_bytes:
                raise InvalidResponse(_too_large(max_bytes), provider=provider, bytes_received=len(body))
    except FAILURES as exc:
        late = alarm.rang or _is_timeout(exc)
        message = LATE if late else BROKEN_OFF
        raise ProviderUnavailable(message, provider=provider, bytes_received=len(body)) from None
    if alarm.rang:
        # A connection that we ended ourselves looks like the regular end of an answer without a length.
        raise ProviderUnavailable(LATE, provider=provider, bytes_received=len(body))
    return bytes(body)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """What has come so far, 64 KiB at the most, again and again; not unpacked. A short body raises at its end."""
    while piece := response.raw.read1(PIECE, decode_content=False):
        yield piece


def _is_timeout(exc: Exception) -> bool:
    return any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in _causes(exc))


def _too_large(max_bytes: int) -> str:
    return f"The provider's answer is too large: more than {max_bytes / 1024**2:.3g} MB."


def _moment(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class _Alarm:
    """Ends a call's connection at its deadline from outside, wherever the call is blocked at that moment.

    A timeout of a socket begins anew with every byte: who sends one a second, of a head, a body or a handshake,
    never meets it. What is shut down is a duplicate of the socket, which stays valid while TLS wraps the first.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.rang = False
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._timer = Timer(max(0.0, deadline - time.monotonic()), self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> socket.socket:
        with self._lock:
            self._sockets.append(connection.dup())
        if self.rang:
            self._ring()
        return connection

    def _ring(self) -> None:
        with self._lock:
            self.rang = True
            for watched in self._sockets:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """A connection of its own for one call, under an alarm. Nothing is tried twice here: the claim counts tries."""

    def __init__(self, alarm: _Alarm) -> None:
        self._alarm = alarm
        super().__init__(pool_connections=1, pool_maxsize=1)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> urllib3.HTTPConnectionPool:
        pool = cast(urllib3.HTTPConnectionPool, super().get_connection_with_tls_context(*args, **options))
        watched = _WatchedTLS if pool.scheme == "https" else _Watched
        pool.ConnectionCls = partial(watched, alarm=self._alarm)  # type: ignore[assignment]
        return pool


class _Watched(HTTPConnection):
    def __init__(self, *args: Any, alarm: _Alarm, **options: Any) -> None:
        self._alarm = alarm
        super().__init__(*args, **options)

    def _new_conn(self) -> socket.socket:
        return self._alarm.watch(super()._new_conn())


class _WatchedTLS(_Watched, HTTPSConnection):
    """The connection below the TLS is the one that is watched."""
