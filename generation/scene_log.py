"""The log of a scene's life. Each line alone says whose step it is, whichever process and host wrote it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The log is set up before there are models.
    from generation.models import SceneGeneration

log = logging.getLogger(__name__)
_in_hand: ContextVar["SceneGeneration | None"] = ContextVar("scene in hand", default=None)


def note(
    event: str, scene: "SceneGeneration", *, level: int = logging.INFO, exc_info: bool = False, **fields: object
) -> None:
    """A line with job, scene, attempt and token as the claim knows them. Asks no database: threads call it, too."""
    log.log(level, event, extra={**_whose(scene), **fields}, exc_info=exc_info)


@contextmanager
def in_hand(scene: "SceneGeneration") -> Iterator[None]:
    """Whatever this thread logs meanwhile is of that scene: lines of providers, storages and libraries."""
    before = _in_hand.set(scene)
    try:
        yield
    finally:
        _in_hand.reset(before)


class OfScene(logging.Filter):
    """Of a handler: says of each line whose it is, where a scene is in hand and the line does not say so itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        scene = _in_hand.get()
        if scene is not None and not hasattr(record, "scene"):
            vars(record).update(_whose(scene))
        return True


def _whose(scene: "SceneGeneration") -> dict[str, object]:
    return {"job": scene.job_id, "scene": scene.pk, "attempt": scene.attempt, "token": scene.token}
