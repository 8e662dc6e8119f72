"""Pages in a real browser: keys, themes, what a press answers, and what is left without JavaScript."""

import io
import re
import zipfile

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from gallery.models import Story
from gallery.tests.rows import a_person, a_story
from storyapp.tests.contact_sheet import session_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner() -> User:
    return a_person()


@pytest.fixture
def story(owner: User) -> Story:
    return a_story(owner, scenes=9)


@pytest.fixture
def signed_in(page: Page, owner: User, live_server: LiveServer) -> Page:
    page.context.add_cookies([{"name": "sessionid", "value": session_of(owner), "url": live_server.url}])
    page.set_viewport_size({"width": 1440, "height": 900})
    return page


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.querySelector('img')?.alt ?? ''"))


def test_a_grid_is_one_stop_and_arrows_move_inside_it(signed_in: Page, story: Story, live_server: LiveServer) -> None:
    signed_in.goto(live_server.url + story.get_absolute_url())
    expect(signed_in.locator(".card-link[tabindex='0']")).to_have_count(1)
    signed_in.locator(".card-link").first.focus()
    for key, scene in [("ArrowRight", 2), ("ArrowDown", 5), ("ArrowUp", 2), ("End", 9), ("Home", 1), ("ArrowLeft", 1)]:
        signed_in.keyboard.press(key)
        assert focused(signed_in).startswith(f"Scene {scene}:"), (key, focused(signed_in))
    signed_in.keyboard.press("Enter")
    expect(signed_in).to_have_url(re.compile("/images/"))
    signed_in.keyboard.press("ArrowRight")
    expect(signed_in.get_by_role("heading", level=1)).to_contain_text("Scene 2 at dusk")


def test_single_keys_work_outside_fields_and_can_be_turned_off(signed_in: Page, live_server: LiveServer) -> None:
    signed_in.goto(f"{live_server.url}/library/")
    signed_in.keyboard.press("/")
    expect(signed_in.locator("#search")).to_be_focused()
    signed_in.keyboard.type("n/?")
    expect(signed_in.locator("#search")).to_have_value("n/?")
    signed_in.locator("#content").focus()
    signed_in.keyboard.press("?")
    sheet = signed_in.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    sheet.get_by_label("Turn single keys off").check()
    signed_in.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    signed_in.locator("#content").focus()
    signed_in.keyboard.press("n")
    expect(signed_in).to_have_url(re.compile("/library/$"))


def test_n_begins_a_new_story_and_scenes_are_counted(signed_in: Page, live_server: LiveServer) -> None:
    signed_in.goto(f"{live_server.url}/library/")
    signed_in.keyboard.press("n")
    expect(signed_in).to_have_url(re.compile("/stories/new/$"))
    signed_in.get_by_label("Scenes", exact=True).fill("A fox\n\n# a note\nThe sea")
    expect(signed_in.locator("[data-count-of]").first).to_contain_text("2 scenes")


def test_the_theme_is_kept_and_set_before_the_page_is_painted(signed_in: Page, live_server: LiveServer) -> None:
    signed_in.emulate_media(color_scheme="light")
    signed_in.goto(f"{live_server.url}/library/")
    signed_in.get_by_label("Menu").click()
    signed_in.get_by_role("button", name="Dark").click()
    signed_in.goto(f"{live_server.url}/stories/")
    assert signed_in.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(21, 20, 15)"
    expect(signed_in.locator("meta[name='theme-color']").first).to_have_attribute("content", "#15140f")


def test_60_more_come_into_the_grid_and_focus_goes_on(signed_in: Page, owner: User, live_server: LiveServer) -> None:
    a_story(owner, scenes=65)
    signed_in.goto(f"{live_server.url}/library/")
    expect(signed_in.locator(".card")).to_have_count(60)
    signed_in.get_by_role("link", name="Show 60 more").click()
    expect(signed_in.locator(".card")).to_have_count(65)
    assert focused(signed_in).startswith("Scene 5:")
    expect(signed_in.locator("#status")).to_have_text("5 more pictures")


# The zip is written for ASGI, which serves it in life; the live server speaks WSGI. An event stream is not meant: this
# server would hold it back for minutes.
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_download_all_answers_the_press_and_brings_the_zip(
    signed_in: Page, story: Story, live_server: LiveServer
) -> None:
    signed_in.goto(live_server.url + story.get_absolute_url())
    button = signed_in.get_by_role("link", name="Download All")
    with signed_in.expect_download() as download:
        button.click()
    expect(signed_in.locator("[data-download]")).to_contain_text(re.compile("Preparing|Downloading"))
    expect(signed_in.locator("#status")).to_contain_text("9 pictures")
    content = download.value.path().read_bytes()
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 9
    assert download.value.suggested_filename == "The lantern.zip"


def test_nothing_is_refused_by_the_policy(signed_in: Page, story: Story, live_server: LiveServer) -> None:
    said: list[str] = []
    signed_in.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    image = story.scenes.order_by("position")[1].images.get()
    for path in ("/", "/stories/", "/stories/new/?sample=1", story.get_absolute_url(), image.get_absolute_url()):
        signed_in.goto(live_server.url + path)
    assert said == []


def test_without_javascript_the_pages_do_all_they_must(browser: Browser, owner: User, live_server: LiveServer) -> None:
    a_story(owner, scenes=65)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": session_of(owner), "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/library/")
    page.get_by_role("link", name="Show 60 more").click()
    expect(page.locator(".card")).to_have_count(5)
    page.get_by_role("link", name="Back to the newest").click()
    expect(page.locator(".card")).to_have_count(60)
    page.get_by_label("Menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    context.close()
