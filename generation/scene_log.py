"""The log of a scene's life. Each line alone says whose step it is, whichever process and host wrote it."""

import logging

from generation.models import SceneGeneration

log = logging.getLogger(__name__)


def note(
    event: str, scene: SceneGeneration, *, level: int = logging.INFO, exc_info: bool = False, **fields: object
) -> None:
    """A line with job, scene, attempt and token as the claim knows them. Asks no database: threads call it, too."""
    claim = {"job": scene.job_id, "scene": scene.pk, "attempt": scene.attempt, "token": scene.token}
    log.log(level, event, extra={**claim, **fields}, exc_info=exc_info)
