"""Everybody's rows, for superusers. What was made is looked at here; only words are changed."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.models import Character, Image, Scene, Story
from gallery.templatetags.gallery import gradient, megabytes


@admin.register(Character)
class CharacterAdmin(admin.ModelAdmin[Character]):
    list_display = ["name", "owner", "slug", "created_at"]
    list_filter = ["owner"]
    list_select_related = ["owner"]
    search_fields = ["name", "appearance", "slug"]
    readonly_fields = ["slug", "created_at"]
    raw_id_fields = ["owner", "reference"]


@admin.register(Story)
class StoryAdmin(admin.ModelAdmin[Story]):
    list_display = ["title", "owner", "scenes", "slug", "created_at"]
    list_filter = ["owner"]
    list_select_related = ["owner"]
    search_fields = ["title", "slug"]
    readonly_fields = ["slug", "created_at"]
    raw_id_fields = ["owner"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Story]:
        return super().get_queryset(request).annotate(scene_count=Count("scenes"))

    @admin.display(ordering="scene_count")
    def scenes(self, story: Story) -> int:
        return int(getattr(story, "scene_count", 0))


@admin.register(Scene)
class SceneAdmin(admin.ModelAdmin[Scene]):
    list_display = ["__str__", "owner", "story", "number", "created_at"]
    list_filter = ["owner"]
    list_select_related = ["owner", "story"]
    search_fields = ["text", "story__title"]
    readonly_fields = ["created_at"]
    raw_id_fields = ["owner", "story", "cast"]


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin[Image]):
    """Read-only: a picture's row says what happened, and its object in storage belongs to it."""

    list_display = ["swatch", "scene", "owner", "provider", "size", "is_chosen", "missing_since", "created_at"]
    list_display_links = ["scene"]
    list_filter = ["provider", "is_chosen", ("missing_since", admin.EmptyFieldListFilter), "owner"]
    list_select_related = ["scene", "owner"]
    list_per_page = 50
    search_fields = ["search_text", "sha256", "generation_id"]
    exclude = ["receipt", "search_text"]

    def get_readonly_fields(self, request: HttpRequest, obj: Image | None = None) -> list[str]:
        columns = [field.name for field in Image._meta.fields if field.name not in (self.exclude or ())]
        return ["swatch", *columns, "receipt_as_noted"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="colours")
    def swatch(self, image: Image) -> SafeString:
        """The picture's gradient, not the picture: pictures are shown to their owners only."""
        return format_html(
            '<svg width="48" height="48" viewBox="0 0 1 1">{}</svg>', gradient(image.gradient, f"admin-{image.pk}")
        )

    @admin.display(description="file", ordering="bytes")
    def size(self, image: Image) -> str:
        return f"{image.width} × {image.height}, {megabytes(image.bytes)}"

    @admin.display(description="receipt")
    def receipt_as_noted(self, image: Image) -> SafeString:
        noted: dict[str, Any] = image.receipt
        return format_html("<pre>{}</pre>", json.dumps(noted, indent=2, ensure_ascii=False))
