"""What `/healthz` says to anybody, and the health page to administrators, in good and in bad times."""

import os
import re
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Never

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from gallery.storing import RemoteStorage, StorageUnavailable
from gallery.tests.rows import a_person
from generation.generate import Asked, generate
from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.tests.rows import change, run
from storyapp import health
from storyapp.management.commands import sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def good_times(settings: Any, tmp_path: Path, valkey: str) -> None:
    settings.STORYAPP_DATA = tmp_path


@pytest.fixture
def job() -> GenerationJob:
    return generate(a_person(), Asked(scenes=("A fox", "An owl"), width=64, height=64))


@pytest.fixture
def superuser() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    return client


def part(name: str, *, ask_outside: bool = False) -> health.Part:
    return next(one for one in health.health(ask_outside=ask_outside).parts if one.name == name)


def make_due(job: GenerationJob, *, seconds: float) -> None:
    job.scenes.update(due_at=Now() - timedelta(seconds=seconds))


def database_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def cursor(self: object) -> Never:
        raise OperationalError("connection to /secret/path failed: password=canary")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", cursor)


def beat(folder: Path, *, age: float) -> None:
    health.beat()
    then = time.time() - age
    os.utime(folder / "heartbeat" / "sweep", (then, then))


def test_all_is_well(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]
    assert {one.status for one in health.health().parts} == {"ok"}


def test_it_costs_a_stranger_three_queries_and_no_session(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(3) as queries:
        response = client.get("/healthz")
    assert not any("session" in query["sql"] for query in queries.captured_queries)
    assert not response.cookies


def test_it_can_be_looked_at_and_nothing_else(client: Client) -> None:
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


def test_without_its_database_it_fails_and_says_no_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        database_goes_away(patch)
        response = client.get("/healthz")
        found = health.health()
    assert (response.status_code, response.json()) == (503, {"status": "failed"})
    assert [one.name for one in found.parts if one.status == "failed"] == ["database"]
    assert "canary" not in str(found)


def test_a_browser_with_a_session_hears_that_the_database_is_away(
    superuser: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(3):
        assert superuser.get("/healthz").json() == {"status": "ok"}
    with monkeypatch.context() as patch:
        database_goes_away(patch)
        response = superuser.get("/healthz")
    assert (response.status_code, response.json()) == (503, {"status": "failed"})


def test_a_queue_that_is_away_is_a_warning(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "warning"})
    assert part("queue").status == "warning"


def test_a_queue_that_hangs_is_not_waited_for(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://:canary@127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        found = part("queue")
    assert found.status == "warning"
    assert "canary" not in found.words
    assert time.monotonic() - begun < 3


def test_an_address_that_is_none_is_a_warning(settings: Any) -> None:
    settings.REDIS_URL = "redis://host:canary"
    assert part("queue").status == "warning"
    assert "canary" not in part("queue").words


def test_a_scene_that_is_due_for_two_minutes_is_a_warning(client: Client, job: GenerationJob) -> None:
    make_due(job, seconds=125)
    assert client.get("/healthz").json() == {"status": "warning"}
    assert part("scenes").words.startswith("Nobody takes up waiting scenes: 2 due, the oldest for 2 min.")


def test_a_scene_whose_worker_is_gone_for_two_minutes_is_a_warning(job: GenerationJob) -> None:
    change(job.scenes.all()[1], due_at=Now() + timedelta(hours=1))
    run(job.scenes.all()[0], seconds=600, lease=-125)
    assert part("scenes").words.startswith("Nobody takes up waiting scenes: 1 due, the oldest for 2 min.")


def test_a_scene_that_waits_for_its_turn_is_none(job: GenerationJob) -> None:
    make_due(job, seconds=30)
    assert part("scenes").status == "ok", "for half a minute"
    make_due(job, seconds=600)
    run(job.scenes.all()[0])
    assert part("scenes").status == "ok", "while another one is made"


def test_scenes_of_a_closed_provider_do_not_wait_for_a_worker(job: GenerationJob) -> None:
    make_due(job, seconds=600)
    provider = SceneGeneration.objects.values_list("provider", flat=True)[0]
    until = Now() + timedelta(minutes=5)
    ProviderAccount.objects.create(provider=provider, name="", allowance=1, ceiling=1, closed_until=until)
    assert part("scenes").status == "ok"
    assert part("providers").status == "warning"
    assert provider in part("providers").words


def test_a_provider_that_is_not_set_up_is_a_warning(settings: Any) -> None:
    settings.IMAGE_PROVIDER = "nobody"
    assert part("providers").status == "warning"


def test_an_old_heartbeat_is_a_warning(client: Client, tmp_path: Path) -> None:
    assert part("sweep") == health.Part("sweep", "ok", "Not on this machine.")
    beat(tmp_path, age=5)
    assert part("sweep") == health.Part("sweep", "ok", "Its last good round ended 5 s ago.")
    beat(tmp_path, age=600)
    assert part("sweep").status == "warning"
    assert client.get("/healthz").json() == {"status": "warning"}


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[bool]]:
    """Run the sweep for two rounds with these steps. Gives back whether the heart had beaten after each of them."""

    def rounds(step: Callable[[], None]) -> list[bool]:
        seen: list[bool] = []

        class Stop:
            def wait(self, seconds: float) -> bool:
                seen.append(health._heartbeat().exists())
                return len(seen) == 2

        monkeypatch.setattr(sweep, "Event", Stop)
        monkeypatch.setattr(sweep, "close_old_connections", lambda: None)
        monkeypatch.setattr("signal.signal", lambda *_: None)
        monkeypatch.setattr("generation.tasks.rescue", step)
        call_command("sweep", every=1.0)
        return seen

    return rounds


def test_the_sweep_beats_in_its_loop_and_not_after_it(rounds: Callable[..., list[bool]]) -> None:
    assert rounds(rescue) == [True, True]
    assert not health._heartbeat().exists()


def test_the_sweep_does_not_beat_while_it_fails(rounds: Callable[..., list[bool]]) -> None:
    assert rounds(rescue_in_vain) == [False, False]


def test_a_single_sweep_leaves_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "close_old_connections", lambda: None)
    call_command("sweep")
    assert not health._heartbeat().exists()


def rescue() -> None:
    """Nothing to do."""


def rescue_in_vain() -> None:
    raise OperationalError("away")


def test_a_heartbeat_that_cannot_be_written_does_not_end_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("in the way")
    health.beat()
    health.end_beat()
    assert part("sweep").status == "warning"


def test_a_folder_that_takes_no_pictures_is_a_warning(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file"
    assert part("storage").status == "warning"


class Remote(RemoteStorage):
    def probe(self) -> None:
        raise StorageUnavailable("Cloudinary could not be reached, or was busy.")


class Hanging(RemoteStorage):
    def probe(self) -> None:
        time.sleep(5)


def keep_in(settings: Any, storage: type[RemoteStorage]) -> None:
    settings.MEDIA_STORAGE = "remote"
    settings.STORAGES = {**settings.STORAGES, "remote": {"BACKEND": f"{__name__}.{storage.__name__}"}}


def test_a_remote_storage_is_asked_for_the_page_alone(settings: Any) -> None:
    keep_in(settings, Remote)
    assert part("storage").status == "ok"
    asked = part("storage", ask_outside=True)
    assert asked == health.Part("storage", "warning", "Cloudinary could not be reached, or was busy.")


def test_a_remote_storage_that_hangs_is_not_waited_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(settings, Hanging)
    monkeypatch.setattr(health, "OUTSIDE_DEADLINE", 0.1)
    assert part("storage", ask_outside=True).words == "The storage did not answer within 0.1 seconds."


def test_a_stranger_reads_one_word_in_bad_times_too(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = "redis://:canary@127.0.0.1:1"
    settings.MEDIA_ROOT = Path("/proc/canary")
    beat(tmp_path, age=600)
    assert client.get("/healthz").content == b'{"status": "warning"}'


def test_an_administrator_sees_every_part_and_no_key(superuser: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://:canary@127.0.0.1:1"
    response = superuser.get("/admin/health/")
    shown = response.content.decode()
    for name in ("Database", "Queue", "Storage", "Sweep", "Scenes", "Providers"):
        assert f'<th scope="row">{name}</th>' in shown
    assert "The queue server does not answer" in shown
    assert '<span class="status is-warning">warning</span>' in shown
    assert "canary" not in shown
    assert "no-store" in response["Cache-Control"]
    assert '<a href="/admin/health/">Health</a>' in superuser.get("/admin/").content.decode()


def test_the_page_says_what_is_due_running_and_closed_and_for_how_long(
    superuser: Client, settings: Any, job: GenerationJob
) -> None:
    servers = ["http://one:8188", "http://two:8188"]
    settings.GENERATION_ACCOUNTS = {"comfyui": servers}
    texts = ("A fox", "An owl", "A boat", "A town", "The sea", "A hill")
    rows = list(generate(a_person("mira"), Asked(scenes=texts, provider="sketch")).scenes.all())
    run(rows[0], seconds=185)
    run(rows[1], seconds=20, slot_until=Now() + timedelta(seconds=30))
    run(rows[2], lease=-300)
    change(rows[3], due_at=Now() - timedelta(minutes=3))
    change(rows[4], due_at=Now() + timedelta(minutes=7, seconds=2))
    change(rows[5], provider="comfyui", due_at=Now() - timedelta(minutes=20))
    ProviderAccount.objects.filter(provider="sketch").update(ceiling=4)
    job.scenes.update(status="cancelled")
    for name, until in zip(servers, (None, Now() + timedelta(minutes=10, seconds=2)), strict=True):
        ProviderAccount.objects.create(provider="comfyui", name=name, allowance=1, ceiling=1, closed_until=until)
    shown = superuser.get("/admin/health/").content.decode()
    table = shown[shown.index('<div class="health-work"') :]
    lines = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]
    assert lines[1:] == [
        "sketch 1 the oldest for 3 min 1 the next in 7 min 2 the longest for 3 min 1 left behind, for 5 min"
        " 1 of 2 4 in good times open",
        "comfyui 1 the oldest for 20 min 0 0 2 accounts",
        "http://one:8188 0 of 1 open",
        "http://two:8188 0 of 1 closed for 10 min",
    ]


def test_the_page_is_for_superusers() -> None:
    client = Client()
    client.force_login(User.objects.create(username="staff", is_staff=True))
    assert client.get("/admin/health/").status_code == 403
    assert "/admin/health/" not in client.get("/admin/").content.decode()


def test_looking_changes_nothing(job: GenerationJob) -> None:
    with CaptureQueriesContext(connection) as queries:
        health.health(ask_outside=True)
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
