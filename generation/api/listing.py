"""Lists, a page at a time: `{"items": […], "next": address of the next page or null}`, the newest first."""

from collections.abc import Sequence
from typing import Annotated, Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from accounts.models import User
from gallery.models import Row
from gallery.shelf import page_after
from generation.api.errors import Invalid
from generation.shape import Address

MOST = 100
USUAL = 50

Limit = Annotated[
    int,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}),
    Query(USUAL, description="How many items a page has."),
]
Cursor = Annotated[
    UUID | None,
    WithJsonSchema({"type": "string", "format": "uuid"}),
    Query(None, description="Where a page begins. It comes with the address in `next`."),
]


class Request(HttpRequest):
    """A request whose bearer token was accepted: `auth` is its person."""

    auth: User


class Page(TypedDict):
    """`next` is null on the last page."""

    next: Address | None


def page(
    request: Request, rows: QuerySet[Row, Row], limit: int, cursor: UUID | None
) -> tuple[Sequence[Row], str | None]:
    """The rows of this page and the address of the next one."""
    if not 1 <= limit <= MOST:
        raise Invalid({"limit": f"A page has 1 to {MOST} items."})
    if cursor is not None and not _is_place(rows, cursor, request.auth):
        raise Invalid({"cursor": "What this place was behind is gone. Begin at the first page again."})
    found, after = page_after(rows, cursor, size=limit)
    return found, _address(request, limit, after) if after else None


def _is_place(rows: QuerySet[Row, Row], cursor: UUID, person: User) -> bool:
    everything = cast(Any, rows.model)._default_manager
    return bool(everything.filter(owner=person, pk=cursor).exists())


def _address(request: HttpRequest, limit: int, after: UUID) -> str:
    return request.build_absolute_uri(f"{request.path}?limit={limit}&cursor={after}")
