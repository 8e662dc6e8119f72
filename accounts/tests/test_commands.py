from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import TOKENS_AT_ONCE, ApiToken, SignInLink, User, digest

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mira(settings: Settings, tmp_path: Path) -> User:
    settings.STORYAPP_DATA = tmp_path
    return User.objects.create(username="mira")


def printed(*words: str) -> str:
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue().strip()


def test_the_printed_address_signs_in(client: Client) -> None:
    address = printed("sign_in_link", "mira")
    assert address.startswith("http://127.0.0.1:8000/sign-in/")
    client.post(address.removeprefix("http://127.0.0.1:8000"))
    assert client.get("/").status_code == 200


def test_the_address_is_where_storyapp_serves(settings: Settings) -> None:
    (settings.STORYAPP_DATA / "address").write_text("http://10.0.0.5:9000/\n")
    assert printed("sign_in_link", "mira").startswith("http://10.0.0.5:9000/sign-in/")
    given = printed("sign_in_link", "mira", "--address", "https://stories.example")
    assert given.startswith("https://stories.example/sign-in/")


@pytest.mark.parametrize("command", ["sign_in_link", "create_token"])
def test_nobody_is_made_by_the_way(command: str) -> None:
    with pytest.raises(CommandError, match="nobody called 'mria'") as refused:
        call_command(command, "mria")
    assert refused.value.returncode == 2
    assert User.objects.count() == 1
    assert not SignInLink.objects.exists()


def test_a_token_is_the_last_word_and_only_its_hash_is_kept() -> None:
    token = printed("create_token", "mira").split()[-1]
    row = ApiToken.objects.get()
    assert row.digest == digest(token)
    assert token.startswith(row.hint)
    assert len(row.hint) < 8


def test_a_token_too_many_is_refused_with_the_reason(mira: User) -> None:
    for number in range(TOKENS_AT_ONCE):
        ApiToken.objects.issue(mira, f"script {number}")
    with pytest.raises(CommandError, match="the most that one person can have") as refused:
        call_command("create_token", "mira")
    assert refused.value.returncode == 2
