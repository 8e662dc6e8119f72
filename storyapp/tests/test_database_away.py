"""A page in plain words while the database is away, whoever asks for whatever."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import InterfaceError, OperationalError, connection
from django.test import AsyncClient, Client

from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_database(error: type[Exception] = OperationalError) -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise error("connection to server failed: secret-host")

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("owner"))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("path", ["/", "/library/", "/admin/"])
def test_a_database_that_is_away_is_said_in_plain_words(signed_in: Client, path: str, error: type[Exception]) -> None:
    with no_database(error):
        answer = signed_in.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    page = answer.content.decode()
    assert "The database does not answer. What is kept is safe" in page
    assert "go back" not in page, "nothing was sent"
    assert "secret-host" not in page
    assert signed_in.get(path).status_code == 200


def test_whoever_sent_a_form_learns_that_it_was_not_kept(signed_in: Client) -> None:
    with no_database():
        answer = signed_in.post("/generate/", {"title": "A story", "scenes": "one"})
    assert answer.status_code == 503
    assert "What you just sent was not kept: go back, and it is still in the form." in answer.content.decode()


def test_it_is_the_same_under_asgi(signed_in: Client) -> None:
    asynchronous = AsyncClient(raise_request_exception=False)
    asynchronous.cookies = signed_in.cookies
    with no_database():
        answer: Any = async_to_sync(asynchronous.get)("/library/")
    assert answer.status_code == 503


def test_another_error_is_told_as_before(signed_in: Client) -> None:
    with no_database(ZeroDivisionError):
        answer = signed_in.get("/library/")
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()
