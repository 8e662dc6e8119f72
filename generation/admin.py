"""Everybody's jobs, for superusers: looked at here, and changed nowhere but by their own transitions."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.progress import totals, with_totals


class SceneGenerationInline(admin.TabularInline[SceneGeneration, GenerationJob]):
    model = SceneGeneration
    readonly_fields = ("position", "scene", "status", "phase", "attempt", "error_message", "seed", "finished_at")
    fields = readonly_fields
    can_delete = False
    show_change_link = True
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[SceneGeneration]:
        return super().get_queryset(request).select_related("scene")

    def has_add_permission(self, request: HttpRequest, obj: GenerationJob | None = None) -> bool:
        return False


@admin.register(GenerationJob)
class GenerationJobAdmin(admin.ModelAdmin[GenerationJob]):
    list_display = ["id", "owner", "story", "character", "status", "pictures", "created_at"]
    list_filter = ["owner", "created_at"]
    list_select_related = ["owner", "story", "character"]
    search_fields = ["id", "story__title", "character__name"]
    readonly_fields = (
        "id",
        "owner",
        "story",
        "character",
        "status",
        "pictures",
        "asked",
        "idempotency_key",
        "created_at",
    )
    fields = readonly_fields
    inlines = [SceneGenerationInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationJob]:
        return with_totals(GenerationJob.objects.all())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display
    def status(self, job: GenerationJob) -> str:
        return totals(job).status

    @admin.display
    def pictures(self, job: GenerationJob) -> str:
        shown = totals(job)
        return f"{shown.saved} of {shown.total}"


@admin.register(SceneGeneration)
class SceneGenerationAdmin(admin.ModelAdmin[SceneGeneration]):
    list_display = ["id", "owner", "number", "status", "phase", "attempt", "provider", "lease_until", "changed_at"]
    list_filter = ["status", "phase", "provider", "error_code", "owner"]
    list_select_related = ["owner"]
    search_fields = ["id", "job__id", "prompt"]
    ordering = ["-changed_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: SceneGeneration | None = None) -> list[str]:
        return [field.name for field in SceneGeneration._meta.fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(ProviderAccount)
class ProviderAccountAdmin(admin.ModelAdmin[ProviderAccount]):
    """Ceilings come from the settings, allowances from what the provider says: neither is set by hand."""

    list_display = ["__str__", "allowance", "ceiling", "closed_until", "cut_at"]
    list_filter = ["provider"]

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderAccount | None = None) -> list[str]:
        return [field.name for field in ProviderAccount._meta.fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
