"""What a person sees when a page could not be made: in plain words where the database is away or has no room."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

RETRY_AFTER = 10
# What SQLite says, and PostgreSQL.
FULL = ("disk is full", "No space left on device")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, which also hears of what failed before the view: who is signed in is a query, too.

    Django logs the error itself. The page is made without the request, for nothing on it may ask the database.
    """
    _, error, _ = sys.exc_info()
    if not isinstance(error, OperationalError | InterfaceError):
        return HttpResponse(render_to_string("500.html"), status=500)
    is_full = any(words in str(error) for words in FULL)
    page = render_to_string("503.html", {"is_full": is_full, "was_sent": request.method == "POST"})
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
