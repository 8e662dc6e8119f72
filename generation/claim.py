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

from generation import kill_points
from generation.models import Phase, ProviderAccount, SceneGeneration, Status
from generation.repeated import repeated

HOLDS_A_SLOT = Q(slot_until__gt=Now())
# Seconds: a call begins a little after its claim, and ends a little after its deadline.
GRACE_OF_A_CALL = 5.0


def claim(free: int, *, job: UUID | None = None) -> list[SceneGeneration]:
    """Take up to `free` due scenes (of one job, or of anybody), each under a new token and a lease.

    The accounts' lock makes the limit hold over all workers. The UPDATE repeats the due condition, so that a
    scene which somebody else took meanwhile is not taken twice. Returns the rows as they stand afterwards.
    """
    return _claim(uuid4(), free, job)


@repeated
def _claim(tag: UUID, free: int, job: UUID | None) -> list[SceneGeneration]:
    kill_points.reached("claim.before")
    with transaction.atomic():
        accounts = ProviderAccount.objects.lock_current()
        kill_points.reached("claim.locked")
        # Where the answer to an earlier commit was lost, they are ours already.
        free -= SceneGeneration.objects.filter(tag=tag).count()
        for account, scenes in _choose(accounts, free, job).items():
            due = SceneGeneration.objects.due().filter(pk__in=scenes)
            locked = list(due.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True))
            due.filter(pk__in=locked).update(
                **{"status": Status.RUNNING, "phase": Phase.CALLING, "account": account, "tag": tag},
                **{"token": F("token") + 1, "attempt": F("attempt") + 1, "waiting_for": ""},
                request_token=Coalesce("request_token", F("token") + 1),
                lease_until=Now() + timedelta(seconds=settings.GENERATION_LEASE),
                slot_until=Now() + timedelta(seconds=account.longest_call + GRACE_OF_A_CALL),
                **{"started_at": Coalesce("started_at", Now()), "claimed_at": Now(), "changed_at": Now()},
            )
        kill_points.reached("claim.written")
    kill_points.reached("claim.after")
    return list(SceneGeneration.objects.filter(tag=tag).select_related("account").order_by("position"))


def _choose(accounts: Sequence[ProviderAccount], free: int, job: UUID | None) -> dict[ProviderAccount, list[UUID]]:
    """Fill the free threads in turn: what still holds its slot goes on in it, the rest where there is room.

    A request that was begun and never answered stays with its account, which may have the picture by now.
    """
    used = Counter(SceneGeneration.objects.filter(HOLDS_A_SLOT).values_list("account", flat=True))
    room = {account: account.allowance - used[account.pk] if account.is_open else 0 for account in accounts}
    begun = Q(request_token__isnull=False, account__in=accounts)
    goes_on = begun & HOLDS_A_SLOT & Q(account__in=[account for account in accounts if account.is_open])
    with_room = [account for account in accounts if room[account] > 0]
    begins = ~begun & Q(provider__in={account.provider for account in with_room})
    fits = goes_on | begun & ~HOLDS_A_SLOT & Q(account__in=with_room) | begins
    due = SceneGeneration.objects.due().filter(fits, **({"job": job} if job else {}))
    turns = [turn for provider in {one.provider for one in accounts} for turn in _in_turn(due, provider, begun, free)]

    chosen: dict[ProviderAccount, list[UUID]] = {account: [] for account in accounts}
    for needs_a_slot, *_, scene, provider, account_id in sorted(turns):
        possible = (one for one in accounts if one.provider == provider and account_id in (one.pk, None))
        account = max(possible, key=room.__getitem__)
        if free and (room[account] > 0 or not needs_a_slot):
            free -= 1
            room[account] -= needs_a_slot
            chosen[account].append(scene)
    return chosen


def _in_turn(due: QuerySet[SceneGeneration], provider: str, begun: Q, limit: int) -> list[tuple[Any, ...]]:
    """The person with the fewest running first (those before in this list counted in), then the oldest job.

    What still holds a slot goes before all. Rows of (needs a slot, …, scene, provider, the account it stays with).
    """
    running = SceneGeneration.objects.filter(owner=OuterRef("owner"), status=Status.RUNNING, lease_until__gt=Now())
    counted = Subquery(running.order_by().values("owner").annotate(count=Count("pk")).values("count"))
    ahead = Window(RowNumber(), partition_by="owner", order_by=["job__created_at", "job_id", "position"])
    turns = due.filter(provider=provider).annotate(
        needs_a_slot=Case(When(begun & HOLDS_A_SLOT, then=False), default=True),
        turn=Coalesce(counted, 0) + ahead,
        stays_with=Case(When(begun, then=F("account_id"))),
    )
    order = ("needs_a_slot", "turn", "job__created_at", "job_id", "position", "pk")
    return list(turns.order_by(*order).values_list(*order, "provider", "stays_with")[:limit])
