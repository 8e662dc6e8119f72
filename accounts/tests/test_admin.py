"""Tokens and sign-in links in the admin."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, SignInLink, User

pytestmark = pytest.mark.django_db

TOKENS = "admin:accounts_apitoken_changelist"
LINKS = "admin:accounts_signinlink_changelist"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    return client


def revoke(admin: Client, *tokens: ApiToken) -> str:
    """What the list says after the action."""
    sent = {"action": "revoke", "_selected_action": [token.pk for token in tokens]}
    return admin.post(reverse(TOKENS), sent, follow=True).content.decode()


def a_token(person: User, name: str) -> ApiToken:
    ApiToken.objects.issue(person, name)
    return ApiToken.objects.get(name=name)


def test_tokens_are_revoked_and_counted(admin: Client, mira: User) -> None:
    tokens = a_token(mira, "script"), a_token(mira, "phone")
    assert "2 tokens revoked" in revoke(admin, *tokens)
    assert not ApiToken.objects.usable().exists()
    history = admin.get(reverse("admin:accounts_apitoken_history", args=[tokens[0].pk])).content.decode()
    assert "Revoked." in history


def test_tokens_that_were_revoked_before_stay_as_they_are(admin: Client, mira: User) -> None:
    token = a_token(mira, "script")
    ApiToken.objects.revoke()
    token.refresh_from_db()
    assert "All of these were revoked before." in revoke(admin, token)
    assert ApiToken.objects.get().revoked_at == token.revoked_at


def test_of_a_token_only_its_name_can_be_changed(admin: Client, mira: User) -> None:
    token = a_token(mira, "script")
    ApiToken.objects.revoke()
    address = reverse("admin:accounts_apitoken_change", args=[token.pk])
    assert token.digest not in admin.get(address).content.decode()
    admin.post(address, {"name": "renamed", "revoked_at_0": "", "revoked_at_1": "", "hint": "gone", "user": 1})
    changed = ApiToken.objects.get()
    assert (changed.name, changed.hint, changed.user) == ("renamed", token.hint, mira)
    assert changed.revoked_at is not None


def test_the_list_follows_a_link_to_one_person_and_says_so(admin: Client, mira: User) -> None:
    a_token(mira, "hers")
    a_token(User.objects.create(username="tam"), "his")
    page = admin.get(reverse(TOKENS), {"person": mira.pk})
    assert [token.name for token in page.context["cl"].result_list] == ["hers"]
    assert "By person" in page.content.decode()
    assert "By person" not in admin.get(reverse(TOKENS)).content.decode()


@pytest.mark.parametrize("nobody", ["none", "4096"])
def test_a_link_to_nobody_shows_nothing_of_others(admin: Client, mira: User, nobody: str) -> None:
    a_token(mira, "hers")
    page = admin.get(reverse(TOKENS), {"person": nobody})
    assert page.status_code == 302 or not page.context["cl"].result_list


def test_a_sign_in_link_says_whether_it_can_be_used(admin: Client, mira: User) -> None:
    for _ in range(3):
        SignInLink.objects.issue(mira)
    used, expired, usable = SignInLink.objects.all()
    SignInLink.objects.filter(pk=used.pk).update(used_at=timezone.now())
    SignInLink.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    for state, link in {"used": used, "expired": expired, "usable": usable}.items():
        page = admin.get(reverse(LINKS), {"state": state})
        assert list(page.context["cl"].result_list) == [link]
    assert "can be used" in page.content.decode()
    assert usable.digest not in page.content.decode()
