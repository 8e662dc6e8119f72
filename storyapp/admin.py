"""People, with what every room has of them: the rooms below do not know each other, so that only here all of it is."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin_lists import count_of, to_rows
from accounts.models import ApiToken, User
from gallery.admin_deletion import DeletesWithFiles
from gallery.models import Character, Image, Story
from generation.models import OPEN, GenerationJob, SceneGeneration

OPEN_JOBS = GenerationJob.objects.filter(Exists(SceneGeneration.objects.filter(job=OuterRef("pk"), status__in=OPEN)))


@admin.register(User)
class PersonAdmin(DeletesWithFiles[User], UserAdmin[User]):
    list_display = [
        "username",
        "email",
        "stories",
        "characters",
        "pictures",
        "open_jobs",
        "is_active",
        "is_staff",
        "last_login",
    ]
    list_filter = ["is_active", "is_staff", "is_superuser", "last_login"]
    list_per_page = 50
    search_help_text = "Name, e-mail"
    readonly_fields = ["last_login", "date_joined", "stories", "characters", "pictures", "open_jobs", "tokens"]
    fieldsets = [
        *(UserAdmin.fieldsets or ()),
        ("What is theirs", {"fields": ["stories", "characters", "pictures", "open_jobs", "tokens"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                story_count=count_of(Story.objects.all(), by="owner"),
                character_count=count_of(Character.objects.all(), by="owner"),
                picture_count=count_of(Image.objects.all(), by="owner"),
                open_job_count=count_of(OPEN_JOBS, by="owner"),
                token_count=count_of(ApiToken.objects.unrevoked(), by="user"),
            )
        )

    @admin.display(ordering="story_count")
    def stories(self, person: Any) -> SafeString:
        return to_rows(Story, person.story_count, person=person.pk)

    @admin.display(ordering="character_count")
    def characters(self, person: Any) -> SafeString:
        return to_rows(Character, person.character_count, person=person.pk)

    @admin.display(ordering="picture_count")
    def pictures(self, person: Any) -> SafeString:
        return to_rows(Image, person.picture_count, person=person.pk)

    @admin.display(ordering="open_job_count")
    def open_jobs(self, person: Any) -> SafeString:
        return to_rows(GenerationJob, person.open_job_count, person=person.pk, state="open")

    @admin.display(description="API tokens in use")
    def tokens(self, person: Any) -> SafeString:
        return to_rows(ApiToken, person.token_count, person=person.pk, state="used")
