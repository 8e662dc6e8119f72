"""What the lists of every room's admin are made of: links from row to row, counts, and filters that links set."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString


def to_row(row: Model | None, text: object = None) -> SafeString:
    """A link to the row's page in the admin; a dash where there is no row."""
    if row is None:
        return format_html("{}", "–")
    return format_html('<a href="{}">{}</a>', address_of(row), text or row)


def to_rows(model: type[Model], text: object, **filters: object) -> SafeString:
    """A link to the list of those rows; nothing to follow where `text` counts none."""
    if text == 0:
        return format_html('<span class="quiet">{}</span>', 0)
    return format_html('<a href="{}">{}</a>', list_address(model, **filters), _separated(text))


def address_of(row: Model) -> str:
    return reverse(_name_of(type(row), "change"), args=[quote(str(row.pk))])


def list_address(model: type[Model], **filters: object) -> str:
    query = urlencode({name: str(value) for name, value in filters.items()})
    return f"{reverse(_name_of(model, 'changelist'))}?{query}"


def count_of(rows: QuerySet[Any], *, by: str) -> Coalesce:
    """How many of `rows` each row has, in a subquery of its own: two counts in one join would multiply each other.

    `by` is the way from one of them to the row that counts them.
    """
    of_one = rows.filter(**{by: OuterRef("pk")}).order_by().values(by).annotate(count=Count("pk"))
    return Coalesce(Subquery(of_one.values("count"), output_field=IntegerField()), 0)


class LinkedFilter(admin.SimpleListFilter):
    """The rows that belong to one other row, whose page or list links here.

    It is seen only while it is in use: all people, stories or jobs to choose from would be longer than the page.
    """

    model: ClassVar[type[Model]]
    lookup: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        value = self.value()
        return [(value, self._words(value))] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset

    def _words(self, value: str) -> str:
        try:
            row = self.model._default_manager.filter(pk=value).first()
        except (ValueError, ValidationError) as exc:
            raise IncorrectLookupParameters from exc
        return str(row) if row else "one that is gone"


def linked(model: type[Model], title: str, *, lookup: str) -> type[LinkedFilter]:
    """A filter of that kind. Its parameter has the name of its `title`."""
    contents = {"model": model, "title": title, "parameter_name": title, "lookup": lookup}
    return type("LinkedFilter", (LinkedFilter,), contents)


class ChoiceFilter(admin.SimpleListFilter):
    """The rows that one of a few conditions picks, each with its words."""

    conditions: ClassVar[dict[str, tuple[str, Q]]]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset.filter(self.conditions[name][1]) if name in self.conditions else queryset


def choice(title: str, **conditions: tuple[str, Q]) -> type[ChoiceFilter]:
    """A filter of that kind: `choice("file", missing=("Missing", Q(…)))`. Its parameter has the name of its `title`."""
    contents = {"title": title, "parameter_name": title, "conditions": conditions}
    return type("ChoiceFilter", (ChoiceFilter,), contents)


def _name_of(model: type[Model], view: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"


def _separated(text: object) -> object:
    return f"{text:,}" if isinstance(text, int) else text
