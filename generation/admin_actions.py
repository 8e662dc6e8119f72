"""Retry and Cancel in the admin: the transitions that pages have, too, with a message and a line in the history."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from accounts.admin_lists import address_of
from gallery.shelf import counted
from generation.models import OPEN, SceneGenerationQuerySet, Status
from generation.tasks import wake

Admin = admin.ModelAdmin[Any]
Action = Callable[[HttpRequest, Any], None]


def retry(model: Admin, request: HttpRequest, scenes: SceneGenerationQuerySet, *, noted: str) -> None:
    """Try again those of `scenes` that failed. `noted`: whose history says so, "pk" for their own, "job" for their
    jobs'."""
    failed = scenes.filter(status=Status.FAILED)
    rows = _rows(model, failed, noted)
    if count := failed.retry():
        wake(count)
        _note(request, rows, "Retry failed.")
        model.message_user(request, f"{counted(count, 'failed scene')} will be tried again.", messages.SUCCESS)
    else:
        model.message_user(request, "Nothing here has failed, so nothing is tried again.", messages.WARNING)


def cancel(model: Admin, request: HttpRequest, scenes: SceneGenerationQuerySet, *, noted: str) -> None:
    """End those of `scenes` that have not ended by themselves."""
    still_open = scenes.filter(status__in=OPEN)
    rows = _rows(model, still_open, noted)
    if count := still_open.cancel():
        _note(request, rows, "Cancelled.")
        model.message_user(request, f"{counted(count, 'scene')} cancelled.", messages.SUCCESS)
    else:
        model.message_user(request, "All of this has ended, so there is nothing to cancel.", messages.WARNING)


def buttons(model: Any) -> list[URLPattern]:
    """Addresses for the buttons on the page of one row: the list's actions, for this row. `model` is an admin that
    has them."""
    name = f"generation_{model.opts.model_name}"
    return [
        path("<uuid:pk>/retry/", _button(model, model.retry_failed), name=f"{name}_retry"),
        path("<uuid:pk>/cancel/", _button(model, model.cancel), name=f"{name}_cancel"),
    ]


def _button(model: Admin, act: Action) -> Callable[..., HttpResponseBase]:
    def press(request: HttpRequest, pk: UUID) -> HttpResponse:
        if not model.has_change_permission(request):
            raise PermissionDenied
        row = get_object_or_404(model.model, pk=pk)
        act(request, model.model._default_manager.filter(pk=pk))
        return redirect(address_of(row))

    return model.admin_site.admin_view(require_POST(press))


def _rows(model: Admin, scenes: SceneGenerationQuerySet, noted: str) -> list[Model]:
    """Read before the transition: afterwards nothing tells these scenes from others."""
    return list(model.model._default_manager.filter(pk__in=scenes.order_by().values(noted)))


def _note(request: HttpRequest, rows: list[Model], words: str) -> None:
    if rows and request.user.pk:
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, change_message=words)
