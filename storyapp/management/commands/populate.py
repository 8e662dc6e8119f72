"""Sample rows with real small pictures, to look at pages and to measure them."""

import hashlib
import random
import zlib
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from PIL import Image as Pixels

from accounts.models import User
from gallery.models import SEEDS, Character, Image, Scene, Story
from gallery.prompts import compose

SCENES_A_STORY = 24
SIDE = 640
BATCH = 480

NAMES = ("Mira", "Fox", "Old Tam", "Juno", "The cat", "Bram", "Isla", "Robot Nine", "Wren", "Captain Oda")
LOOKS = (
    "a girl of nine with a red coat and two dark braids",
    "a small fox with a white tip to its tail",
    "an old man with a lantern and a grey beard",
    "a tall woman in a blue raincoat",
    "a black cat with one torn ear",
)
STYLES = ("Watercolour at night", "Paper cut-out, soft light", "Ink and gouache", "Linocut in three colours")
TITLES = ("The {} who {}", "How the {} {}", "The night the {} {}")
WHO = ("fox", "lighthouse", "river", "cat", "clockmaker", "robot", "owl", "tailor", "moon", "captain")
DID = ("carried the light", "forgot its name", "went to sea", "learned to sing", "kept a secret", "found the sun")
SCENES = (
    "A {} finds a lantern in the misty forest at dawn",
    "They come to the sea at sunset, where a boat is waiting",
    "The {} crosses the hills before the first snow falls",
    "A small town with crooked roofs in autumn",
    "The {} looks at the moon for a long time and says nothing",
    "All the windows of the city are lit, and nobody is awake but the {}",
    "The boat passes the lighthouse at dusk",
    "A {} sleeps under the oldest tree of the forest while the rain goes by over the mountains far away",
)
# Four colours from the sky down: night, dusk, dawn, autumn, sea, mist.
LIGHTS = (
    "0b133f233066304a7c0a1030",
    "4b2d5c9a4a63c9695a3a1d3d",
    "4d4a8f9c86a8d9a98a5a4162",
    "f2cf9ed99a63a85a3d5a2a1e",
    "c7d6d68fb0b55f8c99375f70",
    "dfe3df b6c2bf8b9f9a4f6662".replace(" ", ""),
)


class Command(BaseCommand):
    help = "Make sample stories of 24 scenes with their pictures, and characters, for a person."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name; made where there is none")
        parser.add_argument("--characters", type=int, default=4)
        parser.add_argument("--images", type=int, default=48)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["characters"] < 0 or options["images"] < 0:
            raise CommandError("Neither characters nor images can be fewer than none.", returncode=2)
        owner, _ = User.objects.get_or_create(username=options["user"])
        # The same command makes the same words and colours.
        chance = random.Random(f"{options['characters']} {options['images']}")
        characters = _characters(owner, options["characters"], chance)
        for made in range(0, options["images"], BATCH):
            _pictures(owner, characters, min(BATCH, options["images"] - made), chance)
            self.stdout.write(f"{min(made + BATCH, options['images'])} of {options['images']} pictures")
        self.stdout.write(
            f"{owner.username} has {options['characters']} more characters, {options['images']} more pictures."
        )


def _characters(owner: User, count: int, chance: random.Random) -> list[Character]:
    return [
        Character.objects.create(
            owner=owner, name=NAMES[n % len(NAMES)], appearance=chance.choice(LOOKS), style=chance.choice(STYLES)
        )
        for n in range(count)
    ]


def _pictures(owner: User, characters: list[Character], count: int, chance: random.Random) -> None:
    """Files first, then the rows of one batch in one transaction."""
    begin = timezone.now()
    stories = [_story(owner, chance) for _ in range(-(-count // SCENES_A_STORY))]
    scenes = [
        _scene(owner, stories[n // SCENES_A_STORY], n % SCENES_A_STORY, begin + timedelta(milliseconds=n), chance)
        for n in range(count)
    ]
    casts = [(characters[n % len(characters)],) if characters else () for n in range(count)]
    images = [
        _image(scene, compose(scene.text, cast, scene.story.style if scene.story else ""), chance)
        for scene, cast in zip(scenes, casts, strict=True)
    ]
    with transaction.atomic():
        for story in stories:
            story.save()
        Scene.objects.bulk_create(scenes)
        Scene.cast.through.objects.bulk_create(
            Scene.cast.through(scene_id=scene.pk, character_id=character.pk)
            for scene, cast in zip(scenes, casts, strict=True)
            for character in cast
        )
        Image.objects.bulk_create(images, batch_size=100)


def _story(owner: User, chance: random.Random) -> Story:
    title = chance.choice(TITLES).format(chance.choice(WHO), chance.choice(DID))
    return Story(owner=owner, title=title, style=chance.choice(STYLES))


def _scene(owner: User, story: Story, position: int, moment: datetime, chance: random.Random) -> Scene:
    text = chance.choice(SCENES).format(chance.choice(WHO))
    return Scene(owner=owner, story=story, position=position, text=text, created_at=moment)


def _image(scene: Scene, prompt: str, chance: random.Random) -> Image:
    gradient = chance.choice(LIGHTS)
    content, small = _drawn(gradient, chance)
    sha256 = hashlib.sha256(content).hexdigest()
    generation_id = uuid4()
    name = f"{generation_id}/1-{sha256[:8]}"
    default_storage.save(name, ContentFile(content))
    for width, thumbnail in small.items():
        default_storage.save(f"{name}-{width}", ContentFile(thumbnail))
    return Image(
        owner=scene.owner,
        scene=scene,
        generation_id=generation_id,
        name=name,
        prompt=prompt,
        search_text=f"{scene.text} {prompt}".casefold(),
        seed=chance.randrange(SEEDS),
        provider="sketch",
        model="sample",
        width=SIDE,
        height=SIDE,
        bytes=len(content),
        content_type="image/jpeg",
        sha256=sha256,
        crc32=zlib.crc32(content),
        gradient=gradient,
        receipt={"attempts": 1, "variations_offered": 1, "bytes_received": len(content)},
        is_chosen=True,
        created_at=scene.created_at,
    )


def _drawn(gradient: str, chance: random.Random) -> tuple[bytes, dict[int, bytes]]:
    """A sky of four colours with a disc in it, as JPEG, and its small sizes: about 8 ms."""
    column = Pixels.frombytes("RGB", (1, 4), bytes.fromhex(gradient))
    sky = column.resize((SIDE, SIDE), Pixels.Resampling.BICUBIC)
    size = chance.randrange(60, 150)
    disc = Pixels.radial_gradient("L").resize((size, size)).point(lambda value: 230 if value < 110 else 0)
    place = chance.randrange(40, SIDE - size), chance.randrange(40, SIDE // 2)
    sky.paste(Pixels.new("RGB", (size, size), "#f6ecd0"), place, disc)
    small = {width: _encoded(sky.resize((width, width)), "WEBP", 70) for width in (320, 640)}
    return _encoded(sky, "JPEG", 80), small


def _encoded(picture: Pixels.Image, kind: str, quality: int) -> bytes:
    file = BytesIO()
    picture.save(file, kind, quality=quality, method=0)
    return file.getvalue()
