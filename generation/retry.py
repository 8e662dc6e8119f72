"""One failed scene again, where wanted with other words."""

from django.db import transaction

from gallery.models import Scene
from gallery.prompts import compose
from generation.models import SceneGeneration
from generation.repeated import repeated


@repeated
def retry_scene(row: SceneGeneration, *, text: str | None = None) -> bool:
    """Whether this call moved it. With `text` its scene says that from now on, and the prompt is put together anew."""
    with transaction.atomic():
        moved = SceneGeneration.objects.filter(pk=row.pk).retry()
        if moved and text is not None and text != row.scene.text:
            _say(row, text)
    return bool(moved)


def _say(row: SceneGeneration, text: str) -> None:
    scene = row.scene
    Scene.objects.filter(pk=scene.pk).update(text=text)
    prompt = compose(text, scene.cast_in_order(), scene.story.style if scene.story else "")
    # Other words are another request: nothing a provider may still hold of the old one is of use.
    SceneGeneration.objects.filter(pk=row.pk).update(prompt=prompt, request_token=None)
