"""How the installation is: one function behind `/healthz`, which strangers may ask, and the administrators' page."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Literal

import redis
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.models import Case, Count, Exists, F, Min, When
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from gallery.storing import RemoteStorage, StorageError, nearest_folder
from generation.admin_rows import work_lines
from generation.checks import provider_is_set_up
from generation.models import ProviderAccount, SceneGeneration, Status
from generation.providers import get_provider
from generation.providers.exceptions import ProviderError

State = Literal["ok", "warning", "failed"]

# Seconds. psycopg takes no fewer than two for a connection.
DATABASE_DEADLINE = 2
QUEUE_DEADLINE = 1.0
OUTSIDE_DEADLINE = 3.0
# A scene that has been due for so long, while nobody makes any, is forgotten.
FORGOTTEN_AFTER = 60.0
# A round of the sweep may have many objects to delete.
LONGEST_ROUND = 60.0
# Bytes: some hundred pictures, and what a database needs to go on.
LITTLE_ROOM = 200 * 2**20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """`words` is one plain sentence or two for an administrator; no key is in it, but perhaps an address or a path."""

    name: str
    status: State
    words: str


@dataclass(frozen=True, slots=True)
class Health:
    parts: tuple[Part, ...]

    @property
    def status(self) -> State:
        """The worst of its parts. Only the database can fail: without any other part pages are still served."""
        found = {part.status for part in self.parts}
        return "failed" if "failed" in found else "warning" if "warning" in found else "ok"


def health(*, ask_outside: bool = False) -> Health:
    """Look at every part, each within a short deadline, in three queries. Never raises and changes nothing.

    `ask_outside`: also ask a remote storage and the provider in use for a sign of life, over the network.
    """
    database, scenes, providers = _in_the_database()
    if ask_outside and providers.status == "ok":
        providers = _looked_at("providers", _provider_answers)
    return Health(
        (
            database,
            _looked_at("queue", _queue),
            _looked_at("storage", lambda: _storage(ask_outside=ask_outside)),
            _looked_at("sweep", _sweep),
            scenes,
            providers,
        )
    )


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """One word, for load balancers and `./run`: 503 where the database is away. Nobody is told more than that."""
    found = health()
    return JsonResponse({"status": found.status}, status=503 if found.status == "failed" else 200)


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All parts, for superusers. Stands behind the admin's own sign-in, see `storyapp.urls`."""
    if not request.user.is_superuser:
        raise PermissionDenied
    found = health(ask_outside=True)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "health": found,
        "work": [] if found.status == "failed" else work_lines(),
    }
    return render(request, "admin/health.html", context)


def beat() -> None:
    """What the sweep calls after a round that went well. Never raises: a full disk must not end the sweep."""
    try:
        _heartbeat().parent.mkdir(exist_ok=True)
        _heartbeat().touch()
    except OSError as exc:
        log.warning("heartbeat.not_written", extra={"error": type(exc).__name__})


def end_beat() -> None:
    """What a sweep that was told to stop calls: it is not missed. Another one on this machine beats on."""
    try:
        _heartbeat().unlink(missing_ok=True)
    except OSError as exc:
        log.warning("heartbeat.not_ended", extra={"error": type(exc).__name__})


def _looked_at(name: str, look: Callable[[], Part]) -> Part:
    try:
        return look()
    except Exception as exc:
        # Whatever it was, the page that is to tell of it must come up.
        log.exception("health.not_known", extra={"part": name})
        return Part(name, "warning", f"It could not be looked at: {type(exc).__name__}. The log says more.")


def _in_the_database() -> tuple[Part, Part, Part]:
    """The database, the waiting scenes and the providers. The queries of the last two show that the first answers."""
    try:
        with _little_patience():
            scenes, providers = _scenes(), _providers()
    except DatabaseFailed as exc:
        log.warning("health.database_failed", extra={"error": type(exc).__name__})
        words = f"The database does not answer as it should: {type(exc).__name__}. Look at DATABASE_URL and migrations."
        unknown = "Not known while the database fails."
        return (
            Part("database", "failed", words),
            Part("scenes", "warning", unknown),
            Part("providers", "warning", unknown),
        )
    return Part("database", "ok", "It answers."), scenes, providers


@contextmanager
def _little_patience() -> Iterator[None]:
    """Where PostgreSQL's host is gone, psycopg would wait for it for two minutes. SQLite lets readers in at once."""
    if connection.vendor != "postgresql":
        yield
        return
    usual = connection.settings_dict
    hasty = {**usual["OPTIONS"], "connect_timeout": DATABASE_DEADLINE}
    # Of this thread's connection alone: the settings of all others stay as they are.
    connection.settings_dict = {**usual, "OPTIONS": hasty}
    try:
        yield
    finally:
        connection.settings_dict = usual


def _scenes() -> Part:
    """In a long job scenes are due for many minutes, so they count only while nobody makes any."""
    at_work = SceneGeneration.objects.filter(status=Status.RUNNING, lease_until__gt=Now())
    # Of those whose lease is over, due_at tells when they were queued.
    due_since = Case(When(status=Status.RUNNING, then=F("lease_until")), default=F("due_at"))
    forgotten = SceneGeneration.objects.claimable(within=-FORGOTTEN_AFTER).filter(~Exists(at_work))
    found = forgotten.aggregate(count=Count("pk"), oldest=Min(due_since))
    if not found["count"]:
        return Part("scenes", "ok", "No scene waits in vain for a worker.")
    minutes = max(1, int((timezone.now() - found["oldest"]) / timedelta(minutes=1)))
    words = f"Nobody takes up waiting scenes: {found['count']} due, the oldest for {minutes} min. Are workers running?"
    return Part("scenes", "warning", words)


def _providers() -> Part:
    closed = sorted(ProviderAccount.objects.closed_providers() & set(settings.GENERATION_PROVIDERS))
    if wrong := provider_is_set_up():
        return Part("providers", "warning", wrong[0].msg)
    if closed:
        return Part(
            "providers", "warning", f"Closed for a while, for it refused or did not answer: {', '.join(closed)}."
        )
    return Part("providers", "ok", f"{settings.IMAGE_PROVIDER} is set up, and no provider is closed.")


def _provider_answers() -> Part:
    try:
        get_provider(settings.IMAGE_PROVIDER).probe(time.monotonic() + OUTSIDE_DEADLINE)
    except ProviderError as exc:
        return Part("providers", "warning", exc.message)
    return Part("providers", "ok", f"{settings.IMAGE_PROVIDER} is set up and answers, and no provider is closed.")


def _queue() -> Part:
    # Without its usual repeats, which would multiply the deadline.
    waits = {"socket_connect_timeout": QUEUE_DEADLINE, "socket_timeout": QUEUE_DEADLINE}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **waits) as server:
            server.ping()
    except redis.RedisError as exc:
        words = (
            f"The queue server does not answer: {type(exc).__name__}. Nothing is lost; scenes wait until it is back."
        )
        return Part("queue", "warning", words)
    return Part("queue", "ok", "It answers.")


def _storage(*, ask_outside: bool) -> Part:
    storage = storages[settings.MEDIA_STORAGE]
    if not isinstance(storage, RemoteStorage):
        return _folder(Path(settings.MEDIA_ROOT))
    if not ask_outside:
        return Part("storage", "ok", "Remote, and not asked here.")
    return _remote(storage)


def _folder(folder: Path) -> Part:
    nearest = nearest_folder(folder)
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        free = shutil.disk_usage(nearest).free
        if free < LITTLE_ROOM:
            words = f"The disk is nearly full: {free // 2**20:,} MiB are left for {folder}. Make room."
            return Part("storage", "warning", words)
        return Part("storage", "ok", f"Pictures can be written to {folder}.")
    return Part("storage", "warning", f"No picture can be kept: {nearest} is not a folder that can be written to.")


def _remote(storage: RemoteStorage) -> Part:
    """In a thread of its own: the storage's own deadlines are made for pictures, and an administrator waits here."""
    answers: list[Part] = []
    asking = Thread(target=lambda: answers.append(_looked_at("storage", lambda: _answer_of(storage))), daemon=True)
    asking.start()
    asking.join(OUTSIDE_DEADLINE)
    late = Part("storage", "warning", f"The storage did not answer within {OUTSIDE_DEADLINE:g} seconds.")
    return answers[0] if answers else late


def _answer_of(storage: RemoteStorage) -> Part:
    try:
        storage.probe()
    except StorageError as exc:
        return Part("storage", "warning", exc.message)
    return Part("storage", "ok", "It answers and accepts the key.")


def _sweep() -> Part:
    """Of this machine's sweep alone. That another machine's has stopped shows in scenes that nobody takes up."""
    try:
        age = time.time() - _heartbeat().stat().st_mtime
    except FileNotFoundError:
        return Part("sweep", "ok", "Not on this machine.")
    words = f"Its last good round ended {max(0, age):.0f} s ago."
    if age > 3 * settings.GENERATION_SWEEP + LONGEST_ROUND:
        return Part("sweep", "warning", f"{words} Start `manage.py sweep` again, or look at its log.")
    return Part("sweep", "ok", words)


def _heartbeat() -> Path:
    return Path(settings.STORYAPP_DATA) / "heartbeat" / "sweep"
