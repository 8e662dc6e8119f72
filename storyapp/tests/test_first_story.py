"""What a new person does: ./run, the printed address, a story, Generate, ten pictures, the zip."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from storyapp.tests.installation import Installation

pytestmark = pytest.mark.browser
Start = Callable[..., Installation]

PASTED = [f"{number} {hour} over the {place}" for number, (hour, place) in enumerate(
    [("Dawn", "sea"), ("Night", "forest"), ("Dusk", "city"), ("Mist", "mountains"), ("Autumn", "forest"),
     ("Night", "desert"), ("Day", "sea"), ("Dusk", "mountains"), ("Dawn", "city"), ("Night", "planet in space")],
    start=1,
)]  # fmt: skip


@pytest.mark.parametrize(
    "javascript",
    [pytest.param(True, id="live"), pytest.param(False, id="without JavaScript", marks=pytest.mark.slow)],
)
def test_from_the_printed_address_to_ten_pictures_and_their_zip(
    installation: Start, browser: Browser, tmp_path: Path, javascript: bool
) -> None:
    here = installation()
    context = browser.new_context(java_script_enabled=javascript, accept_downloads=True, base_url=here.address)
    page = context.new_page()
    page.goto(here.sign_in)
    page.get_by_role("button").click()

    page.get_by_role("link", name="Try the sample story").click()
    page.get_by_role("button", name="Generate").click()
    sample = ten_different_pictures(page)
    page.get_by_role("link", name="New story").first.click()
    page.get_by_label("Title").fill("Ten places")
    page.get_by_label("Scenes", exact=True).fill("\n".join(["# pasted from my notes", *PASTED[:5], "", *PASTED[5:]]))
    page.get_by_role("button", name="Generate").click()
    assert not sample & ten_different_pictures(page)

    page.goto("/stories/")
    page.get_by_role("link", name="Ten places").first.click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download All").click()
    check_zip(Path(downloading.value.path()), PASTED)
    context.close()


def ten_different_pictures(page: Page) -> set[str]:
    """Wait on the job's page until all are there; their hashes."""
    expect(page.get_by_text("10 of 10 pictures").first).to_be_visible(timeout=60_000)
    pictures = page.locator("article img")
    expect(pictures).to_have_count(10, timeout=10_000)
    assert all(pictures.nth(number).get_attribute("alt") for number in range(10))
    addresses = [str(pictures.nth(number).get_attribute("src")) for number in range(10)]
    bodies = [page.request.get(address) for address in addresses]
    assert all(body.ok and body.headers["content-type"].startswith("image/") for body in bodies)
    hashes = {hashlib.sha256(body.body()).hexdigest() for body in bodies}
    assert len(hashes) == 10
    return hashes


def check_zip(path: Path, scenes: list[str]) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{number:02} {scene}.jpg" for number, scene in enumerate(scenes, start=1)]
        assert len({archive.read(name) for name in archive.namelist()}) == 10
