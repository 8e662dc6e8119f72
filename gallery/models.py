"""The library: what exists. Nothing here knows how pictures are made."""

import secrets
import string
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.files.storage import Storage, storages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.urls import reverse
from django.utils.text import slugify

from accounts.models import User
from gallery.picture import EXTENSIONS

NAME_LENGTH = 80
TITLE_LENGTH = 120
STYLE_LENGTH = 500
APPEARANCE_LENGTH = 1_000
EMBEDDING_LENGTH = 200
EMBEDDING_WEIGHTS = (0.0, 2.0)
SCENE_LENGTH = 4_000
SCENES_AT_ONCE = 1_000
SEEDS = 2**31

SLUG_ALPHABET = string.ascii_lowercase + string.digits

Row = TypeVar("Row", bound=models.Model)


class OwnedQuerySet(models.QuerySet[Row]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """The rows this person may see: their own. A superuser sees others' rows in the admin only."""
        return self.filter(owner=user) if user.is_authenticated else self.none()


class Slugged(models.Model):
    """Something with a readable address that stays when the thing is renamed: `mira-k3f9`."""

    NAMED_BY: ClassVar[str]
    SLUG_WITHOUT_NAME: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=60, unique=True, editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.slug:
            self.slug = self._free_slug()
        super().save(*args, **kwargs)

    def _free_slug(self) -> str:
        stem = slugify(getattr(self, self.NAMED_BY))[:50].strip("-") or self.SLUG_WITHOUT_NAME
        while True:
            slug = f"{stem}-{''.join(secrets.choice(SLUG_ALPHABET) for _ in range(4))}"
            if not type(self)._default_manager.filter(slug=slug).exists():
                return slug


class Character(Slugged):
    """Somebody who appears in scenes. Every prompt with them in it says their appearance."""

    NAMED_BY = "name"
    SLUG_WITHOUT_NAME = "character"

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="characters")
    name = models.CharField(max_length=NAME_LENGTH)
    appearance = models.TextField(blank=True, max_length=APPEARANCE_LENGTH)
    style = models.CharField(max_length=STYLE_LENGTH, blank=True)
    embedding = models.CharField(max_length=EMBEDDING_LENGTH, blank=True)
    embedding_weight = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(EMBEDDING_WEIGHTS[0]), MaxValueValidator(EMBEDDING_WEIGHTS[1])],
    )
    seed = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(SEEDS - 1)]
    )
    reference = models.ForeignKey(
        "Image", on_delete=models.SET_NULL, null=True, blank=True, related_name="reference_of"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = OwnedQuerySet["Character"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created_at"], name="character_newest")]
        constraints = [
            models.CheckConstraint(
                name="character_seed_in_range",
                condition=Q(seed=None) | Q(seed__gte=0, seed__lt=SEEDS),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("gallery:character", args=[self.slug])


class Story(Slugged):
    NAMED_BY = "title"
    SLUG_WITHOUT_NAME = "story"

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="stories")
    title = models.CharField(max_length=TITLE_LENGTH)
    style = models.CharField(max_length=STYLE_LENGTH, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = OwnedQuerySet["Story"].as_manager()

    class Meta:
        verbose_name_plural = "stories"
        indexes = [models.Index(fields=["owner", "-created_at"], name="story_newest")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("gallery:story", args=[self.slug])


class Scene(models.Model):
    """What one picture shows, in the author's words. Without a story it lives in the library alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="scenes")
    story = models.ForeignKey(Story, on_delete=models.CASCADE, null=True, blank=True, related_name="scenes")
    position = models.PositiveIntegerField(default=0)
    text = models.TextField(max_length=SCENE_LENGTH)
    cast = models.ManyToManyField(Character, blank=True, related_name="scenes")
    created_at = models.DateTimeField(db_default=Now())

    objects = OwnedQuerySet["Scene"].as_manager()

    class Meta:
        ordering = ["position", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                name="scene_position_once_a_story",
                fields=["story", "position"],
                condition=Q(story__isnull=False),
            ),
            models.CheckConstraint(name="scene_has_text", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def number(self) -> int:
        """What people see: positions count from 0, pages and file names from 1."""
        return self.position + 1

    @staticmethod
    def fault_in(text: str) -> str | None:
        """What keeps `text` from being a scene, to follow its place: "Scene 3 is empty." None where nothing does."""
        if not text.strip():
            return "is empty."
        if len(text) > SCENE_LENGTH:
            return f"has {len(text):,} characters; up to {SCENE_LENGTH:,} fit in a scene."
        return "holds a character that cannot be stored." if "\0" in text else None

    @staticmethod
    def fault_in_number(scenes: int) -> str | None:
        """What keeps so many scenes from being written in one go. None where nothing does."""
        too_many = scenes > SCENES_AT_ONCE
        return f"These are {scenes:,} scenes; up to {SCENES_AT_ONCE:,} fit in one go." if too_many else None

    @staticmethod
    def fault_in_all(texts: Sequence[str]) -> str | None:
        """What keeps these texts from being scenes that are written in one go: of several faults the first."""
        if fault := Scene.fault_in_number(len(texts)):
            return fault
        faults = ((number, Scene.fault_in(text)) for number, text in enumerate(texts, start=1))
        return next((f"Scene {number} {fault}" for number, fault in faults if fault), None)

    def cast_in_order(self) -> list[Character]:
        """Who appears, in the order in which they were named: prompts name them so, too."""
        appearances = Scene.cast.through.objects.filter(scene=self).select_related("character").order_by("pk")
        return [appearance.character for appearance in appearances]


class ImageQuerySet(OwnedQuerySet["Image"]):
    def shown(self) -> Self:
        return self.filter(deleted_at=None)

    def chosen(self) -> Self:
        return self.shown().filter(is_chosen=True)

    def matching(self, words: str) -> Self:
        """Pictures whose scene or prompt has every one of the words, in any order and case."""
        found = self
        for word in words.casefold().split():
            found = found.filter(search_text__contains=word)
        return found


class Image(models.Model):
    """A take of its scene: the one variation that was kept, with all that a person may want to know of it.

    Receipts, search and the archive need no row of generation: `generation_id` is a plain value.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="images")
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, related_name="images")
    generation_id = models.UUIDField(unique=True)
    storage = models.CharField(max_length=20, default="local")
    name = models.CharField(max_length=255, unique=True)
    prompt = models.TextField()
    search_text = models.TextField(editable=False)
    seed = models.BigIntegerField()
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=120, blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveBigIntegerField()
    content_type = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    crc32 = models.BigIntegerField()
    gradient = models.CharField(max_length=24)
    receipt = models.JSONField(default=dict)
    is_chosen = models.BooleanField(default=False)
    missing_since = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = ImageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="image_newest"),
            models.Index(fields=["sha256"], name="image_bytes"),
        ]
        constraints = [
            models.UniqueConstraint(name="one_chosen_image_a_scene", fields=["scene"], condition=Q(is_chosen=True)),
            models.CheckConstraint(name="deleted_image_not_chosen", condition=Q(deleted_at=None) | Q(is_chosen=False)),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("gallery:image", args=[self.pk])

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.content_type]

    @property
    def file_storage(self) -> Storage:
        return storages[self.storage]


class Upload(models.Model):
    """An object that may exist in storage and that no Image holds: being uploaded now, or to be deleted.

    Plain values without a foreign key, so that it outlives the rows it was made for.
    """

    name = models.CharField(max_length=255, unique=True)
    storage = models.CharField(max_length=20, default="local")
    generation_id = models.UUIDField()
    token = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="upload_oldest")]

    def __str__(self) -> str:
        return self.name


def object_names(name: str) -> tuple[str, ...]:
    """Every object that belongs to a picture: its original and its small sizes."""
    return (name, f"{name}-320", f"{name}-640")


def token_of(name: str) -> int:
    """The token under which an object was made; its name says it."""
    return int(name.rpartition("/")[2].partition("-")[0])


@receiver(pre_delete, sender=Image)
def write_name_back(instance: Image, **_: object) -> None:
    """An object's name is in exactly one of Image and Upload, whatever cascade deletes the row."""
    token = token_of(instance.name)
    Upload.objects.get_or_create(
        name=instance.name,
        defaults={"storage": instance.storage, "generation_id": instance.generation_id, "token": token},
    )
