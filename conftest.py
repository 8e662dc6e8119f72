"""What every test of the project may ask for, and the walls around all of them."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from storyapp import queue_server
from storyapp.tests.installation import Installation, wait_until

ROOT = Path(__file__).resolve().parent
DATA = Path(tempfile.mkdtemp(prefix="storyapp-tests-"))
# Long, and not about the database: ./test runs them on one, ./test --all on both.
ONE_DATABASE_WILL_DO = {
    *("test_api_bad_requests", "test_api_document", "test_api_schema", "test_api_server", "test_cloudinary_saving"),
    *("test_events", "test_fairness", "test_illustrate", "test_outages", "test_pollinations", "test_servers"),
    *("test_waiting", "test_worker", "storyapp.tests.test_admin", "test_database_away", "test_media", "test_download"),
    *("test_pages", "test_stranger", "test_generate_form", "test_sign_in", "test_health"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def _build_walls() -> None:
    """No test sees the data, the `.env` or the services of whoever runs it: an empty variable counts as unset."""
    for name in re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        os.environ[name] = ""
    os.environ["STORYAPP_DATA"] = str(DATA)
    os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
    os.environ["DJANGO_SETTINGS_MODULE"] = "storyapp.settings"
    # Where collectstatic has not run WhiteNoise warns of it in every test with a client.
    (DATA / "static").mkdir()


# Before the settings load, which the conftest files of the rooms cause.
_build_walls()
django.setup()


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "database: asks the database (set by itself); runs on PostgreSQL as well")
    config.addinivalue_line("markers", "one_database: runs on PostgreSQL with ./test --all only (set by itself)")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db", "live_server"} & set(fixtures):
            item.add_marker("database")
        module = item.nodeid.partition("::")[0].removesuffix(".py").replace("/", ".")
        if {module, module.rpartition(".")[2]} & ONE_DATABASE_WILL_DO:
            item.add_marker("one_database")
    yield
    # Playwright leaves its event loop running, and the ORM refuses its thread from then on: browsers come last.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured, although they passed, and wherever they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """`measured("ten scenes: 1.2 s")` shows the line at the end of the run."""
    return lambda line: record_property("measured", line)


@pytest.fixture(autouse=True)
def _media_of_its_own(tmp_path: Path, settings: Settings) -> None:
    # Each client has its own middleware, and WhiteNoise would look through all static files for every one.
    settings.WHITENOISE_AUTOREFRESH = True
    media = tmp_path / "media"
    settings.MEDIA_ROOT = media
    local = settings.STORAGES["local"]
    local = {**local, "OPTIONS": {**local["OPTIONS"], "location": media}}
    settings.STORAGES = {**settings.STORAGES, "local": local, "default": local}


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """`wait_for(condition, seconds=10)` asks until the condition gives something true, and gives that back."""
    return wait_until


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The address of a real queue server. This process and those it starts find it under it, too."""
    from django.conf import settings

    with tempfile.TemporaryDirectory(prefix="storyapp-queue-") as folder, pytest.MonkeyPatch.context() as patch:
        data = Path(folder)
        address = f"unix://{queue_server.socket_path(data)}"
        patch.setenv("REDIS_URL", address)
        patch.setitem(settings.RQ_QUEUES["default"], "URL", address)
        patch.setattr(settings, "REDIS_URL", address)
        with subprocess.Popen(queue_server.command(data), stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: queue_server.answers(data))
                yield address
            finally:
                server.terminate()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """`installation("--workers", "1", GENERATION_LEASE="2")` is what ./run starts, in a data folder of its own."""
    started: list[Installation] = []

    def start(*options: str, data: Path = tmp_path / "data", **variables: str) -> Installation:
        started.append(Installation(data, *options, **variables))
        return started[-1].wait_until_ready()

    yield start
    for one in started:
        one.process.kill()
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_type: Any) -> dict[str, Any]:
    """Chromium as it is found on this machine, quiet: it sends nothing home and updates nothing."""
    executable = _chromium(playwrights_own=browser_type.executable_path)
    if executable is None:
        missing = "No browser: install chromium, or set CHROMIUM to one."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    # The ORM runs in the thread of Playwright's loop, which is no loop of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # Playwright's five seconds are short where four browsers begin at once on two cores.
    expect.set_options(timeout=20_000)
    return {
        **browser_type_launch_args,
        "executable_path": executable,
        # Chromium's sandbox refuses root, and only root.
        "chromium_sandbox": os.getuid() != 0,
        "args": [
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
        ],
    }


def _chromium(*, playwrights_own: str) -> str | None:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (playwrights_own if Path(playwrights_own).exists() else None)
