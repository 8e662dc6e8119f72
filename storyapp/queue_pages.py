"""The dashboard of django-rq: for superusers alone, and with words where the queue server is away."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import redis
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, include

View = Callable[..., HttpResponseBase]


def queue_pages() -> tuple[list[URLPattern], str, str]:
    """What `path` takes instead of `include("django_rq.urls")`: the same addresses and names."""
    included, app_name, namespace = include("django_rq.urls")
    patterns = [_guarded(one) for one in included.urlpatterns]  # type: ignore[attr-defined]
    return patterns, str(app_name), str(namespace)


def _guarded(one: URLPattern) -> URLPattern:
    view = admin.site.admin_view(_for_superusers(one.callback))
    return URLPattern(one.pattern, view, one.default_args, one.name)


def _for_superusers(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise PermissionDenied
        try:
            return view(request, *args, **kwargs)
        except redis.RedisError:
            context = {**admin.site.each_context(request), "title": "Queue"}
            return render(request, "admin/queue_away.html", context, status=503)

    return guarded
