"""The addresses below /api/. All of them answer programs: JSON for every error, no sign-in page, no CSRF token."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.cache import patch_vary_headers

from generation.api import api
from generation.api.document import docs, openapi
from generation.api.errors import NotAllowed, NotFound

View = Callable[..., HttpResponse]


def for_programs(view: View) -> View:
    """Cross-site forgery needs a credential that browsers send by themselves. A bearer token is none."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # What takes GET takes HEAD: the server leaves the body out.
        if request.method == "HEAD":
            request.method = "GET"
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            response = NotFound("There is no such address. See /api/docs.").answer()
        if response.status_code == 405:
            response = NotAllowed(response["Allow"].split(", ")).answer()
        response.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization"])
        return response

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return login_not_required(answer)


def nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    raise Http404


def _operations(patterns: list[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = for_programs(pattern.callback)
    return patterns


_patterns, _app, _namespace = api.urls

urlpatterns = [
    path("docs", for_programs(docs), name="api_docs"),
    path("openapi.json", for_programs(openapi), name="api_openapi"),
    path("", (_operations(_patterns), _app, _namespace)),
    path("<path:rest>", for_programs(nowhere)),
]
