"""No page has what the axe rules for WCAG 2.2 AA call a violation."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from storyapp.tests.contact_sheet import SETTLED, session_of
from storyapp.tests.pages import fill, pages, pages_for_strangers

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """async (rules) => {
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html.slice(0, 200)) }));
}"""


def context(browser: Browser, live_server: LiveServer, user: User | None, size: int, theme: Any) -> BrowserContext:
    context = browser.new_context(viewport={"width": size, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    if user:
        context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": live_server.url}])
    return context


def violations(page: Page, address: str) -> list[dict[str, Any]]:
    response = page.goto(address)
    # A page of an error would pass for the one that was meant.
    assert response is not None
    assert response.status in (200, 404), address
    page.evaluate(SETTLED)
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN, RULES)
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, {"id": "wider-than-the-screen", "by": too_wide}] if too_wide > 0 else found


# Each size and each theme once; the other two combinations differ in nothing that the rules look at.
ALWAYS = [(1440, "light"), (390, "dark")]
WITH_ALL = [(1440, "dark"), (390, "light")]
combinations = pytest.mark.parametrize(
    "seen", [pytest.param(ALWAYS, id="always"), pytest.param(WITH_ALL, id="all", marks=pytest.mark.slow)]
)
Seen = list[tuple[int, str]]


def check(browser: Browser, live_server: LiveServer, user: User | None, addresses: dict[str, str], seen: Seen) -> None:
    failures: dict[str, Any] = {}
    for size, theme in seen:
        one = context(browser, live_server, user, size, theme)
        page = one.new_page()
        for name, path in addresses.items():
            if found := violations(page, live_server.url + path):
                failures[f"{name} {size} {theme}"] = found
        one.close()
    assert not failures, json.dumps(failures, indent=2)


@combinations
def test_full_pages(browser: Browser, live_server: LiveServer, seen: Seen) -> None:
    owner = User.objects.create(username="owner", is_superuser=True, is_staff=True)
    fill(owner)
    check(browser, live_server, owner, pages(owner), seen)


@combinations
def test_empty_pages(browser: Browser, live_server: LiveServer, seen: Seen) -> None:
    newcomer = User.objects.create(username="newcomer")
    check(browser, live_server, newcomer, pages(newcomer), seen)


@combinations
def test_pages_before_one_is_signed_in(browser: Browser, live_server: LiveServer, seen: Seen) -> None:
    check(browser, live_server, None, pages_for_strangers(User.objects.create(username="owner")), seen)


def test_the_rules_see_what_is_wrong(browser: Browser, live_server: LiveServer) -> None:
    page = browser.new_page()
    page.goto(f"{live_server.url}/sign-in/")
    page.evaluate("document.querySelector('label').remove(); document.body.append(document.createElement('img'))")
    page.evaluate(AXE)
    assert {"label", "image-alt"} <= {one["id"] for one in page.evaluate(RUN, RULES)}
    page.close()
