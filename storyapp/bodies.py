"""Requests with more than any view reads: Django would take them in to their end, on disk, before it asks a view."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def bounded(application: Application, *, most: Callable[[], int]) -> Application:
    """The same ASGI application, which is given little more than `most()` bytes of a request's body.

    Where a request says that it has more it is given none: whoever answers sees its Content-Length, and refuses it.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _up_to(most(), receive, told=_told_length(scope))
        await application(scope, receive, send)

    return answer


def _told_length(scope: Scope) -> int:
    """0 where it is not told, or is no number."""
    told = dict(scope["headers"]).get(b"content-length", b"")
    return int(told) if told.isdigit() else 0


def _up_to(most: int, receive: Receive, *, told: int) -> Receive:
    """The part that passes the limit is the last one, so that it can be seen that it was passed. What comes after it is
    let go by: an application goes on to ask whether the client has left."""
    taken, is_cut = 0, False

    async def receive_some() -> Message:
        nonlocal taken, is_cut
        if told > most and not is_cut:
            is_cut = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await receive()
        while is_cut and message["type"] == "http.request":
            message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            is_cut = True
            return {**message, "more_body": False}
        return message

    return receive_some
