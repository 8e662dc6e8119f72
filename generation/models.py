"""How pictures are made: jobs, one scene's way through them, and the accounts that set the pace."""

import uuid
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, Max, Min, Q
from django.db.models.functions import Now
from django.urls import reverse

from accounts.models import User
from gallery.models import SEEDS, Character, OwnedQuerySet, Scene, Story
from generation.repeated import repeated


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SAVED = "saved"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(models.TextChoices):
    CALLING = "calling"
    SAVING = "saving"


# Characters of an idempotency key.
KEY_LENGTH = 200
OPEN = (Status.QUEUED, Status.RUNNING)


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def lock_current(self) -> list["ProviderAccount"]:
        """The accounts that the settings name, locked in the order of their ids, each knowing whether it is open.

        Rows are made when first needed, and follow the settings' ceilings.
        """
        ceilings = self.ceilings()
        accounts = self._lock(ceilings)
        if {(one.provider, one.name): one.ceiling for one in accounts} != ceilings:
            self._follow(ceilings)
            accounts = self._lock(ceilings)
        closed = set(self.filter(closed_until__gt=Now()).values_list("pk", flat=True))
        for account in accounts:
            account.is_open = account.pk not in closed
        return accounts

    def closed_providers(self, *, within: timedelta = timedelta(0)) -> set[str]:
        """Providers all of whose accounts stay closed for that long."""
        closed = set(self.filter(closed_until__gt=Now() + within).values_list("provider", "name"))
        return {provider for provider, _ in closed} - {provider for provider, _ in self.ceilings().keys() - closed}

    @staticmethod
    def ceilings() -> dict[tuple[str, str], int]:
        """(provider, account) -> the most calls that may be open at once."""
        return {
            (provider, name): settings.GENERATION_CONCURRENCY.get(provider, settings.GENERATION_THREADS)
            for provider in settings.GENERATION_PROVIDERS
            for name in settings.GENERATION_ACCOUNTS.get(provider, [""])
        }

    def _lock(self, ceilings: dict[tuple[str, str], int]) -> list["ProviderAccount"]:
        named = Q(pk=None)
        for provider, name in ceilings:
            named |= Q(provider=provider, name=name)
        return list(self.filter(named).order_by("pk").select_for_update())

    def _follow(self, ceilings: dict[tuple[str, str], int]) -> None:
        self.bulk_create(
            [
                ProviderAccount(provider=provider, name=name, allowance=ceiling, ceiling=ceiling)
                for (provider, name), ceiling in ceilings.items()
            ],
            ignore_conflicts=True,
        )
        for (provider, name), ceiling in ceilings.items():
            account = self.filter(provider=provider, name=name).exclude(ceiling=ceiling)
            account.update(ceiling=ceiling, allowance=ceiling)


class ProviderAccount(models.Model):
    """What shares one limit: a provider's key, known by 8 hex of its SHA-256, or one ComfyUI server.

    `name` is that key's mark, that server's address, or "" for a provider with a single account.
    `allowance` is how many calls may be open at once over all workers; it halves when the provider says
    "too many" and grows back one a success, up to `ceiling`.
    """

    # By the database's clock, at the moment of the lock.
    is_open: bool = True

    provider = models.CharField(max_length=40)
    name = models.CharField(max_length=200, blank=True)
    allowance = models.PositiveIntegerField()
    ceiling = models.PositiveIntegerField()
    closed_until = models.DateTimeField(null=True, blank=True)
    cut_at = models.DateTimeField(null=True, blank=True)

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="provider_account_once", fields=["provider", "name"]),
            models.CheckConstraint(name="allowance_at_least_one", condition=Q(allowance__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.name}".strip()

    @property
    def longest_call(self) -> float:
        """Seconds: the deadline, and where a provider has a queue of its own, the longest wait for a turn there."""
        return settings.GENERATION_DEADLINE + settings.GENERATION_TURN.get(self.provider, 0.0)


class GenerationJobQuerySet(OwnedQuerySet["GenerationJob"]):
    def with_counts(self) -> Self:
        """Each job with its scenes counted by status, in the query that fetches it."""
        return self.annotate(
            total=Count("scenes"),
            queued=Count("scenes", filter=Q(scenes__status=Status.QUEUED)),
            running=Count("scenes", filter=Q(scenes__status=Status.RUNNING)),
            saved=Count("scenes", filter=Q(scenes__status=Status.SAVED)),
            failed=Count("scenes", filter=Q(scenes__status=Status.FAILED)),
            cancelled=Count("scenes", filter=Q(scenes__status=Status.CANCELLED)),
            started_at=Min("scenes__started_at"),
            last_finished_at=Max("scenes__finished_at"),
            changed_at=Max("scenes__changed_at"),
        )


class GenerationJob(models.Model):
    """One press of Generate. Its status is derived from its scenes, never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="generation_jobs")
    story = models.ForeignKey(Story, on_delete=models.SET_NULL, null=True, blank=True, related_name="generation_jobs")
    character = models.ForeignKey(
        Character, on_delete=models.SET_NULL, null=True, blank=True, related_name="generation_jobs"
    )
    idempotency_key = models.CharField(max_length=KEY_LENGTH, null=True, blank=True)
    body_hash = models.CharField(max_length=64, blank=True)
    asked = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = GenerationJobQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["owner", "-created_at"], name="job_newest")]
        constraints = [
            models.UniqueConstraint(name="idempotency_key_once_a_person", fields=["owner", "idempotency_key"])
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("generation:job", args=[self.pk])

    def cancel(self) -> int:
        return self.scenes.all().cancel()

    def retry(self) -> int:
        return self.scenes.all().retry()


class SceneGenerationQuerySet(OwnedQuerySet["SceneGeneration"]):
    def due(self, *, within: timedelta = timedelta(0)) -> Self:
        """What may be claimed: queued and its time has come, or running with its lease over."""
        moment = Now() + within
        queued = Q(status=Status.QUEUED, due_at__lte=moment)
        abandoned = Q(status=Status.RUNNING, lease_until__lte=moment)
        return self.filter(queued | abandoned, attempt__lt=settings.GENERATION_ATTEMPTS)

    def claimable(self, *, within: float = 0) -> Self:
        """Due within so many seconds, at a provider that is open by then. Its limit may still hold it back."""
        moment = timedelta(seconds=within)
        closed = ProviderAccount.objects.closed_providers(within=moment)
        return self.due(within=moment).exclude(provider__in=closed)

    def locked(self) -> Self:
        """These rows, locked in the order of their ids, which keeps two writes of many rows from a deadlock.

        For a transaction that goes on to write them, under the same conditions.
        """
        return self.filter(pk__in=list(self.order_by("pk").select_for_update().values_list("pk", flat=True)))

    @repeated
    def cancel(self) -> int:
        """One UPDATE of what has not ended. Returns how many were moved."""
        with transaction.atomic():
            return (
                self.filter(status__in=OPEN)
                .locked()
                .update(
                    status=Status.CANCELLED,
                    phase="",
                    waiting_for="",
                    lease_until=None,
                    finished_at=Now(),
                    changed_at=Now(),
                )
            )

    @repeated
    def hold(self, *, seconds: float, waiting_for: str, code: str, message: str) -> int:
        """One UPDATE of what is due and not begun: not before so many seconds. No attempt is counted."""
        with transaction.atomic():
            due = self.filter(status=Status.QUEUED, due_at__lte=Now())
            return due.locked().update(
                due_at=Now() + timedelta(seconds=seconds),
                waiting_for=waiting_for,
                error_code=code,
                error_message=message,
                changed_at=Now(),
            )

    @repeated
    def retry(self) -> int:
        """One UPDATE of what failed: a new round, with the same seed, token and request. Returns how many."""
        with transaction.atomic():
            return (
                self.filter(status=Status.FAILED)
                .locked()
                .update(
                    status=Status.QUEUED,
                    attempt=0,
                    waits=0,
                    waiting_since=None,
                    waiting_for="",
                    error_code="",
                    error_message="",
                    due_at=Now(),
                    finished_at=None,
                    changed_at=Now(),
                )
            )


class SceneGeneration(models.Model):
    """One scene's way through a job.

        queued -> running -> saved            queued, running -> cancelled
          |         |-> queued (again, not before due_at)        failed -> queued (Retry)
          |         |-> failed                nothing leaves saved or cancelled
          |-> failed (its job was stopped: no key, no credit)

    `token` is the fence: +1 in every claim, never reset. `attempt` counts the tries of this round; only Retry
    sets it to 0. `tag` names the claim that holds the row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(GenerationJob, on_delete=models.CASCADE, related_name="scenes")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="scene_generations")
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, related_name="generations")
    position = models.PositiveIntegerField()

    # What was asked, frozen at Generate.
    prompt = models.TextField()
    cast = models.JSONField(default=list)
    embeddings = models.JSONField(default=list)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    provider = models.CharField(max_length=40)

    # Where it stands.
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    phase = models.CharField(max_length=10, choices=Phase, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    waiting_for = models.CharField(max_length=200, blank=True)

    # Who works on it.
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="scenes")
    token = models.PositiveIntegerField(default=0)
    tag = models.UUIDField(null=True, blank=True)
    due_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    slot_until = models.DateTimeField(null=True, blank=True)
    request_token = models.PositiveIntegerField(null=True, blank=True)
    waits = models.PositiveIntegerField(default=0)
    waiting_since = models.DateTimeField(null=True, blank=True)

    # What came of it, over all attempts.
    model = models.CharField(max_length=120, blank=True)
    variations_offered = models.PositiveIntegerField(default=0)
    bytes_received = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    objects = SceneGenerationQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        indexes = [
            models.Index(fields=["status", "due_at"], name="scene_generation_due"),
            models.Index(fields=["owner", "status"], name="scene_generation_turn"),
            models.Index(fields=["account", "slot_until"], name="scene_generation_slot"),
            models.Index(fields=["tag"], name="scene_generation_tag"),
            models.Index(fields=["job", "changed_at"], name="scene_generation_changed"),
        ]
        constraints = [
            models.UniqueConstraint(name="position_once_a_job", fields=["job", "position"]),
            models.CheckConstraint(name="status_known", condition=Q(status__in=Status.values)),
            models.CheckConstraint(
                name="running_is_leased",
                condition=~Q(status="running") | Q(lease_until__isnull=False, tag__isnull=False, account__isnull=False),
            ),
            models.CheckConstraint(
                name="failed_has_a_reason",
                condition=~Q(status="failed") | (~Q(error_code="") & ~Q(error_message="")),
            ),
            models.CheckConstraint(name="seed_in_range", condition=Q(seed__gte=0, seed__lt=SEEDS)),
        ]

    def __str__(self) -> str:
        return f"scene {self.position + 1} of {self.job_id}"

    @property
    def number(self) -> int:
        return self.position + 1
