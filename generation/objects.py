"""Objects in storage that no picture holds: who may delete them, and when."""

import logging
from datetime import timedelta

from django.core.files.storage import storages
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from gallery.models import Image, Upload, object_names
from generation.models import SceneGeneration, Status

A_LATE_UPLOAD_MAY_LAND = timedelta(minutes=15)
BATCH = 500

log = logging.getLogger(__name__)


def delete_unwanted() -> int:
    """Delete the objects of uploads that came to nothing. Returns how many entries are done with.

    Unwanted: no picture has the name, and its scene is gone, not running, or running under a higher token.
    First the object, then the entry; the entry only after a delete made 15 minutes after it was written, since
    an upload of a killed worker may still land.
    """
    done = 0
    for upload in _unwanted()[:BATCH]:
        try:
            for name in object_names(upload.name):
                storages[upload.storage].delete(name)
        except OSError as exc:
            # That storage is away, or no longer set up: what others hold is not to wait for it.
            log.warning("object.not_deleted", extra={"object": upload.name, "error": type(exc).__name__})
            continue
        old_enough = Upload.objects.filter(pk=upload.pk, created_at__lte=Now() - A_LATE_UPLOAD_MAY_LAND)
        done += old_enough.delete()[0]
    return done


def _unwanted() -> QuerySet[Upload]:
    at_work = SceneGeneration.objects.filter(
        pk=OuterRef("generation_id"), status=Status.RUNNING, token__lte=OuterRef("token")
    )
    kept = Image.objects.filter(name=OuterRef("name"))
    return Upload.objects.filter(~Exists(at_work), ~Exists(kept)).order_by("created_at")
