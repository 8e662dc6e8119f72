"""Deleting in the admin, said in numbers.

Django's own way reads and lists every row that goes, and of one person that can be ten thousand pictures.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.auth import get_permission_codename
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin_lists import to_row
from gallery.deletion import Deletion, Part
from gallery.templatetags.gallery import megabytes

NAMED = 10

Row = TypeVar("Row", bound=Model)
# What Django shows of a deletion: rows by name, counts by model, permissions that lack, rows that forbid it.
Shown = tuple[list[Any], dict[str, int], set[str], list[str]]


class DeletesWithFiles(admin.ModelAdmin[Row]):
    """Says what goes in numbers, and lets the files of pictures follow. `stays` is what somebody might fear for."""

    delete_confirmation_template = "admin/delete_with_files.html"
    delete_selected_confirmation_template = "admin/delete_selected_with_files.html"
    actions: Sequence[Any] = ["delete_selected"]
    stays = ""

    @admin.action(description="Delete selected %(verbose_name_plural)s with all that is theirs", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Row]) -> HttpResponse | None:
        """Twice: first to be shown what goes, then to say yes, unless the selection has changed in between."""
        is_all = request.POST.get("select_across") == "1"
        count = queryset.count()
        if request.POST.get("post") and is_all and request.POST.get("count") != str(count):
            words = "Meanwhile other rows belong to the selection, so nothing was deleted. Select them again."
            self.message_user(request, words, messages.WARNING)
            return None
        response: Any = delete_selected(self, request, queryset)
        if response is not None:
            selected = {"is_all": is_all, "count": count, "more": f"{count - NAMED:,}" if count > NAMED else ""}
            response.context_data |= self._what_goes(queryset) | selected
        return response  # type: ignore[no-any-return]

    def get_deleted_objects(self, objs: Sequence[Row] | QuerySet[Row], request: HttpRequest) -> Shown:
        rows = self._rows(objs)
        parts = Deletion(rows).parts
        named = [to_row(row) for row in rows.order_by("pk")[:NAMED]]
        counts = {str(part.model._meta.verbose_name_plural): part.count for part in parts}
        return named, counts, {*self._lacking(request, parts)}, []

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        return super().render_delete_form(request, context | self._what_goes([context["object"]]))

    def delete_model(self, request: HttpRequest, obj: Row) -> None:
        Deletion(self._rows([obj])).carry_out()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Row]) -> None:
        Deletion(self._rows(queryset)).carry_out()

    def _what_goes(self, objs: Sequence[Row] | QuerySet[Row]) -> dict[str, object]:
        deletion = Deletion(self._rows(objs))
        pictures, size = deletion.files["count"], megabytes(deletion.files["bytes"])
        files = "The picture’s file" if pictures == 1 else f"The files of {pictures:,} pictures"
        return {
            "parts": [_words(part) for part in deletion.parts],
            "files": f"{files} ({size}) will be gone from storage within minutes." if pictures else "",
            "stays": self.stays,
        }

    def _rows(self, objs: Sequence[Row] | QuerySet[Row]) -> QuerySet[Row]:
        """The same rows without what the list counts of each of them."""
        ids = objs.values("pk") if isinstance(objs, QuerySet) else [row.pk for row in objs]
        return self.model._default_manager.filter(pk__in=ids)

    def _lacking(self, request: HttpRequest, parts: list[Part]) -> list[str]:
        """As Django asks: of every kind of row that goes and has a page in the admin."""
        return [
            str(part.model._meta.verbose_name)
            for part in parts
            if self.admin_site.is_registered(part.model)
            and not request.user.has_perm(
                f"{part.model._meta.app_label}.{get_permission_codename('delete', part.model._meta)}"
            )
        ]


def _words(part: Part) -> str:
    options = part.model._meta
    return f"{part.count:,} {options.verbose_name if part.count == 1 else options.verbose_name_plural}"
