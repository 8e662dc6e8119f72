"""What ./run promises of its processes, shown on the real ones."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis

from storyapp import queue_server
from storyapp.tests.installation import ROOT, Installation, command_of, is_alive, wait_until

Installer = Callable[..., Installation]
SUPERVISED = {"web", "worker-1", "sweep", "queue"}


def up(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up", *options],
        env={**os.environ, "REDIS_URL": "", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def status_of(address: str) -> int:
    where = urlsplit(address)
    assert where.hostname
    connection = HTTPConnection(where.hostname, where.port, timeout=10)
    connection.request("GET", where.path)
    return connection.getresponse().status


def answers(address: str) -> bool:
    try:
        return status_of(address) == 200
    except OSError:
        return False


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{data / 'storyapp.sqlite3'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def process_with(word: str, running: Installation) -> psutil.Process | None:
    found = [process for process in running.processes if word in command_of(process)]
    return min(found, key=lambda process: process.create_time(), default=None)


def kill_and_see_another(word: str, running: Installation) -> None:
    first = wait_until(lambda: process_with(word, running))
    assert first
    first.kill()
    wait_until(lambda: (found := process_with(word, running)) and found.pid != first.pid)


@pytest.fixture
def running(installation: Installer) -> Installation:
    return installation("--workers", "1")


def test_all_find_each_other_whatever_the_folder_is_called(installation: Installer, tmp_path: Path) -> None:
    """It has a name that wants quoting, and is too long for a socket's path."""
    running = installation("--workers", "1", data=tmp_path / "größe #1 50% " / ("d" * 80))
    assert status_of(running.sign_in) == 200
    assert wait_until(lambda: "Listening on default" in running.log("worker-1"))

    second = up("--port", "1", STORYAPP_DATA=str(running.data))
    assert second.returncode == 0
    address = second.stdout.splitlines()[0].removeprefix("Ready: ")
    assert address.startswith(f"{running.address}/sign-in/"), "a second run beside it prints an address of the first"
    assert address != running.sign_in
    assert status_of(address) == 200
    people = rows(running.data, "SELECT username, is_superuser, password LIKE '!%' FROM accounts_user")
    assert people == [("owner", 1, 1)], "the first person is made once"


def test_nothing_outlives_kill_9_of_the_supervisor(running: Installation) -> None:
    before = running.processes
    assert len(before) >= len(SUPERVISED) + 2
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not any(map(is_alive, before)), 8)
    assert not running.processes


def test_the_terminals_ctrl_c_reaches_the_supervisor_alone_and_ends_everything(running: Installation) -> None:
    began = time.monotonic()
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.process.wait(timeout=40) == 0
    assert time.monotonic() - began < 40
    assert not running.processes
    assert "Stopping." in running.said
    assert "KeyboardInterrupt" not in "".join(running.log(name) for name in SUPERVISED)


def test_a_stop_while_it_starts_ends_everything(tmp_path: Path) -> None:
    starting = Installation(tmp_path / "data", "--workers", "1")
    wait_until(lambda: (starting.data / "logs" / "queue.log").exists(), 30)
    starting.process.terminate()
    assert starting.process.wait(timeout=40) == 0
    assert not starting.processes
    assert "Ready" not in starting.said


@pytest.mark.slow
def test_whatever_dies_is_replaced(running: Installation) -> None:
    """The web server's children hold its port after it, and a new guard must know all that the old one knew."""
    kill_and_see_another("rqworker", running)
    kill_and_see_another("uvicorn", running)
    kill_and_see_another("storyapp.guard", running)
    assert wait_until(lambda: answers(f"{running.address}/sign-in/"), 30)
    before = running.processes
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not any(map(is_alive, before)), 8)


@pytest.mark.slow
def test_a_start_right_after_kill_9_waits_for_the_old_processes(running: Installation, installation: Installer) -> None:
    running.process.kill()
    again = installation("--workers", "1", data=running.data)
    assert status_of(again.sign_in) == 200


@pytest.mark.slow
def test_a_child_that_cannot_start_is_named_with_its_last_line(tmp_path: Path) -> None:
    broken = Installation(tmp_path / "data", "--workers", "1", UVICORN_LOG_CONFIG="/no/such/file")
    assert broken.process.wait(timeout=60) == 2
    assert "web keeps ending: " in broken.said
    assert "'/no/such/file' does not exist" in broken.said.splitlines()[-1]
    assert not broken.processes


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = up("--port", str(port), STORYAPP_DATA=str(tmp_path / "data"))
    assert refused.returncode == 2
    assert refused.stderr == f"Port {port} is in use by another program. Choose another: ./run --port {port + 1}\n"
    assert not refused.stdout


@pytest.mark.parametrize(
    ("options", "variables", "sentence"),
    [
        ([], {"STORYAPP_DATA": "/dev/null/data"}, "STORYAPP_DATA: the folder /dev/null/data cannot be written."),
        ([], {"GENERATION_THREADS": "many"}, "GENERATION_THREADS must be a number, not 'many'."),
        ([], {"REDIS_URL": "localhost:6379"}, "REDIS_URL must begin with redis://, rediss:// or unix://."),
        ([], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "The database cannot be used:"),
        (["--host", "no.such.host.invalid"], {}, "--host: this machine has no address no.such.host.invalid."),
        (["--host", "192.0.2.1"], {}, "--host: this machine has no address 192.0.2.1."),
    ],
)
def test_what_is_wrong_is_one_clear_sentence(
    tmp_path: Path, options: list[str], variables: dict[str, str], sentence: str
) -> None:
    refused = up(*options, **{"STORYAPP_DATA": str(tmp_path / "data"), **variables})
    assert refused.returncode == 2
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--port", "web"], ["--port", "65536"], ["--workers", "0"], ["--data", ""]])
def test_a_wrong_option_is_refused(options: list[str], tmp_path: Path) -> None:
    refused = up(*options, STORYAPP_DATA=str(tmp_path / "data"))
    assert refused.returncode == 2
    assert options[0] in refused.stderr


@pytest.mark.slow
def test_what_was_queued_survives_a_kill(running: Installation, installation: Installer) -> None:
    socket_path = str(queue_server.socket_path(running.data))
    Redis(unix_socket_path=socket_path).set("kept", "yes")
    # Written through once a second.
    time.sleep(1.5)
    running.kill()
    installation("--workers", "1", data=running.data)
    assert Redis(unix_socket_path=socket_path).get("kept") == b"yes"


@pytest.mark.slow
def test_static_files_are_collected_once_and_do_not_pile_up(running: Installation, installation: Installer) -> None:
    manifest = running.data / "static" / "staticfiles.json"
    files = json.loads(manifest.read_text())["paths"]
    assert status_of(f"{running.address}/static/{files['css/tokens.css']}") == 200
    collected = manifest.stat().st_mtime_ns
    running.interrupt()
    old = running.data / "static" / "css" / "tokens.000000000000.css"
    old.touch()
    installation("--workers", "1", data=running.data).interrupt()
    assert manifest.stat().st_mtime_ns == collected
    (running.data / "static.stamp").write_text("something changed")
    installation("--workers", "1", data=running.data)
    assert manifest.stat().st_mtime_ns != collected
    assert not old.exists()


PRESS_GENERATE = """
import django; django.setup()
from accounts.models import User
from generation.generate import Asked, generate
scenes = tuple(f"The lighthouse in the evening of day {n}" for n in range(12))
generate(User.objects.get(), Asked(scenes=scenes, width=1536, height=1536))
"""


@pytest.mark.slow
def test_a_running_job_goes_on_at_the_next_start(installation: Installer) -> None:
    variables = {
        "DJANGO_SETTINGS_MODULE": "storyapp.settings",
        "SKETCH_CONCURRENCY": "1",
        "GENERATION_SWEEP": "0.5",
        "REDIS_URL": "",
        "DATABASE_URL": "",
    }
    first = installation("--workers", "1", **variables)
    surroundings = {**os.environ, **variables, "STORYAPP_DATA": str(first.data)}
    subprocess.run([sys.executable, "-c", PRESS_GENERATE], cwd=ROOT, env=surroundings, check=True)

    def scenes(status: str) -> int:
        return len(rows(first.data, f"SELECT id FROM generation_scenegeneration WHERE status = '{status}'"))

    wait_until(lambda: scenes("saved") and scenes("running"), 30)
    seconds = first.interrupt()
    assert seconds < 40
    assert not first.processes
    assert not scenes("running")
    left = scenes("queued")
    assert left
    installation("--workers", "1", data=first.data, **variables)
    wait_until(lambda: scenes("saved") == 12, 60)
    assert rows(first.data, "SELECT count(*), count(DISTINCT generation_id) FROM gallery_image") == [(12, 12)]
    print(f"\ntwelve scenes, stopped in {seconds:.1f} s with {left} to go: all saved, each once")  # noqa: T201
