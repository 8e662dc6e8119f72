"""Everybody's rows, for administrators. What was made is looked at here; only words are changed."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.timezone import localtime

from accounts.admin_lists import choice, count_of, linked, to_row, to_rows
from accounts.models import User
from gallery.admin_deletion import DeletesWithFiles
from gallery.admin_pictures import admin_picture, preview, thumbnail
from gallery.models import Character, Image, Scene, Story, Upload
from gallery.receipt import receipt
from gallery.templatetags.gallery import megabytes

WORDS_SHOWN = 80

Fields = list[str | list[str] | tuple[str, ...] | tuple[()]]

OF_PERSON = linked(User, "person", lookup="owner")
PROVIDERS = choice("provider", **{name: (name, Q(provider=name)) for name in settings.GENERATION_PROVIDERS})
FILES = choice("file", there=("In storage", Q(missing_since=None)), missing=("Missing", Q(missing_since__isnull=False)))
TAKES = choice("take", chosen=("Chosen", Q(is_chosen=True)), other=("Other takes", Q(is_chosen=False)))
PLACES = choice("place", story=("In a story", Q(story__isnull=False)), library=("Library alone", Q(story=None)))


@admin.register(Character)
class CharacterAdmin(DeletesWithFiles[Character]):
    list_display = ["name", "person", "in_scenes", "pictures", "style", "created_at"]
    list_filter = ["created_at", OF_PERSON]
    list_select_related = ["owner"]
    list_per_page = 50
    view_on_site = False
    search_fields = ["name", "appearance", "slug", "owner__username"]
    search_help_text = "Name, appearance, address, person"
    ordering = ["-created_at", "-pk"]
    autocomplete_fields = ["owner"]
    readonly_fields = ["slug", "person", "in_scenes", "pictures", "reference_picture", "created_at"]
    stays = "Scenes and pictures with them stay."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Character]:
        appearances = Scene.cast.through.objects.all()
        return (
            super()
            .get_queryset(request)
            .annotate(
                scene_count=count_of(appearances, by="character"),
                picture_count=count_of(Image.objects.all(), by="scene__cast"),
            )
        )

    def get_fields(self, request: HttpRequest, obj: Character | None = None) -> Fields:
        words: Fields = ["name", "appearance", "style", "embedding", "embedding_weight", "seed"]
        if obj is None:
            return ["owner", *words]
        return [*words, "slug", "person", "in_scenes", "pictures", "reference_picture", "created_at"]

    @admin.display(ordering="owner__username")
    def person(self, character: Character) -> SafeString:
        return to_row(character.owner)

    @admin.display(description="scenes", ordering="scene_count")
    def in_scenes(self, character: Character) -> SafeString:
        return to_rows(Scene, _count(character, "scene_count"), character=character.pk)

    @admin.display(ordering="picture_count")
    def pictures(self, character: Character) -> SafeString:
        return to_rows(Image, _count(character, "picture_count"), character=character.pk)

    @admin.display(description="reference")
    def reference_picture(self, character: Character) -> SafeString:
        return thumbnail(character.reference)


@admin.register(Story)
class StoryAdmin(DeletesWithFiles[Story]):
    list_display = ["title", "person", "scenes", "pictures", "style", "created_at"]
    list_filter = ["created_at", OF_PERSON]
    list_select_related = ["owner"]
    list_per_page = 50
    view_on_site = False
    search_fields = ["title", "slug", "owner__username"]
    search_help_text = "Title, address, person"
    ordering = ["-created_at", "-pk"]
    autocomplete_fields = ["owner"]
    readonly_fields = ["slug", "person", "scenes", "pictures", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Story]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                scene_count=count_of(Scene.objects.all(), by="story"),
                picture_count=count_of(Image.objects.all(), by="scene__story"),
            )
        )

    def get_fields(self, request: HttpRequest, obj: Story | None = None) -> Fields:
        if obj is None:
            return ["owner", "title", "style"]
        return ["title", "style", "slug", "person", "scenes", "pictures", "created_at"]

    @admin.display(ordering="owner__username")
    def person(self, story: Story) -> SafeString:
        return to_row(story.owner)

    @admin.display(ordering="scene_count")
    def scenes(self, story: Story) -> SafeString:
        return to_rows(Scene, _count(story, "scene_count"), story=story.pk)

    @admin.display(ordering="picture_count")
    def pictures(self, story: Story) -> SafeString:
        return to_rows(Image, _count(story, "picture_count"), story=story.pk)


@admin.register(Scene)
class SceneAdmin(DeletesWithFiles[Scene]):
    """Made by Generate alone, in its place in the story; here its words can be changed."""

    list_display = ["words", "story_page", "number", "pictures", "person", "created_at"]
    list_filter = [
        PLACES,
        "created_at",
        OF_PERSON,
        linked(Story, "story", lookup="story"),
        linked(Character, "character", lookup="cast"),
    ]
    list_select_related = ["owner", "story"]
    list_per_page = 50
    view_on_site = False
    show_full_result_count = False
    search_fields = ["text", "story__title", "owner__username"]
    search_help_text = "Words, story, person"
    ordering = ["-created_at", "position", "pk"]
    readonly_fields = ["story_page", "number", "appearing", "pictures", "person", "created_at"]
    fields = ["text", *readonly_fields]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scene]:
        return super().get_queryset(request).annotate(picture_count=count_of(Image.objects.all(), by="scene"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="scene", ordering="text")
    def words(self, scene: Scene) -> str:
        return Truncator(scene.text).chars(WORDS_SHOWN)

    @admin.display(description="story", ordering="story__title")
    def story_page(self, scene: Scene) -> SafeString:
        return to_row(scene.story)

    @admin.display(ordering="position")
    def number(self, scene: Scene) -> int:
        return scene.number

    @admin.display(ordering="picture_count")
    def pictures(self, scene: Scene) -> SafeString:
        return to_rows(Image, _count(scene, "picture_count"), scene=scene.pk)

    @admin.display(ordering="owner__username")
    def person(self, scene: Scene) -> SafeString:
        return to_row(scene.owner)

    @admin.display(description="who is in it")
    def appearing(self, scene: Scene) -> SafeString:
        return format_html_join(", ", "{}", ((to_row(character),) for character in scene.cast_in_order()))


@admin.register(Image)
class ImageAdmin(DeletesWithFiles[Image]):
    """Read-only: a picture's row says what happened, and its object in storage belongs to it."""

    list_display = [
        "picture",
        "words",
        "story_page",
        "person",
        "made_by",
        "size",
        "is_chosen",
        "is_there",
        "created_at",
    ]
    list_display_links = ["words"]
    list_filter = [
        PROVIDERS,
        TAKES,
        FILES,
        "created_at",
        OF_PERSON,
        linked(Story, "story", lookup="scene__story"),
        linked(Scene, "scene", lookup="scene"),
        linked(Character, "character", lookup="scene__cast"),
    ]
    list_select_related = ["scene__story", "owner"]
    list_per_page = 50
    view_on_site = False
    show_full_result_count = False
    search_fields = ["search_text", "owner__username", "sha256", "generation_id"]
    search_help_text = "Words of scene and prompt, person, SHA-256, id of its making"
    ordering = ["-created_at", "-pk"]
    fieldsets = [
        (None, {"fields": ["large", "words", "story_page", "person", "is_chosen", "is_there", "created_at"]}),
        ("Receipt", {"fields": ["noted"]}),
        ("In storage", {"fields": ["storage", "name", "generation_id"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.picture_view, cacheable=True)
        return [path("<uuid:pk>/<size:size>", view, name="gallery_image_picture"), *super().get_urls()]

    def picture_view(self, request: HttpRequest, **which: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return admin_picture(request, **which)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        return False

    @admin.display
    def picture(self, image: Image) -> SafeString:
        return thumbnail(image)

    @admin.display(description="picture")
    def large(self, image: Image) -> SafeString:
        return preview(image)

    @admin.display(description="scene", ordering="scene__text")
    def words(self, image: Image) -> str:
        return Truncator(image.scene.text).chars(WORDS_SHOWN)

    @admin.display(description="story", ordering="scene__story__title")
    def story_page(self, image: Image) -> SafeString:
        return to_row(image.scene.story)

    @admin.display(ordering="owner__username")
    def person(self, image: Image) -> SafeString:
        return to_row(image.owner)

    @admin.display(description="provider", ordering="provider")
    def made_by(self, image: Image) -> SafeString:
        return format_html('{} <span class="more">{}</span>', image.provider, image.model)

    @admin.display(ordering="bytes")
    def size(self, image: Image) -> SafeString:
        # No-break spaces: a narrow column would set it in four lines.
        sides = f"{image.width}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{image.height}"
        return format_html('{} <span class="more">{}</span>', sides, megabytes(image.bytes))

    @admin.display(description="file", ordering="missing_since")
    def is_there(self, image: Image) -> SafeString:
        if image.missing_since is None:
            return format_html('<span class="quiet">{}</span>', "in storage")
        missing = '<span class="status is-failed">missing</span> <span class="more">for {}</span>'
        return format_html(missing, timesince(image.missing_since))

    @admin.display(description="as noted")
    def noted(self, image: Image) -> SafeString:
        lines = ((line.term, _shown(line.value)) for line in receipt(image))
        return format_html('<dl class="noted">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", lines))


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin[Upload]):
    """What no picture holds. The sweep deletes these objects; nobody does it by hand."""

    list_display = ["name", "storage", "age", "created_at"]
    list_filter = ["created_at", "storage"]
    show_full_result_count = False
    search_fields = ["name"]
    search_help_text = "Name of the object"
    ordering = ["-created_at"]
    fields = ["name", "storage", "generation_id", "token", "age", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False

    @admin.display(ordering="created_at")
    def age(self, upload: Upload) -> str:
        return timesince(upload.created_at)


def _count(row: object, name: str) -> int:
    """What the query of the list has counted."""
    return int(getattr(row, name, 0))


def _shown(value: object) -> object:
    return date_format(localtime(value), "DATETIME_FORMAT") if isinstance(value, datetime) else value
