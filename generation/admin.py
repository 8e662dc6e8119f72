"""Everybody's jobs, for administrators: looked at here, and changed nowhere but by their own transitions."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from accounts.admin_lists import choice, count_of, linked, list_address, to_row, to_rows
from accounts.models import User
from gallery.admin_deletion import DeletesWithFiles
from gallery.admin_pictures import thumbnail
from gallery.models import Character, Story
from gallery.shelf import counted
from generation import admin_actions, admin_words
from generation.admin_rows import SCENES_SHOWN, WORDS_SHOWN, JobList, SceneList, failed_first, told, with_images
from generation.models import OPEN, GenerationJob, ProviderAccount, SceneGeneration, SceneGenerationQuerySet, Status
from generation.progress import Totals, totals

OF_PERSON = linked(User, "person", lookup="owner")
OF_JOB = SceneGeneration.objects.filter(job=OuterRef("pk"))
JOBS_BY_STATE = choice(
    "state",
    open=("Going on", Q(Exists(OF_JOB.filter(status__in=OPEN)))),
    failed=("With failed scenes", Q(Exists(OF_JOB.filter(status=Status.FAILED)))),
    cancelled=("With cancelled scenes", Q(Exists(OF_JOB.filter(status=Status.CANCELLED)))),
    saved=("All saved", ~Q(Exists(OF_JOB.exclude(status=Status.SAVED)))),
)


@admin.register(GenerationJob)
class GenerationJobAdmin(DeletesWithFiles[GenerationJob]):
    list_display = ["title", "state", "pictures", "why", "person", "about", "created_at", "took"]
    list_filter = [
        JOBS_BY_STATE,
        "created_at",
        OF_PERSON,
        linked(Story, "story", lookup="story"),
        linked(Character, "character", lookup="character"),
    ]
    list_per_page = 50
    view_on_site = False
    show_full_result_count = False
    search_fields = ["id", "story__title", "character__name", "owner__username"]
    search_help_text = "Story, character, person, id"
    ordering = ["-created_at", "-pk"]
    actions = ["retry_failed", "cancel", "delete_selected"]
    readonly_fields = [
        "title",
        "state",
        "pictures",
        "why",
        "took",
        "person",
        "about",
        "created_at",
        "noted",
        "idempotency_key",
        "id",
    ]
    fields = [*readonly_fields]
    stays = "Scenes and pictures stay. What workers still make of these jobs is dropped."

    def get_urls(self) -> list[URLPattern]:
        return [*admin_actions.buttons(self), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> GenerationJob | None:
        job = super().get_object(request, object_id, from_field)
        return next(iter(told([job.pk])), None) if job else None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        job: GenerationJob = context["original"]
        shown = totals(job)
        context |= {
            "show_save": False,
            "show_save_and_continue": False,
            "scenes": failed_first(job),
            "all_scenes": list_address(SceneGeneration, job=job.pk),
            "most": SCENES_SHOWN,
            "totals": shown,
            "can_act": self.has_change_permission(request, job),
            "retry": f"Retry {counted(shown.failed, 'failed scene')}" if shown.failed else "",
            "cancel": "Cancel what has not ended" if shown.is_open else "",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="job")
    def title(self, job: GenerationJob) -> str:
        return totals(job).title

    @admin.display
    def state(self, job: GenerationJob) -> SafeString:
        return admin_words.job_label(totals(job))

    @admin.display
    def pictures(self, job: GenerationJob) -> str:
        return admin_words.pictures(totals(job))

    @admin.display
    def why(self, job: GenerationJob) -> SafeString:
        return admin_words.reasons(getattr(job, "reasons", ()))

    @admin.display(ordering="owner__username")
    def person(self, job: GenerationJob) -> SafeString:
        return to_row(job.owner)

    @admin.display(description="for")
    def about(self, job: GenerationJob) -> SafeString:
        return to_row(job.story, "story") if job.story else to_row(job.character, "character")

    @admin.display
    def took(self, job: GenerationJob) -> str:
        return admin_words.job_took(totals(job), timezone.now())

    @admin.display(description="asked")
    def noted(self, job: GenerationJob) -> SafeString:
        return admin_words.asked(job)

    @admin.action(description="Retry failed scenes", permissions=["change"])
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[GenerationJob]) -> None:
        admin_actions.retry(self, request, _scenes_of(queryset), noted="job")

    @admin.action(description="Cancel what has not ended", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[GenerationJob]) -> None:
        admin_actions.cancel(self, request, _scenes_of(queryset), noted="job")


class Reasons(admin.AllValuesFieldListFilter):
    """Without the empty one, which most scenes have, and which would be a link without words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        return (choice for choice in super().choices(changelist) if choice["display"])


@admin.register(SceneGeneration)
class SceneGenerationAdmin(admin.ModelAdmin[SceneGeneration]):
    """They go with their jobs, their scenes or their people, and never alone."""

    list_display = ["picture", "words", "standing", "why", "job_page", "person", "paced_by", "changed_at"]
    list_display_links = ["words"]
    list_filter = [
        "status",
        "provider",
        ("error_code", Reasons),
        "changed_at",
        OF_PERSON,
        linked(GenerationJob, "job", lookup="job"),
        linked(ProviderAccount, "account", lookup="account"),
    ]
    list_select_related = ["owner", "scene", "account", "job__story", "job__character"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["id", "job__id", "prompt", "owner__username"]
    search_help_text = "Words of the prompt, person, id of scene or job"
    ordering = ["-changed_at", "-pk"]
    actions = ["retry_failed", "cancel"]
    fieldsets = [
        (None, {"fields": ["picture", "state", "why", "tries", "lease", "took", "scene_page", "job_page", "person"]}),
        ("What was asked", {"fields": ["prompt", "in_it", "embedded", "width", "height", "seed", "provider"]}),
        (
            "Who works on it",
            {
                "fields": [
                    "account_page",
                    "phase",
                    "token",
                    "tag",
                    "request_token",
                    "due_at",
                    "lease_until",
                    "slot_until",
                ]
            },
        ),
        (
            "What came of it",
            {
                "fields": [
                    "error_code",
                    "model",
                    "variations_offered",
                    "bytes_received",
                    "created_at",
                    "started_at",
                    "claimed_at",
                    "finished_at",
                    "changed_at",
                    "id",
                ]
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        return [*admin_actions.buttons(self), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SceneList

    def get_queryset(self, request: HttpRequest) -> QuerySet[SceneGeneration]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SceneGeneration | None:
        row = super().get_object(request, object_id, from_field)
        return with_images([row])[0] if row else None

    def get_readonly_fields(self, request: HttpRequest, obj: SceneGeneration | None = None) -> list[str]:
        return [str(name) for _, options in self.fieldsets for name in options["fields"]]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: SceneGeneration = context["original"]
        context |= {
            "show_save": False,
            "show_save_and_continue": False,
            "can_act": self.has_change_permission(request, row),
            "retry": "Retry this scene" if row.status == Status.FAILED else "",
            "cancel": "Cancel this scene" if row.status in OPEN else "",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SceneGeneration | None = None) -> bool:
        return False

    @admin.display
    def picture(self, row: SceneGeneration) -> SafeString:
        return thumbnail(getattr(row, "image", None))

    @admin.display(description="scene")
    def words(self, row: SceneGeneration) -> str:
        return Truncator(row.scene.text).chars(WORDS_SHOWN)

    @admin.display(ordering="status")
    def state(self, row: SceneGeneration) -> SafeString:
        return admin_words.scene_label(row, timezone.now())

    @admin.display
    def why(self, row: SceneGeneration) -> str:
        return admin_words.why(row, timezone.now())

    @admin.display(description="state", ordering="status")
    def standing(self, row: SceneGeneration) -> SafeString:
        return admin_words.standing(row, timezone.now())

    @admin.display(ordering="attempt")
    def tries(self, row: SceneGeneration) -> str:
        return admin_words.tries(row)

    @admin.display(ordering="lease_until")
    def lease(self, row: SceneGeneration) -> str:
        return admin_words.lease(row, timezone.now())

    @admin.display
    def took(self, row: SceneGeneration) -> str:
        return admin_words.scene_took(row, timezone.now())

    @admin.display(description="provider", ordering="provider")
    def paced_by(self, row: SceneGeneration) -> SafeString | str:
        return to_row(row.account) if row.account else row.provider

    @admin.display(description="account")
    def account_page(self, row: SceneGeneration) -> SafeString:
        return to_row(row.account)

    @admin.display(description="who is in it")
    def in_it(self, row: SceneGeneration) -> str:
        return ", ".join(row.cast) or "–"

    @admin.display(description="embeddings")
    def embedded(self, row: SceneGeneration) -> str:
        return ", ".join(f"{one['name']} at {one['weight']}" for one in row.embeddings) or "–"

    @admin.display(description="scene")
    def scene_page(self, row: SceneGeneration) -> SafeString:
        return to_row(row.scene)

    @admin.display(description="job")
    def job_page(self, row: SceneGeneration) -> SafeString:
        return to_row(row.job, Totals(row.job, {}, is_claimed=False).title)

    @admin.display(ordering="owner__username")
    def person(self, row: SceneGeneration) -> SafeString:
        return to_row(row.owner)

    @admin.action(description="Retry failed scenes", permissions=["change"])
    def retry_failed(self, request: HttpRequest, queryset: SceneGenerationQuerySet) -> None:
        admin_actions.retry(self, request, _plain(queryset), noted="pk")

    @admin.action(description="Cancel what has not ended", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: SceneGenerationQuerySet) -> None:
        admin_actions.cancel(self, request, _plain(queryset), noted="pk")


@admin.register(ProviderAccount)
class ProviderAccountAdmin(admin.ModelAdmin[ProviderAccount]):
    """Ceilings come from the settings, allowances from what the provider says: neither is set by hand."""

    list_display = ["account", "state", "at_once", "open_calls", "is_set_up", "cut_at"]
    list_filter = ["provider"]
    search_fields = ["provider", "name"]
    ordering = ["provider", "name"]
    readonly_fields = ["account", "state", "at_once", "open_calls", "is_set_up", "closed_until", "cut_at"]
    fields = [*readonly_fields]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderAccount]:
        open_calls = SceneGeneration.objects.filter(slot_until__gt=Now())
        return super().get_queryset(request).annotate(open_call_count=count_of(open_calls, by="account"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ProviderAccount | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ProviderAccount | None = None) -> bool:
        return False

    @admin.display(ordering="provider")
    def account(self, account: ProviderAccount) -> str:
        return str(account)

    @admin.display(ordering="closed_until")
    def state(self, account: ProviderAccount) -> SafeString:
        return admin_words.account_state(account, timezone.now())

    @admin.display(description="calls at once", ordering="allowance")
    def at_once(self, account: ProviderAccount) -> str:
        return f"{account.allowance} of {account.ceiling}"

    @admin.display(description="open now", ordering="open_call_count")
    def open_calls(self, account: ProviderAccount) -> SafeString:
        return to_rows(SceneGeneration, int(getattr(account, "open_call_count", 0)), account=account.pk)

    @admin.display(description="in the settings", boolean=True)
    def is_set_up(self, account: ProviderAccount) -> bool:
        return (account.provider, account.name) in ProviderAccount.objects.ceilings()


def _scenes_of(jobs: QuerySet[GenerationJob]) -> SceneGenerationQuerySet:
    return SceneGeneration.objects.filter(job__in=jobs.order_by().values("pk"))


def _plain(rows: SceneGenerationQuerySet) -> SceneGenerationQuerySet:
    """The same rows without the joins of the list."""
    return SceneGeneration.objects.filter(pk__in=rows.order_by().values("pk"))
