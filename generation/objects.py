"""Objects in storage that no picture holds: who may delete them, and when."""

import logging
import time
from datetime import timedelta

from django.core.files.storage import storages
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from gallery.models import Image, Upload, object_names
from gallery.storing import StorageError
from generation import kill_points
from generation.models import SceneGeneration, Status

A_LATE_UPLOAD_MAY_LAND = timedelta(minutes=15)
BATCH = 500
# Seconds after which the rest is left to the next round: the sweep has scenes to rescue, too.
LONGEST_ROUND = 5.0

log = logging.getLogger(__name__)


def delete_unwanted() -> int:
    """Delete the objects of uploads that came to nothing. Returns how many entries are done with.

    Unwanted: no picture has the name, and its scene is gone, not running, or running under a higher token.
    First the object, then the entry; the entry only after a delete made 15 minutes after it was written, since
    an upload of a killed worker may still land.
    """
    named = _unwanted().order_by("storage").values_list("storage", flat=True).distinct()
    return sum(_delete_in(storage) for storage in list(named))


def _delete_in(storage: str) -> int:
    """What one storage holds: what others hold is not to wait for one that is away, or no longer set up."""
    done = 0
    ends = time.monotonic() + LONGEST_ROUND
    for upload in _unwanted().filter(storage=storage)[:BATCH]:
        if time.monotonic() > ends:
            break
        try:
            _delete_objects(upload)
        except OSError as exc:
            log.warning("object.not_deleted", extra={"object": upload.name, "error": type(exc).__name__})
            if isinstance(exc, StorageError):
                # It would say the same of the others, and may take its time for it.
                break
            continue
        done += _end_entry(upload)
    return done


def _delete_objects(upload: Upload) -> None:
    for name in object_names(upload.name):
        kill_points.reached("object.before")
        storages[upload.storage].delete(name)
        kill_points.reached("object.after")


def _end_entry(upload: Upload) -> int:
    kill_points.reached("entry.before")
    old_enough = Upload.objects.filter(pk=upload.pk, created_at__lte=Now() - A_LATE_UPLOAD_MAY_LAND)
    done = old_enough.delete()[0]
    kill_points.reached("entry.after")
    return done


def _unwanted() -> QuerySet[Upload]:
    at_work = SceneGeneration.objects.filter(
        pk=OuterRef("generation_id"), status=Status.RUNNING, token__lte=OuterRef("token")
    )
    kept = Image.objects.filter(name=OuterRef("name"))
    return Upload.objects.filter(~Exists(at_work), ~Exists(kept)).order_by("created_at")
