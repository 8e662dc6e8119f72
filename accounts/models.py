"""People: who signs in, with what."""

import hashlib
import secrets
from datetime import timedelta
from typing import Self

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

SIGN_IN_LINK_LASTS = timedelta(days=1)


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


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def issue(self, user: User, name: str) -> str:
        """Make a token for `user` and give its secret, which is shown once and stored nowhere."""
        secret = secrets.token_urlsafe(32)
        self.create(user=user, name=name, digest=digest(secret), hint=secret[:4])
        return secret

    def usable(self) -> Self:
        return self.filter(revoked_at=None, user__is_active=True)

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
        return self.filter(revoked_at=None).update(revoked_at=Now())


class ApiToken(models.Model):
    """A program's key. Only its hash is kept; `hint` holds the first characters, to tell tokens apart."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=8)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
