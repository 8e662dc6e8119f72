"""Who works on what: due, limit, fairness, lease, fence.

Everything that holds two workers off one scene, and all workers together off an account's limit, is here.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When, Window
from django.db.models.functions import Coalesce, Now, RowNumber

from generation.models import Phase, ProviderAccount, SceneGeneration, Status
from generation.repeated import repeated

HOLDS_A_SLOT = Q(slot_until__gt=Now())


@repeated
def claim(free: int, *, job: UUID | None = None) -> list[SceneGeneration]:
    """Take up to `free` due scenes (of one job, or of anybody), each under a new token and a lease.

    The accounts' lock makes the limit hold over all workers. The UPDATE repeats the due condition, so that a
    scene which somebody else took meanwhile is not taken twice. Returns the rows as they stand afterwards.
    """
    tag = uuid4()
    with transaction.atomic():
        for account, scenes in _choose(ProviderAccount.objects.lock_open(), free, job).items():
            due = SceneGeneration.objects.due().filter(pk__in=scenes)
            locked = list(due.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True))
            due.filter(pk__in=locked).update(
                **{"status": Status.RUNNING, "phase": Phase.CALLING, "account": account, "tag": tag},
                **{"token": F("token") + 1, "attempt": F("attempt") + 1, "waiting_for": ""},
                request_token=Coalesce("request_token", F("token") + 1),
                lease_until=Now() + timedelta(seconds=settings.GENERATION_LEASE),
                slot_until=Now() + timedelta(seconds=settings.GENERATION_DEADLINE),
                **{"started_at": Coalesce("started_at", Now()), "claimed_at": Now(), "changed_at": Now()},
            )
    return list(SceneGeneration.objects.filter(tag=tag).select_related("account").order_by("position"))


def _choose(accounts: Sequence[ProviderAccount], free: int, job: UUID | None) -> dict[ProviderAccount, list[UUID]]:
    """Fill the free threads in turn: what still holds its slot goes on in it, the rest where there is room."""
    due = SceneGeneration.objects.due().filter(**({"job": job} if job else {}))
    used = Counter(SceneGeneration.objects.filter(HOLDS_A_SLOT).values_list("account", flat=True))
    room = {account: account.allowance - used[account.pk] for account in accounts}
    turns = _in_turn(due.filter(HOLDS_A_SLOT, account__in=accounts), free)
    for provider in {account.provider for account in accounts}:
        rooms = sum(max(0, left) for account, left in room.items() if account.provider == provider)
        turns += _in_turn(due.filter(~HOLDS_A_SLOT, provider=provider), min(free, rooms))

    chosen: dict[ProviderAccount, list[UUID]] = {account: [] for account in accounts}
    for *_, scene, provider, held_by in sorted(turns)[:free]:
        open_to_it = [one for one in accounts if one.provider == provider and held_by in (one.pk, None)]
        account = max(open_to_it, key=lambda one: room[one])
        room[account] -= held_by is None
        chosen[account].append(scene)
    return chosen


def _in_turn(due: QuerySet[SceneGeneration], limit: int) -> list[tuple[Any, ...]]:
    """The person with the fewest running first (those before in this list counted in), then the oldest job."""
    running = SceneGeneration.objects.filter(owner=OuterRef("owner"), status=Status.RUNNING, lease_until__gt=Now())
    counted = Subquery(running.order_by().values("owner").annotate(count=Count("pk")).values("count"))
    ahead = Window(RowNumber(), partition_by="owner", order_by=["job__created_at", "job_id", "position"])
    held_by = Case(When(HOLDS_A_SLOT, then=F("account_id")))
    order = ("turn", "job__created_at", "job_id", "position", "pk")
    turns = due.annotate(turn=Coalesce(counted, 0) + ahead, held_by=held_by).order_by(*order)
    return list(turns.values_list(*order, "provider", "held_by")[:limit])
