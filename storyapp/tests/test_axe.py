"""No page has what the axe rules for WCAG 2.2 AA call a violation."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from storyapp.tests.contact_sheet import session_of, show
from storyapp.tests.pages import Address, fill, pages, pages_for_strangers

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# What preloads feeds only rules that are not among these.
RUN = """async (runOnly) => {
  const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"], preload: false });
  return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html.slice(0, 200)) }));
}"""
# Pages stand still while they are looked at: colours change with the theme at once, and nothing comes in. The
# server of these tests cannot stream: it would hold an event stream back until its end, minutes later.
STILL = """
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets = [still];
  window.EventSource = class extends EventTarget { close() {} };
"""

# Another page in the window that has axe in it, warm, and every style sheet: half the cost of going there. Its scripts
# run as ever. 0 for a redirect, whose page would pass for the one that was meant.
TURN_TO = """async (path) => {
  const answer = await fetch(path);
  const html = await answer.text();
  history.replaceState(null, "", path);
  document.open();
  const loaded = new Promise((done) => addEventListener("load", done, { once: true }));
  document.write(html);
  document.close();
  await loaded;
  return answer.redirected ? 0 : answer.status;
}"""

# Each size and each theme once; the other two combinations differ in nothing that the rules look at.
ALWAYS = [(1440, "light"), (390, "dark")]
WITH_ALL = [(1440, "dark"), (390, "light")]
combinations = pytest.mark.parametrize(
    "seen", [pytest.param(ALWAYS, id="always"), pytest.param(WITH_ALL, id="all", marks=pytest.mark.slow)]
)
Seen = list[tuple[int, Literal["light", "dark"]]]


def check(browser: Browser, server: LiveServer, user: User | None, pages: dict[str, Address], seen: Seen) -> None:
    """Every page is loaded once, then seen in each size and theme."""
    failures: dict[str, Any] = {}
    with browser.new_context(reduced_motion="reduce") as context:
        if user:
            context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": server.url}])
        context.add_init_script(STILL)
        page = context.new_page()
        page.goto(server.url)
        page.evaluate(AXE)
        for name, address in pages.items():
            # A page of an error would pass for the one that was meant.
            assert opened(page, server, address) in (200, 404, 422), name
            for size, theme in seen:
                if found := violations(page, size, theme):
                    failures[f"{name} {size} {theme}"] = found
    assert not failures, json.dumps(failures, indent=2)


def opened(page: Page, server: LiveServer, address: Address) -> int:
    """The status of the page that is shown now."""
    if isinstance(address, str):
        status: int = page.evaluate(TURN_TO, address)
        return status
    response = show(page, server.url, address)
    page.evaluate(AXE)
    return response.status


def violations(page: Page, size: int, theme: Literal["light", "dark"]) -> list[dict[str, Any]]:
    page.set_viewport_size({"width": size, "height": 900})
    page.emulate_media(color_scheme=theme)
    found: list[dict[str, Any]] = page.evaluate(RUN, RULES)
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, {"id": "wider-than-the-screen", "by": too_wide}] if too_wide > 0 else found


@combinations
def test_full_pages(browser: Browser, live_server: LiveServer, seen: Seen) -> None:
    owner = User.objects.create(username="owner", is_superuser=True, is_staff=True)
    # Nothing that the rules look at depends on the pixels of a picture.
    fill(owner, side=64)
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
    page.goto(live_server.url)
    page.evaluate(AXE)
    assert opened(page, live_server, "/sign-in/") == 200
    page.evaluate("document.querySelector('label').remove(); document.body.append(document.createElement('img'))")
    assert {"label", "image-alt"} <= {one["id"] for one in page.evaluate(RUN, RULES)}
    page.close()
