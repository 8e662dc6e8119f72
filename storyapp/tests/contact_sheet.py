"""Every page as a picture: `.venv/bin/python -m storyapp.tests.contact_sheet [FOLDER]`.

390 and 1440 pixels wide, light and dark, full, and empty in light. A folder with a picture a page, and one sheet
for each combination. Needs no running storyapp: database, pictures and server live in a temporary folder.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

    from accounts.models import User
    from storyapp.tests.pages import Address

ROOT = Path(__file__).resolve().parents[2]
SIZES = {1440: 900, 390: 844}
TILE = {1440: 480, 390: 220}
TALLEST = 2.4
GAP = 24

# Lazy pictures are blank in screenshots: fetch and decode them all, and let two frames pass.
SETTLED = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  await document.fonts.ready;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Make pictures of every page, and sheets of them.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "contact-sheet")
    parser.add_argument("--only", default="", help="names of pages, with commas between")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyapp-sheet-") as data:
        os.environ |= {"STORYAPP_DATA": data, "DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "storyapp.settings"}
        people = _library()
        with _server() as address:
            for combination, (size, theme, addresses, session) in _combinations(people).items():
                wanted = options.only.split(",") if options.only else addresses
                only = {name: page for name, page in addresses.items() if name in wanted}
                if not only:
                    continue
                _photograph(options.folder / combination, address, only, size=size, theme=theme, session=session)
                _sheet(options.folder / combination, TILE[size])
                sys.stdout.write(f"{options.folder / combination}.png\n")


Addresses = dict[str, "Address"]
Combination = tuple[int, str, Addresses, str]


def _library() -> dict[str, tuple[Addresses, str]]:
    """Full, empty, stranger and admin: each with their pages and their session."""
    import django

    django.setup()
    from django.core.management import call_command

    from accounts.models import User
    from storyapp.tests.admin_pages import admin_pages
    from storyapp.tests.pages import fill, pages, pages_for_strangers

    call_command("migrate", verbosity=0)
    owner = User.objects.create(username="owner", is_superuser=True, is_staff=True)
    newcomer = User.objects.create(username="newcomer")
    fill(owner)
    return {
        "full": (pages(owner), session_of(owner)),
        "empty": (pages(newcomer), session_of(newcomer)),
        "stranger": (pages_for_strangers(owner), ""),
        "admin": ({**admin_pages(owner)}, session_of(owner)),
    }


def session_of(user: "User") -> str:
    """The cookie of a new session, as signing in makes it."""
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def show(page: "Page", origin: str, address: "Address") -> "Response":
    """Open a page in the browser, sending the form that it is the answer to. Pictures and faces may still come."""
    if isinstance(address, str):
        response = page.goto(origin + address)
    else:
        page.goto(origin + address.path)
        form = page.locator("form.panel")
        for name, value in address.fields.items():
            form.locator(f"[name={name}]").fill(value)
        with page.expect_navigation() as navigation:
            # Past what the browser itself would find wrong.
            form.evaluate("form => form.submit()")
        response = navigation.value
    assert response is not None
    return response


def _combinations(people: dict[str, tuple[Addresses, str]]) -> dict[str, Combination]:
    return {
        f"{who}-{size}-{theme}": (size, theme, *people[who])
        for who in people
        for size in SIZES
        for theme in ("light", "dark")
        if not (who == "empty" and theme == "dark")
    }


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "storyapp.asgi:application", "--port", str(port), "--lifespan", "off"]
    quiet = ["--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "1"]
    process = subprocess.Popen([*command, *quiet], cwd=ROOT)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{address}/sign-in/", timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"Nothing answers at {address}.")


def _photograph(folder: Path, address: str, pages: Addresses, *, size: int, theme: str, session: str) -> None:
    from playwright.sync_api import sync_playwright

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, chromium_sandbox=os.getuid() != 0)
        context = browser.new_context(
            viewport={"width": size, "height": SIZES[size]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        if session:
            context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
        page = context.new_page()
        for name, path in pages.items():
            show(page, address, path)
            page.evaluate(SETTLED)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
        browser.close()


def _sheet(folder: Path, width: int) -> None:
    """All pages of a folder in one picture beside it: each reduced, long ones cut, with its name."""
    from PIL import Image, ImageDraw

    tiles = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as page:
            height = min(page.height, int(page.width * TALLEST))
            part = page.convert("RGB").crop((0, 0, page.width, height))
        tiles.append((path.stem, part.resize((width, round(height * width / part.width)), Image.Resampling.LANCZOS)))
    if not tiles:
        return
    columns = max(1, min(len(tiles), 2600 // (width + GAP)))
    lines = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for _, tile in line) + 2 * GAP for line in lines]
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, sum(heights) + GAP), "#8c8c8c")
    pen = ImageDraw.Draw(sheet)
    top = 0
    for line, height in zip(lines, heights, strict=True):
        for column, (name, tile) in enumerate(line):
            left = GAP + column * (width + GAP)
            pen.text((left, top + 8), name, fill="#111")
            sheet.paste(tile, (left, top + GAP))
        top += height
    sheet.save(folder.with_suffix(".png"))


if __name__ == "__main__":
    main()
