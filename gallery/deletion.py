"""Rows that are deleted with all that belongs to them: counted before, and safe beside workers that go on.

Files follow by themselves: each picture's name goes back to Upload, and the sweep deletes its objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import models, transaction
from django.db.models import CASCADE, Count, Q, QuerySet, Sum

from accounts.models import User
from gallery.models import Image, Upload, token_of

BATCH = 500

AnyModel = type[models.Model]


@dataclass(frozen=True, slots=True)
class Part:
    """How many rows of one model go."""

    model: AnyModel
    count: int


@dataclass(frozen=True)
class Deletion:
    """Of `rows`, which are of one model. What only points at them, by SET_NULL, stays and is not counted."""

    rows: QuerySet[Any]

    @cached_property
    def parts(self) -> list[Part]:
        """What is there to go, in one query a model, however many rows there are."""
        counted = (Part(model, rows.count()) for model, rows in self._rows.items() if not model._meta.auto_created)
        return [part for part in counted if part.count]

    @cached_property
    def files(self) -> dict[str, int]:
        """`count` of the pictures whose files go, and their `bytes`."""
        images = self._rows.get(Image)
        if images is None:
            return {"count": 0, "bytes": 0}
        return images.aggregate(count=Count("pk"), bytes=Sum("bytes", default=0))

    def carry_out(self) -> None:
        """One transaction. A worker that has one of the rows in hand waits for its end and then drops what it has."""
        with transaction.atomic():
            self._lock()
            self._hand_files_over()
            self.rows.delete()

    def _lock(self) -> None:
        """Parents first, each model in the order of its ids, as workers do: they cannot add a picture meanwhile.

        People go last: whoever commits a picture takes a share of its owner's row at the very end.
        """
        for model in sorted(self._rows, key=lambda model: model is User):
            list(self._rows[model].order_by("pk").select_for_update().values_list("pk", flat=True))

    def _hand_files_over(self) -> None:
        """The names in batches. What `pre_delete` then does for each picture is a look at what is there."""
        images = self._rows.get(Image)
        if images is None:
            return
        entries = (
            Upload(name=name, storage=storage, generation_id=generation, token=token_of(name))
            for name, storage, generation in images.values_list("name", "storage", "generation_id")
        )
        Upload.objects.bulk_create(entries, batch_size=BATCH, ignore_conflicts=True)

    @cached_property
    def _rows(self) -> dict[AnyModel, QuerySet[Any]]:
        """What goes, model by model, each behind all that take it along."""
        root = self.rows.model
        found: dict[AnyModel, QuerySet[Any]] = {root: root._base_manager.filter(pk__in=self.rows.values("pk"))}
        for model in _below(root)[1:]:
            taken = Q(pk__in=[])
            for field in _cascades_of(model):
                if (parents := found.get(field.related_model)) is not None:
                    taken |= Q(**{f"{field.name}__in": parents.values("pk")})
            found[model] = model._base_manager.filter(taken)
        return found


def _below(root: AnyModel) -> list[AnyModel]:
    """The models of which a cascade may take rows along, `root` first and none before one that takes it along."""
    order: list[AnyModel] = []

    def visit(model: AnyModel) -> None:
        for relation in model._meta.get_fields(include_hidden=True):
            if isinstance(relation, models.ManyToOneRel) and relation.on_delete is CASCADE:
                below: AnyModel = relation.related_model
                if below not in order:
                    visit(below)
        order.insert(0, model)

    visit(root)
    return order


def _cascades_of(model: AnyModel) -> Iterator[models.ForeignKey[Any, Any]]:
    for field in model._meta.fields:
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete is CASCADE:
            yield field
