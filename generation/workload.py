"""What every provider has to do: what is due, what waits, what is running, and what is closed, and for how long."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from generation.models import OPEN, SceneGeneration, Status
from generation.waiting import Account, accounts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Scenes of one provider, each counted once. The moments are those of the first of them, None where there is none.

    `due` may be taken up now, since `due_since`; `later` may not before `next_at`; `running` are held by a worker, the
    oldest since `running_since`; `abandoned` are running too, but their lease is over since `abandoned_since`.
    """

    provider: str
    accounts: tuple[Account, ...]
    due: int = 0
    due_since: datetime | None = None
    later: int = 0
    next_at: datetime | None = None
    running: int = 0
    running_since: datetime | None = None
    abandoned: int = 0
    abandoned_since: datetime | None = None


def workloads() -> list[Workload]:
    """Of the provider in use first, and of every other one with scenes that have not ended or that is closed.

    Two queries. Raises DatabaseError.
    """
    scenes, now = _scenes(), timezone.now()
    accounts = accounts_of({*settings.GENERATION_PROVIDERS, *scenes})
    closed = {provider for provider, found in accounts.items() if any(account.is_closed(now) for account in found)}
    others = sorted({*scenes, *closed} - {settings.IMAGE_PROVIDER})
    return [
        Workload(provider=provider, accounts=tuple(accounts.get(provider, ())), **scenes.get(provider, {}))
        for provider in (settings.IMAGE_PROVIDER, *others)
    ]


def _scenes() -> Mapping[str, dict[str, Any]]:
    due = Q(status=Status.QUEUED, due_at__lte=Now())
    later = Q(status=Status.QUEUED, due_at__gt=Now())
    running = Q(status=Status.RUNNING, lease_until__gt=Now())
    abandoned = Q(status=Status.RUNNING, lease_until__lte=Now())
    counts: dict[str, Any] = {
        "due": Count("pk", filter=due),
        "due_since": Min("due_at", filter=due),
        "later": Count("pk", filter=later),
        "next_at": Min("due_at", filter=later),
        "running": Count("pk", filter=running),
        "running_since": Min("claimed_at", filter=running),
        "abandoned": Count("pk", filter=abandoned),
        "abandoned_since": Min("lease_until", filter=abandoned),
    }
    counted: Iterable[Any] = (
        SceneGeneration.objects.filter(status__in=OPEN).order_by().values("provider").annotate(**counts)
    )
    return {one["provider"]: {name: one[name] for name in counts} for one in counted}
