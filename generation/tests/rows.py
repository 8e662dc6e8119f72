"""Scenes in every state, by writing their rows: the pages need no engine."""

import uuid
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from gallery.models import Image
from gallery.tests.rows import GRADIENT
from generation.models import ProviderAccount, SceneGeneration, Status


def change(row: SceneGeneration, **values: Any) -> None:
    SceneGeneration.objects.filter(pk=row.pk).update(**{"changed_at": Now(), **values})


def run(row: SceneGeneration, *, seconds: float = 11, lease: float = 45, **values: Any) -> None:
    account, _ = ProviderAccount.objects.get_or_create(
        provider="sketch", name="", defaults={"allowance": 2, "ceiling": 2}
    )
    begun = Now() - timedelta(seconds=seconds)
    claim = {"account": account, "tag": uuid.uuid4(), "lease_until": Now() + timedelta(seconds=lease)}
    times = {"started_at": begun, "claimed_at": begun}
    change(row, **{"status": Status.RUNNING, "phase": "calling", "attempt": 1, "token": 1, **claim, **times, **values})


def fail(row: SceneGeneration, code: str = "provider_unavailable", message: str = "The provider answered 503.") -> None:
    change(row, status=Status.FAILED, error_code=code, error_message=message, attempt=4, finished_at=Now())


def save(row: SceneGeneration) -> Image:
    begun = Now() - timedelta(seconds=9)
    change(row, status=Status.SAVED, started_at=begun, claimed_at=begun, finished_at=Now(), model="sketch-1")
    chosen = not Image.objects.filter(scene=row.scene_id, is_chosen=True).exists()
    image = image_of(row, width=1024, height=1024, is_chosen=chosen)
    image.save()
    return image


def image_of(row: SceneGeneration, **fields: Any) -> Image:
    """A row that is not saved yet, of a picture that has no file."""
    making = fields.get("generation_id", row.pk)
    return Image(
        **{
            "owner_id": row.owner_id,
            "scene_id": row.scene_id,
            "generation_id": making,
            "name": f"{making}/1-00000000",
            "prompt": row.prompt,
            "search_text": row.prompt.casefold(),
            "seed": row.seed,
            "provider": "sketch",
            "model": "sketch-1",
            "width": 64,
            "height": 64,
            "bytes": 1000,
            "content_type": "image/jpeg",
            "sha256": "0" * 64,
            "crc32": 0,
            "gradient": GRADIENT,
            **fields,
        }
    )
