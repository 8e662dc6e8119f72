"""Rows for tests, with small real pictures in the test's own storage."""

import hashlib
import zlib
from datetime import timedelta
from functools import cache
from io import BytesIO
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Model
from django.db.models.functions import Now
from PIL import Image as Pixels

from accounts.models import User
from gallery.models import Character, Image, Scene, Story
from gallery.prompts import compose

GRADIENT = "0b133f233066304a7c0a1030"


def a_person(name: str = "owner") -> User:
    return User.objects.create(username=name)


def a_character(owner: User, name: str = "Mira", **fields: Any) -> Character:
    return Character.objects.create(owner=owner, name=name, **{"appearance": "a girl in a red coat", **fields})


def a_story(owner: User, *, scenes: int = 3, cast: tuple[Character, ...] = (), title: str = "The lantern") -> Story:
    """A story with a chosen picture of each scene."""
    story = Story.objects.create(owner=owner, title=title, style="Watercolour")
    for position in range(scenes):
        a_picture(a_scene(story, position, cast=cast))
    return story


def a_scene(story: Story, position: int, *, text: str = "", cast: tuple[Character, ...] = ()) -> Scene:
    text = text or f"Scene {position + 1} at dusk"
    scene = Scene.objects.create(owner=story.owner, story=story, position=position, text=text)
    scene.cast.set(cast)
    return scene


def made_in_turn(*rows: Model) -> None:
    """A second apart, the last one just now: SQLite's clock has milliseconds, and within one there is no order."""
    for seconds, row in enumerate(reversed(rows)):
        type(row)._default_manager.filter(pk=row.pk).update(created_at=Now() - timedelta(seconds=seconds))


def a_picture(scene: Scene, **fields: Any) -> Image:
    """With its file; chosen unless told otherwise. `content` is drawn where it is not given."""
    content = fields.pop("content", None) or jpeg()
    sha256 = hashlib.sha256(content).hexdigest()
    generation_id = uuid4()
    name = f"{generation_id}/1-{sha256[:8]}"
    default_storage.save(name, ContentFile(content))
    prompt = compose(scene.text, scene.cast.all(), scene.story.style if scene.story else "")
    return Image.objects.create(
        **{
            "owner": scene.owner,
            "scene": scene,
            "generation_id": generation_id,
            "name": name,
            "prompt": prompt,
            "search_text": f"{scene.text} {prompt}".casefold(),
            "seed": 7,
            "provider": "sketch",
            "model": "sketch-1",
            "width": 64,
            "height": 64,
            "bytes": len(content),
            "content_type": "image/jpeg",
            "sha256": sha256,
            "crc32": zlib.crc32(content),
            "gradient": GRADIENT,
            "receipt": {"attempts": 2, "variations_offered": 4, "bytes_received": 123_456},
            "is_chosen": True,
            **fields,
        }
    )


@cache
def jpeg(colour: str = "#304a7c", side: int = 64) -> bytes:
    file = BytesIO()
    Pixels.new("RGB", (side, side), colour).save(file, "JPEG")
    return file.getvalue()
