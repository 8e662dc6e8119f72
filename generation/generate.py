"""One press of Generate: from what was asked to rows, in one transaction.

The one place that knows the limits; forms, API and command line ask here.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from accounts.models import User
from gallery.models import SCENES_AT_ONCE, SEEDS, Character, Scene, Story
from gallery.prompts import compose
from generation.models import KEY_LENGTH, GenerationJob, SceneGeneration
from generation.providers import get_provider
from generation.providers.base import Embedding, ImageRequest
from generation.providers.exceptions import ProviderConfigurationError, RequestRefused

SCENES_A_JOB = SCENES_AT_ONCE
SIDES = (64, 2048)
USUAL_SIDE = 1024
KEY_HOLDS = timedelta(hours=24)
# It travels in a header: what every client can send there and every database can keep.
KEY_PATTERN = rf"[!-~]([ -~]{{0,{KEY_LENGTH - 2}}}[!-~])?"

Cast = tuple[Character, ...]


class GenerateRefused(ValueError):
    """What was asked cannot be generated. `fields` names each wrong field with a sentence for the person."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


class KeyReused(GenerateRefused):
    """The idempotency key was used for something else within the last 24 hours."""

    def __init__(self) -> None:
        super().__init__({"idempotency_key": "This key was already used for another request."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one press of Generate asks for. Each of `scenes` is made `quantity` times, as scenes of their own.

    `story` None: the scenes live in the library alone. `seed` None: the first character's, else a random one.
    """

    scenes: tuple[str, ...]
    quantity: int = 1
    story: Story | None = None
    characters: tuple[Character, ...] = ()
    provider: str = ""
    width: int = USUAL_SIDE
    height: int = USUAL_SIDE
    seed: int | None = None


def generate(owner: User, asked: Asked, *, idempotency_key: str | None = None) -> GenerationJob:
    """Make the job and its scenes. A story that is not saved yet is saved with them, or not at all.

    The same key with the same request within 24 hours gives the job of the first time. Raises GenerateRefused
    (KeyReused for a key with another request) before any row is made. Wakes nobody: that is the caller's next
    step, once this has been committed.
    """
    asked = replace(asked, provider=asked.provider or settings.IMAGE_PROVIDER)
    _refuse_what_is_out_of_bounds(asked)
    return _press(owner, asked, idempotency_key, _body_hash(asked), lambda: _scenes(owner, asked))


def another_take(scene: Scene, *, idempotency_key: str | None = None) -> GenerationJob:
    """One more picture of a scene, with a new seed and the prompt its story gives today."""
    asked = Asked(
        scenes=(scene.text,),
        story=scene.story,
        characters=tuple(scene.cast_in_order()),
        provider=settings.IMAGE_PROVIDER,
        seed=random.randrange(SEEDS),
    )
    if shown := scene.images.order_by("-is_chosen", "-created_at").first():
        asked = replace(asked, width=shown.width, height=shown.height)
    body_hash = hashlib.sha256(f"another take of {scene.pk}".encode()).hexdigest()
    return _press(scene.owner, asked, idempotency_key, body_hash, lambda: [(scene, asked.characters)])


def cast_of(text: str, characters: Sequence[Character]) -> tuple[Character, ...]:
    """Those of the characters that a scene names; all of them where it names none ("She looks up")."""
    words = set(re.findall(r"\w+", text.casefold()))
    named = tuple(one for one in characters if set(re.findall(r"\w+", one.name.casefold())) <= words)
    return named or tuple(characters)


def _refuse_what_is_out_of_bounds(asked: Asked) -> None:
    if wrong := dict(_wrong_fields(asked)):
        raise GenerateRefused(wrong)
    try:
        provider = get_provider(asked.provider)
        for text in asked.scenes:
            provider.check(_request(asked, text, cast_of(text, asked.characters)))
    except RequestRefused as exc:
        raise GenerateRefused({"scenes": exc.message}) from exc
    except ProviderConfigurationError as exc:
        raise GenerateRefused({"provider": str(exc)}) from exc


def _wrong_fields(asked: Asked) -> Iterator[tuple[str, str]]:
    if fault := Scene.fault_in_all(asked.scenes) if asked.scenes else "Write at least one scene.":
        yield "scenes", fault
    if asked.quantity < 1:
        yield "quantity", f"The quantity is 1 to {SCENES_A_JOB:,}."
    elif asked.quantity > 1 and len(asked.scenes) * asked.quantity > SCENES_A_JOB:
        yield "quantity", f"One press of Generate makes at most {SCENES_A_JOB:,} pictures."
    least, most = SIDES
    for side in ("width", "height"):
        if not least <= getattr(asked, side) <= most:
            yield side, f"The {side} is {least} to {most} pixels."
    if asked.seed is not None and not 0 <= asked.seed < SEEDS:
        yield "seed", f"A seed is 0 to {SEEDS - 1}."
    if asked.provider not in settings.GENERATION_PROVIDERS:
        yield "provider", f"There is no provider called {asked.provider[:80]}."


def _body_hash(asked: Asked) -> str:
    story = asked.story
    body = {
        **_plain(asked),
        "scenes": asked.scenes,
        # A story that is made with the job has a new slug each time, and is known by what was written.
        "story": story and (story.title, story.style) if story and story._state.adding else story and story.slug,
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _plain(asked: Asked) -> dict[str, object]:
    return {
        "provider": asked.provider,
        "quantity": asked.quantity,
        "width": asked.width,
        "height": asked.height,
        "seed": asked.seed,
        "characters": [character.slug for character in asked.characters],
    }


def _press(
    owner: User, asked: Asked, key: str | None, body_hash: str, scenes: Callable[[], list[tuple[Scene, Cast]]]
) -> GenerationJob:
    """The job with all of its rows, or that of the first press with this key. `scenes` makes or finds the scenes."""
    if key is not None and not re.fullmatch(KEY_PATTERN, key):
        sentence = f"A key has 1 to {KEY_LENGTH} characters: letters, digits and signs of ASCII."
        raise GenerateRefused({"idempotency_key": sentence})
    with transaction.atomic():
        job, is_new = _job(owner, asked, key, body_hash)
        if is_new:
            SceneGeneration.objects.bulk_create(_generations(asked, job, scenes()), batch_size=500)
        elif job.body_hash != body_hash:
            raise KeyReused
    return job


def _job(owner: User, asked: Asked, key: str | None, body_hash: str) -> tuple[GenerationJob, bool]:
    """The job of that key and whether it is new. Of two requests with one key the constraint lets one win."""
    jobs = GenerationJob.objects.filter(owner=owner, idempotency_key=key)
    if key is not None:
        jobs.filter(created_at__lt=Now() - KEY_HOLDS).update(idempotency_key=None)
    try:
        with transaction.atomic():
            if asked.story is not None and asked.story._state.adding:
                asked.story.save()
            job = GenerationJob.objects.create(
                owner=owner,
                story=asked.story,
                character=asked.characters[0] if asked.characters else None,
                idempotency_key=key,
                body_hash=body_hash,
                asked=_plain(asked),
            )
    except IntegrityError:
        if key is None:
            raise
        return jobs.get(), False
    return job, True


def _scenes(owner: User, asked: Asked) -> list[tuple[Scene, Cast]]:
    first = _next_position(asked.story)
    texts = [text for text in asked.scenes for _ in range(asked.quantity)]
    scenes = [
        Scene(owner=owner, story=asked.story, position=first + number if asked.story else number, text=text)
        for number, text in enumerate(texts)
    ]
    Scene.objects.bulk_create(scenes, batch_size=500)
    with_cast = [(scene, cast_of(scene.text, asked.characters)) for scene in scenes]
    appearances = Scene.cast.through
    appearances.objects.bulk_create(
        [appearances(scene=scene, character=one) for scene, cast in with_cast for one in cast], batch_size=500
    )
    return with_cast


def _next_position(story: Story | None) -> int:
    """Scenes are added at the end. The story's lock keeps two presses of Generate from the same place."""
    if story is None:
        return 0
    if not Story.objects.select_for_update().filter(pk=story.pk):
        raise GenerateRefused({"story": "This story was deleted meanwhile."})
    last: int | None = story.scenes.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def _generations(asked: Asked, job: GenerationJob, scenes: list[tuple[Scene, Cast]]) -> list[SceneGeneration]:
    base = asked.seed
    if base is None:
        base = next((one.seed for one in asked.characters if one.seed is not None), random.randrange(SEEDS))
    rows = []
    for position, (scene, cast) in enumerate(scenes):
        request = _request(asked, scene.text, cast)
        rows.append(
            SceneGeneration(
                job=job,
                owner_id=job.owner_id,
                scene=scene,
                position=position,
                prompt=request.prompt,
                cast=list(request.cast),
                embeddings=[asdict(embedding) for embedding in request.embeddings],
                width=request.width,
                height=request.height,
                seed=(base + position) % SEEDS,
                provider=asked.provider,
            )
        )
    return rows


def _request(asked: Asked, text: str, cast: Cast) -> ImageRequest:
    return ImageRequest(
        prompt=compose(text, cast, asked.story.style if asked.story else ""),
        width=asked.width,
        height=asked.height,
        seed=asked.seed or 0,
        deadline=monotonic() + settings.GENERATION_DEADLINE,
        key=uuid4(),
        cast=tuple(one.name for one in cast),
        embeddings=tuple(Embedding(one.embedding, one.embedding_weight) for one in cast if one.embedding),
    )
