"""The page of API tokens: a secret that is seen once, and a list of what is known of the others."""

import logging
import re
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, expect
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import (
    REVOKED_TOKEN_SHOWN,
    TOKEN_NAME_LENGTH,
    TOKENS_AT_ONCE,
    ApiToken,
    IssuedMeanwhile,
    TooManyTokens,
    User,
)

pytestmark = pytest.mark.django_db

PAGE = "/tokens/"
REVOKE = "/tokens/revoke/"


@pytest.fixture
def signed_in(client: Client, mira: User) -> Client:
    client.force_login(mira)
    return client


def page_of(client: Client) -> str:
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def newest_in(page: str) -> str:
    """What the form of this page says to be the newest token."""
    found = re.search(r'name="newest" value="(\d+)"', page)
    assert found
    return found[1]


def make(client: Client, name: str, **changes: Any) -> Any:
    return client.post(PAGE, {"name": name, "newest": newest_in(page_of(client)), **changes})


def secret_in(page: str) -> str:
    found = re.search(r'id="secret" value="([^"]+)"', page)
    assert found
    return found[1]


# ---- a new token ----------------------------------------------------------------------------------


def test_a_token_that_is_made_is_shown_and_works(signed_in: Client, mira: User) -> None:
    response = make(signed_in, "Printing house")
    assert response.status_code == 200
    secret = secret_in(response.content.decode())
    assert ApiToken.objects.use(secret) == mira
    assert ApiToken.objects.get().name == "Printing house"


def test_the_example_can_be_pasted_as_it_is(signed_in: Client) -> None:
    page = make(signed_in, "Printing house").content.decode()
    example = re.search(r'<textarea[^>]*id="example"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert example
    assert "\n" not in example[1]
    assert f"Authorization: Bearer {secret_in(page)}" in example[1]
    assert "http://testserver/api/image-generation/generate" in example[1]


def test_the_secret_is_in_that_one_answer_alone(
    signed_in: Client, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.DEBUG = True
    response = make(signed_in, "Printing house")
    secret = secret_in(response.content.decode())
    assert "no-store" in response["Cache-Control"]
    assert "Location" not in response
    assert secret not in response.cookies.output()
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    assert secret not in caplog.text
    assert secret not in str(ApiToken.objects.values().get())
    later = page_of(signed_in)
    assert secret not in later
    assert 'id="secret"' not in later


def test_the_list_itself_is_kept_by_no_cache_either(signed_in: Client) -> None:
    assert "no-store" in signed_in.get(PAGE)["Cache-Control"]


def test_a_reload_makes_no_second_token_and_shows_nothing_again(signed_in: Client) -> None:
    sent = {"name": "Printing house", "newest": newest_in(page_of(signed_in))}
    secret = secret_in(signed_in.post(PAGE, sent).content.decode())
    again = signed_in.post(PAGE, sent, follow=True)
    assert again.redirect_chain == [(PAGE, 302)]
    page = again.content.decode()
    assert "was made before" in page
    assert secret not in page
    assert ApiToken.objects.count() == 1


def test_a_reload_makes_none_when_the_first_was_revoked_meanwhile(signed_in: Client) -> None:
    sent = {"name": "Printing house", "newest": newest_in(page_of(signed_in))}
    signed_in.post(PAGE, sent)
    ApiToken.objects.all().revoke()
    signed_in.post(PAGE, sent)
    assert ApiToken.objects.count() == 1


def test_the_page_of_a_new_token_makes_the_next_one(signed_in: Client) -> None:
    first = make(signed_in, "One").content.decode()
    second = signed_in.post(PAGE, {"name": "Two", "newest": newest_in(first)}).content.decode()
    assert secret_in(second) != secret_in(first)
    assert ApiToken.objects.count() == 2


def test_two_windows_make_two_tokens_after_a_word(signed_in: Client) -> None:
    in_both = newest_in(page_of(signed_in))
    signed_in.post(PAGE, {"name": "One", "newest": in_both})
    response = signed_in.post(PAGE, {"name": "Two", "newest": in_both})
    page = response.content.decode()
    assert response.status_code == 422
    assert "“One” was made meanwhile" in page
    assert 'value="Two"' in page
    signed_in.post(PAGE, {"name": "Two", "newest": newest_in(page)})
    assert ApiToken.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_four_presses_at_once_make_one_token(mira: User) -> None:
    refused: list[IssuedMeanwhile] = []
    together = Barrier(4)

    def press() -> None:
        together.wait()
        try:
            ApiToken.objects.issue(mira, "Printing house", newest=0)
        except IssuedMeanwhile as exc:
            refused.append(exc)
        finally:
            connection.close()

    threads = [Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ApiToken.objects.count() == 1
    assert [exc.newest for exc in refused] == [ApiToken.objects.get()] * 3


# ---- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Give the token a name."),
        ("   ", "Give the token a name."),
        ("x" * (TOKEN_NAME_LENGTH + 1), "Up to 80 characters fit in a name; this has 81."),
        ("a\x00b", "Null characters are not allowed."),
    ],
)
def test_a_name_that_cannot_be_is_told_at_its_field(signed_in: Client, name: str, said: str) -> None:
    response = make(signed_in, name)
    page = response.content.decode()
    assert response.status_code == 422
    assert said in page
    assert 'aria-invalid="true"' in page
    assert not ApiToken.objects.exists()


def test_the_longest_name_fits(signed_in: Client) -> None:
    assert make(signed_in, "x" * TOKEN_NAME_LENGTH).status_code == 200


@pytest.mark.parametrize("newest", ["", "many", "-1"])
def test_a_form_that_was_tampered_with_asks_to_be_sent_again(signed_in: Client, newest: str) -> None:
    response = make(signed_in, "Printing house", newest=newest)
    assert response.status_code == 422
    assert "Please send the form again." in response.content.decode()
    assert not ApiToken.objects.exists()


def test_a_name_is_shown_as_it_was_typed(signed_in: Client) -> None:
    page = make(signed_in, "<script>alert(1)</script>").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_nobody_has_more_tokens_than_can_be_looked_through(signed_in: Client, mira: User) -> None:
    for number in range(TOKENS_AT_ONCE - 1):
        ApiToken.objects.issue(mira, f"Script {number}")
    last = make(signed_in, "The last one")
    assert last.status_code == 200
    sentence = f"{TOKENS_AT_ONCE} tokens are in use, the most that one person can have. Revoke one"
    assert sentence in last.content.decode()
    refused = signed_in.post(PAGE, {"name": "One more", "newest": ApiToken.objects.latest("pk").pk})
    assert refused.status_code == 422
    assert sentence in refused.content.decode()
    with pytest.raises(TooManyTokens):
        ApiToken.objects.issue(mira, "One more")
    assert ApiToken.objects.count() == TOKENS_AT_ONCE
    ApiToken.objects.filter(name="Script 0").revoke()
    assert make(signed_in, "One more").status_code == 200


# ---- the list -------------------------------------------------------------------------------------


def test_somebody_without_tokens_reads_what_one_is_for(signed_in: Client) -> None:
    page = page_of(signed_in)
    assert "No program uses storyapp as you." in page
    assert "Your tokens" not in page


def test_each_is_known_by_its_name_and_first_characters(signed_in: Client, mira: User) -> None:
    secret = ApiToken.objects.issue(mira, "Printing house")
    page = page_of(signed_in)
    assert "Printing house" in page
    assert f"<code>{secret[:4]}…</code>" in page
    assert secret[:5] not in page
    assert "never used" in page


def test_its_last_use_is_told_to_the_minute(signed_in: Client, mira: User) -> None:
    secret = ApiToken.objects.issue(mira, "Printing house")
    before = timezone.now()
    assert ApiToken.objects.use(secret) == mira
    page = page_of(signed_in)
    shown = re.search(r'last used <time datetime="([^"]+)" data-local="minute">', page)
    assert shown
    moment = datetime.fromisoformat(shown[1])
    assert (moment.second, moment.microsecond) == (0, 0)
    assert before - timedelta(minutes=1) < moment <= timezone.now()
    assert "never used" not in page


def test_its_use_is_written_once_a_minute(mira: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    secret = ApiToken.objects.issue(mira, "Printing house")
    # A use in the same minute as this one, whenever the test runs.
    ApiToken.objects.update(last_used_at=timezone.now() + timedelta(minutes=1))
    with django_assert_num_queries(1):
        ApiToken.objects.use(secret)


def test_the_list_costs_as_much_with_many_tokens_as_with_one(
    signed_in: Client, mira: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        ApiToken.objects.issue(mira, f"Script {number}")
    ApiToken.objects.filter(pk__in=[token.pk for token in ApiToken.objects.all()[:10]]).revoke()
    # The session, the person, those in use, those revoked lately, the newest.
    with django_assert_num_queries(5):
        page_of(signed_in)


def test_the_menu_of_every_page_leads_here(signed_in: Client) -> None:
    assert f'href="{PAGE}">API tokens</a>' in signed_in.get("/").content.decode()


# ---- revoking -------------------------------------------------------------------------------------


def test_a_revoked_token_is_refused_and_told_apart(signed_in: Client, mira: User) -> None:
    secret = ApiToken.objects.issue(mira, "Printing house")
    response = signed_in.post(REVOKE, {"token": ApiToken.objects.get().pk}, follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [(PAGE, 302)]
    assert "“Printing house” is revoked." in page
    assert "Revoked lately" in page
    assert "Your tokens" not in page
    assert ApiToken.objects.use(secret) is None


def test_revoking_twice_keeps_the_first_time(signed_in: Client, mira: User) -> None:
    ApiToken.objects.issue(mira, "Printing house")
    sent = {"token": ApiToken.objects.get().pk}
    signed_in.post(REVOKE, sent)
    first = ApiToken.objects.get().revoked_at
    assert signed_in.post(REVOKE, sent).status_code == 302
    assert ApiToken.objects.get().revoked_at == first


def test_a_revoked_token_leaves_the_page_after_a_while(signed_in: Client, mira: User) -> None:
    ApiToken.objects.issue(mira, "Printing house")
    ApiToken.objects.update(revoked_at=timezone.now() - REVOKED_TOKEN_SHOWN - timedelta(minutes=1))
    assert "Printing house" not in page_of(signed_in)


def test_looking_at_the_address_revokes_nothing(signed_in: Client, mira: User) -> None:
    ApiToken.objects.issue(mira, "Printing house")
    assert signed_in.get(REVOKE, {"token": ApiToken.objects.get().pk}).status_code == 405
    assert ApiToken.objects.unrevoked().count() == 1


@pytest.mark.parametrize("token", ["", "0", "many", "\x00", "9" * 30, "9" * 5000])
def test_a_token_that_is_not_there_is_not_found(signed_in: Client, token: str) -> None:
    assert signed_in.post(REVOKE, {"token": token}).status_code == 404


def test_tokens_of_others_are_not_there(signed_in: Client) -> None:
    another = User.objects.create(username="another", is_superuser=True)
    ApiToken.objects.issue(another, "Nobody else may read this")
    assert "Nobody else" not in page_of(signed_in)
    assert signed_in.post(REVOKE, {"token": ApiToken.objects.get().pk}).status_code == 404
    assert ApiToken.objects.unrevoked().count() == 1


# ---- in a browser ---------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_one_copies_the_token_with_the_keyboard(context: BrowserContext, live_server: LiveServer, mira: User) -> None:
    client = Client()
    client.force_login(mira)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(live_server.url + PAGE)
    page.get_by_label("Name of a token").fill("Printing house")
    page.keyboard.press("Enter")
    secret = page.get_by_label("Token", exact=True)
    expect(secret).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret.input_value()
    assert ApiToken.objects.use(secret.input_value()) == mira
    page.reload()
    expect(page.get_by_text("Your tokens")).to_be_visible()
    expect(page.locator("#secret")).to_have_count(0)
