"""What a queued scene waits for, and until when: a pause, its provider, its turn, or a worker."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from generation.models import OPEN, ProviderAccount, SceneGeneration, Status

# A worker that is there takes up what is due within a second, and one that nobody woke after a round of the sweep.
NOBODY_COMES_FOR = timedelta(seconds=20)
# What a row itself says that it waits for; all else is seen from the other rows.
PROVIDER = "the provider"
ROOM = "room in the storage"
EXACT_UP_TO = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """`thing` is what it waits for, `note` says more in a word or two, and `sentence` says all of it.

    Before `until` nothing is tried; None where nobody can tell.
    """

    thing: str
    sentence: str
    note: str = ""
    until: datetime | None = None


class Row(Protocol):
    """A SceneGeneration, or as much of it as there has to be."""

    @property
    def pk(self) -> UUID: ...
    @property
    def status(self) -> str: ...
    @property
    def owner_id(self) -> int: ...
    @property
    def provider(self) -> str: ...
    @property
    def account_id(self) -> int | None: ...
    @property
    def request_token(self) -> int | None: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def waiting_for(self) -> str: ...
    @property
    def error_message(self) -> str: ...


def waits(rows: Iterable[Row], now: datetime) -> dict[UUID, Wait]:
    """Of those of the rows that are queued. Three queries, however many they are; none where none is queued."""
    queued = [row for row in rows if row.status == Status.QUEUED]
    if not queued:
        return {}
    line = _line({row.owner_id for row in queued}, {row.provider for row in queued})
    accounts = accounts_of({row.provider for row in queued})
    return {row.pk: _wait(row, line, accounts.get(row.provider, []), now) for row in queued}


def _wait(row: Row, line: "Line", accounts: "list[Account]", now: datetime) -> Wait:
    opens = _opens(row, accounts, now)
    if row.due_at > now and row.waiting_for == ROOM:
        first = row.error_message.partition(".")[0]
        return Wait(thing=ROOM, sentence=f"{ROOM}: {row.error_message}", note=first, until=row.due_at)
    if row.due_at > now and not row.waiting_for:
        return Wait(thing="another try", sentence=row.error_message or "another try", until=row.due_at)
    if row.due_at > now or opens:
        until = max(filter(None, (row.due_at, opens)))
        why = row.error_message if row.waiting_for else ""
        return Wait(thing=PROVIDER, sentence=f"{PROVIDER}: {why or 'it is busy'}", until=until)
    if not line.is_anybody_at_work and now - row.due_at > NOBODY_COMES_FOR:
        return Wait(thing="a worker", sentence="a worker: nobody makes pictures at the moment")
    ahead = line.ahead_of(row, now)
    taking = [account for account in accounts if not account.is_closed(now)]
    at_once = sum(account.allowance for account in taking)
    if taking and sum(account.used for account in taking) >= at_once:
        pace = "one picture at a time" if at_once == 1 else f"{at_once} pictures at a time"
        note = f"{'one' if at_once == 1 else at_once} at a time, {_ahead(ahead)}"
        return Wait(thing=PROVIDER, sentence=f"{PROVIDER}: it makes {pace}, and {_are(ahead)}", note=note)
    return Wait(thing="its turn", sentence=f"its turn: {_are(ahead)}", note=_ahead(ahead))


def _ahead(number: int) -> str:
    return f"{_about(number)} ahead" if number else "next"


def _are(number: int) -> str:
    if not number:
        return "it is next"
    return f"{_about(number)} picture{' is' if number == 1 else 's are'} ahead"


def _about(number: int) -> str:
    """Rounded where it is many, so that a page need not change with each picture."""
    if number <= EXACT_UP_TO:
        return f"{number}"
    return f"about {round(number, -1 if number < 100 else -2):,}"


# ---- providers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """`used` of its `allowance` calls are open."""

    pk: int
    name: str
    allowance: int
    ceiling: int
    used: int
    closed_until: datetime | None

    def is_closed(self, now: datetime) -> bool:
        return self.closed_until is not None and self.closed_until > now


def accounts_of(providers: Collection[str]) -> dict[str, list[Account]]:
    """By provider those that the settings name, in a query. One that no scene was claimed for yet is not there."""
    named = ProviderAccount.objects.ceilings()
    rows = (
        ProviderAccount.objects.filter(provider__in=providers)
        .annotate(used=Count("scenes", filter=Q(scenes__slot_until__gt=Now())))
        .order_by("name")
    )
    found: dict[str, list[Account]] = {}
    for row in rows:
        if (row.provider, row.name) in named:
            used = getattr(row, "used", 0)
            account = Account(row.pk, row.name, row.allowance, row.ceiling, used, row.closed_until)
            found.setdefault(row.provider, []).append(account)
    return found


def _opens(row: Row, accounts: list[Account], now: datetime) -> datetime | None:
    """When the first account opens that may have the scene. None: one is open."""
    begun = row.account_id if row.request_token is not None else None
    possible = [one for one in accounts if one.pk == begun] or accounts
    if not possible or not all(one.is_closed(now) for one in possible):
        return None
    return min(one.closed_until for one in possible if one.closed_until)


# ---- turns ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Of one provider's due scenes `due` are theirs, the oldest asked for at `since`; `running` are in hand."""

    due: int
    running: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """Who goes before whom, as the claim has it: the fewest running first, then the oldest job, then position."""

    people: Mapping[str, Mapping[int, Person]]
    running: Counter[int]
    places: Mapping[UUID, tuple[int, datetime]]

    @property
    def is_anybody_at_work(self) -> bool:
        return any(self.running.values())

    def ahead_of(self, row: Row, now: datetime) -> int:
        """Due scenes of the same provider that are taken up before this one."""
        place, since = self.places.get(row.pk, (0, now))
        turn = self.running[row.owner_id] + place
        others = (person for owner, person in self.people.get(row.provider, {}).items() if owner != row.owner_id)
        return place + sum(_before(turn, since, person) for person in others)


def _before(turn: int, since: datetime, other: Person) -> int:
    """How many of the other's scenes have their turn before that one. Of two at once the older one's goes first."""
    last = turn + 1 if other.since < since else turn
    return min(other.due, max(0, last - other.running))


def _line(owners: Collection[int], providers: Collection[str]) -> Line:
    due = Q(status=Status.QUEUED, due_at__lte=Now())
    in_hand = Q(status=Status.RUNNING, lease_until__gt=Now())
    everybody = SceneGeneration.objects.filter(status__in=OPEN).order_by().values("owner", "provider")
    counted = everybody.annotate(
        waiting=Count("pk", filter=due), at_work=Count("pk", filter=in_hand), since=Min("job__created_at", filter=due)
    )
    running: Counter[int] = Counter()
    for one in counted:
        running[one["owner"]] += one["at_work"]
    people: dict[str, dict[int, Person]] = {}
    for one in counted:
        if one["waiting"]:
            person = Person(one["waiting"], running[one["owner"]], one["since"])
            people.setdefault(one["provider"], {})[one["owner"]] = person
    return Line(people, running, _places(owners, providers, due))


def _places(owners: Collection[int], providers: Collection[str], due: Q) -> dict[UUID, tuple[int, datetime]]:
    """Of each due scene of these people how many of their own go before it, and when it was asked for."""
    rows = SceneGeneration.objects.filter(due, owner__in=owners, provider__in=providers)
    in_order = rows.order_by("job__created_at", "job_id", "position")
    counted: Counter[tuple[int, str]] = Counter()
    places: dict[UUID, tuple[int, datetime]] = {}
    for pk, owner, provider, since in in_order.values_list("pk", "owner", "provider", "job__created_at"):
        places[pk] = counted[owner, provider], since
        counted[owner, provider] += 1
    return places
