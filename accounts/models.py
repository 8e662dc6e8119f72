"""People: who signs in, with what."""

import hashlib
import secrets
from datetime import timedelta
from typing import Self

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone

SIGN_IN_LINK_LASTS = timedelta(days=1)
TOKEN_NAME_LENGTH = 80
# Unrevoked ones of one person: more than their programs need, and few enough to be looked through.
TOKENS_AT_ONCE = 50
# Long enough for somebody to find out why a program is refused.
REVOKED_TOKEN_SHOWN = timedelta(days=30)


def digest(secret: str) -> str:
    """What is stored of a secret: 64 hex characters of SHA-256. The secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class User(AbstractUser):
    """A person. Django's own fields; a class of ours from the first migration, so that it can grow."""


class SignInLinkQuerySet(models.QuerySet["SignInLink"]):
    def issue(self, user: User) -> str:
        """Make a link for `user` and give its secret, which is shown once and stored nowhere."""
        secret = secrets.token_urlsafe(24)
        self.create(user=user, digest=digest(secret), expires_at=timezone.now() + SIGN_IN_LINK_LASTS)
        return secret

    def usable(self, secret: str) -> Self:
        return self.filter(digest=digest(secret), used_at=None, expires_at__gt=Now(), user__is_active=True)

    def use(self, secret: str) -> User | None:
        """Use the link up. None where it is unknown, expired or was used before; of two at once one wins."""
        link = self.usable(secret).select_related("user").first()
        if link is None or not self.filter(pk=link.pk, used_at=None).update(used_at=Now()):
            return None
        return link.user


class SignInLink(models.Model):
    """An address with one button that signs its person in, once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects = SignInLinkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"sign-in link of {self.user_id}"


class TooManyTokens(Exception):
    """The person has TOKENS_AT_ONCE that are not revoked."""

    def __init__(self) -> None:
        super().__init__(
            f"{TOKENS_AT_ONCE} tokens are in use, the most that one person can have. Revoke one that is no longer used."
        )


class IssuedMeanwhile(Exception):
    """The person has a newer token than whoever asks for another one knew of."""

    def __init__(self, newest: "ApiToken") -> None:
        super().__init__(f"{newest.name!r} was made meanwhile.")
        self.newest = newest


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    @transaction.atomic
    def issue(self, user: User, name: str, *, newest: int | None = None) -> str:
        """Make a token for `user` and give its secret, which is shown once and stored nowhere.

        `newest` is the id of the newest token that was known when this one was asked for, 0 for none: what is sent
        twice then makes one token, and raises IssuedMeanwhile the second time. Raises TooManyTokens, too.
        """
        # One after the other for each person: what is counted here still holds at the commit.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        theirs = self.filter(user=user)
        latest = theirs.order_by("pk").last() if newest is not None else None
        if latest is not None and latest.pk != newest:
            raise IssuedMeanwhile(latest)
        if theirs.unrevoked().count() >= TOKENS_AT_ONCE:
            raise TooManyTokens
        secret = secrets.token_urlsafe(32)
        self.create(user=user, name=name, digest=digest(secret), hint=secret[:4])
        return secret

    def unrevoked(self) -> Self:
        return self.filter(revoked_at=None)

    def revoked_lately(self) -> Self:
        return self.filter(revoked_at__gt=Now() - REVOKED_TOKEN_SHOWN)

    def usable(self) -> Self:
        return self.unrevoked().filter(user__is_active=True)

    def use(self, secret: str) -> User | None:
        """Whose token it is, noting its use to the minute. None where it is unknown or revoked. One query, or two."""
        token = self.usable().filter(digest=digest(secret)).select_related("user").first()
        if token is None:
            return None
        minute = timezone.now().replace(second=0, microsecond=0)
        if token.last_used_at is None or token.last_used_at < minute:
            self.filter(pk=token.pk).update(last_used_at=minute)
        return token.user

    def revoke(self) -> int:
        """Programs that hold one are refused from the next request on. Returns how many were not revoked before."""
        return self.unrevoked().update(revoked_at=Now())


class ApiToken(models.Model):
    """A program's key. Only its hash is kept; `hint` holds the first characters, to tell tokens apart."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=TOKEN_NAME_LENGTH)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=8)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
