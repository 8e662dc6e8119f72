from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import SignInLink, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def mira() -> User:
    return User.objects.create_user("mira", password="a long enough one")


@pytest.fixture
def link(mira: User) -> str:
    return f"/sign-in/{SignInLink.objects.issue(mira)}/"


def is_signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_looking_at_the_link_uses_nothing_up(client: Client, link: str) -> None:
    for _ in range(2):
        response = client.get(link)
        assert response.status_code == 200
        assert response.content.count(b"<button") == 1
    assert not is_signed_in(client)


def test_its_button_signs_in_once(client: Client, link: str) -> None:
    assert client.post(link)["Location"] == "/"
    assert is_signed_in(client)
    second = Client()
    response = second.post(link)
    assert response.status_code == 410
    assert "manage.py sign_in_link" in response.content.decode()
    assert not is_signed_in(second)


def test_an_old_link_is_gone(client: Client, link: str) -> None:
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410


def test_an_unknown_link_is_not_found(client: Client) -> None:
    assert client.get("/sign-in/nobody-made-this/").status_code == 404


def test_a_link_of_somebody_who_was_shut_out_is_useless(client: Client, mira: User, link: str) -> None:
    User.objects.filter(pk=mira.pk).update(is_active=False)
    assert client.post(link).status_code == 410


def test_a_forged_button_is_refused_kindly(link: str) -> None:
    response = Client(enforce_csrf_checks=True).post(link)
    assert response.status_code == 403
    assert "Please send it again" in response.content.decode()


def test_a_password_signs_in_and_leads_where_one_wanted_to_go(client: Client, mira: User) -> None:
    response = client.post("/sign-in/", {"username": "mira", "password": "a long enough one", "next": "/library/"})
    assert response["Location"] == "/library/"
    assert is_signed_in(client)


def test_nobody_is_led_to_other_sites(client: Client, mira: User) -> None:
    for target in ("https://example.com/", "//example.com", "javascript:alert(1)"):
        response = client.post("/sign-in/", {"username": "mira", "password": "a long enough one", "next": target})
        assert response["Location"] == "/"


def test_a_wrong_password_is_said(client: Client, mira: User) -> None:
    response = client.post("/sign-in/", {"username": "mira", "password": "wrong"})
    assert response.status_code == 200
    assert "correct" in response.content.decode()


def test_signing_out_needs_a_press(client: Client, mira: User) -> None:
    client.force_login(mira)
    assert client.get("/sign-out/").status_code == 405
    assert is_signed_in(client)
    client.post("/sign-out/")
    assert not is_signed_in(client)
