"""Who a bearer token stands for, and what is answered where it stands for nobody."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from accounts.bearer import bearer, session_or_token, unauthorized
from accounts.models import ApiToken, User


def request(authorization: str | None = None) -> HttpRequest:
    headers = {} if authorization is None else {"Authorization": authorization}
    return RequestFactory().get("/somewhere/?page=2", headers=headers)


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("owner")


def test_the_scheme_may_be_written_in_any_case(person: User) -> None:
    token = ApiToken.objects.issue(person, "a program")
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert bearer(request(f"{scheme} {token}")) == person


def test_a_token_stands_for_its_person_until_it_is_revoked(person: User) -> None:
    token = ApiToken.objects.issue(person, "a program")
    assert bearer(request(f"Bearer {token}")) == person
    ApiToken.objects.all().revoke()
    assert bearer(request(f"Bearer {token}")) is None


def test_an_account_that_is_closed_closes_its_tokens(person: User) -> None:
    token = ApiToken.objects.issue(person, "a program")
    User.objects.update(is_active=False)
    assert bearer(request(f"Bearer {token}")) is None


@pytest.mark.django_db
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic b3duZXI6", "b3duZXI6"])
def test_where_there_is_no_token_nothing_is_looked_up(
    authorization: str | None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert bearer(request(authorization)) is None


def test_the_answer_says_how_to_sign_in() -> None:
    answer = unauthorized()
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


@session_or_token
def whose(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


def test_a_token_goes_before_a_session(person: User) -> None:
    """A program that names itself wrongly is told so, instead of seeing somebody else's pictures."""
    signed_in, other = User.objects.create_user("signed-in"), ApiToken.objects.issue(person, "a program")
    for authorization, status, content in ((f"Bearer {other}", 200, b"owner"), ("Bearer wrong", 401, None)):
        asked = request(authorization)
        asked.user = signed_in
        answer = whose(asked)
        assert answer.status_code == status
        assert content in (None, answer.content)


def test_a_proxys_own_password_leaves_the_session_alone(person: User) -> None:
    asked = request("Basic b3duZXI6")
    asked.user = person
    assert whose(asked).content == b"owner"


@pytest.mark.django_db
def test_whoever_is_neither_is_sent_to_the_sign_in_page(client: Client) -> None:
    address = "/media/00000000-0000-0000-0000-000000000000/original?download=1"
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"/sign-in/?next={address.replace('?', '%3F').replace('=', '%3D')}"
