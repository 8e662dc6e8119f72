"""Two at once on one scene: a race is driven to its dangerous place, and a guard can be taken out there.

Each check is made twice: as the code is, and with its guard taken out, where the very same check has to fail. What
row locks are on PostgreSQL is on SQLite the one write lock that a transaction takes when it begins.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from threading import Lock
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from gallery.models import Image, Upload, object_names
from gallery.picture import check_picture
from generation import transitions
from generation.claim import claim
from generation.models import GenerationJob, SceneGeneration
from generation.providers.base import Variation
from generation.tests import providers
from generation.transitions import Made

Ask = Callable[..., GenerationJob]
T = TypeVar("T")
# What nothing holds back is through by then; what a guard holds back goes on afterwards.
HEAD_START = 0.3
# Where a guard is taken out, what it held back must be through, however busy the machine is.
LONG_HEAD_START = 3.0
head_start = HEAD_START


@contextmanager
def meanwhile(place: str, act: Callable[[], T], *, after: bool = False) -> Iterator["Future[T]"]:
    """While the block comes to the function `place` for the first time, `act` runs, over a connection of its own.

    It begins before the function, or after it. The block goes on when `act` has ended or has had its head start;
    the future is there when the block has ended.
    """
    owner_path, _, name = place.rpartition(".")
    owner = _imported(owner_path)
    original: Callable[..., Any] = getattr(owner, name)
    others: list[Future[T]] = []
    once = Lock()
    told: Future[T] = Future()

    def intrude() -> None:
        if once.acquire(blocking=False):
            others.append(pool.submit(over_a_connection_of_its_own, act))
            with suppress(Exception):
                others[0].result(timeout=head_start)

    def at_the_place(*args: Any, **kwargs: Any) -> Any:
        if not after:
            intrude()
        result = original(*args, **kwargs)
        if after:
            intrude()
        return result

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(owner, name, at_the_place)
        yield told
    if not others:
        raise LookupError(f"{place} was never reached.")
    told.set_result(others[0].result())


def _imported(path: str) -> Any:
    """A module, or a class in one."""
    try:
        return import_string(path)
    except ImportError:
        return __import__(path, fromlist=["*"])


def over_a_connection_of_its_own(act: Callable[[], T]) -> T:
    try:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # Of two that wait for each other it is then this one that the database refuses.
                cursor.execute(f"SET deadlock_timeout = '{head_start + HEAD_START:g}s'")
        return act()
    finally:
        connection.close()


# ---- guards that can be taken out -----------------------------------------------------------------


def without_locks(patch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "postgresql":
        patch.setattr(QuerySet, "select_for_update", lambda self, **_: self)
    else:
        no_transaction = SimpleNamespace(atomic=nullcontext)
        patch.setattr("generation.claim.transaction", no_transaction)
        patch.setattr("generation.transitions.transaction", no_transaction)


def without_the_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("generation.transitions._mine", lambda scene: SceneGeneration.objects.filter(pk=scene.pk))


@contextmanager
def taken_out(*guards: Callable[[pytest.MonkeyPatch], None]) -> Iterator[None]:
    """The check inside has to fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generation.tests.races.head_start", LONG_HEAD_START)
        for guard in guards:
            guard(patch)
        with pytest.raises((AssertionError, DatabaseError)):
            yield


# ---- scenes in hand -------------------------------------------------------------------------------


def begun(ask: Ask) -> SceneGeneration:
    ask("a fox")
    (scene,) = claim(1)
    return scene


@dataclass(frozen=True)
class Holder:
    """A worker with a picture in its hands, whose object is in storage."""

    scene: SceneGeneration
    made: Made
    name: str

    def save(self) -> bool:
        return transitions.save(self.scene, self.made, self.name, save_seconds=0.1)


def stored(scene: SceneGeneration) -> Holder:
    content = providers.picture(scene.seed)
    variation = Variation(
        content=content, content_type="image/jpeg", model="directed-1", bytes_received=len(content), request_id="r1"
    )
    made = Made(variation, check_picture(content), seconds=0.1)
    name = transitions.object_name(scene, made.picture)
    assert transitions.begin_saving(scene, made, name)
    for object_name in object_names(name):
        default_storage.save(object_name, ContentFile(content))
    return Holder(scene, made, name)


def check_one_home_for(holder: Holder) -> None:
    """An object that may exist has its name in exactly one of Image and Upload."""
    kept = Image.objects.filter(name=holder.name).count()
    noted = Upload.objects.filter(name=holder.name).count()
    assert (kept, noted) in ((0, 1), (1, 0))
