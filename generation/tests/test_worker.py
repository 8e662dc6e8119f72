"""Worker processes that are killed, stopped or never woken: every scene is saved once, without help."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gallery.models import Image, Upload
from generation import tasks
from generation.claim import claim
from generation.models import GenerationJob, SceneGeneration
from generation.tests import providers

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
Start = Callable[..., subprocess.Popen[bytes]]
# Seconds on a machine that is busy with much else; where all is well it takes a few.
PATIENCE = 60
MANAGE = [sys.executable, "manage.py"]


@pytest.fixture
def start(outside: dict[str, str], directed: Any, valkey: str, tmp_path: Path) -> Iterator[Start]:
    """Start a `manage.py` command beside this test, on its database, media and queue, with a lease of 2 s."""
    environment = {**outside, "REDIS_URL": valkey, "GENERATION_LEASE": "2", "GENERATION_DEADLINE": "20"}
    started: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")

    def start(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*MANAGE, *command], env=environment, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    log.close()


def horse_of(worker: "subprocess.Popen[bytes]") -> psutil.Process | None:
    return next(iter(psutil.Process(worker.pid).children()), None)


def all_saved_once(job: GenerationJob) -> bool:
    return set(job.scenes.values_list("status", flat=True)) == {"saved"}


def check_nothing_doubled(job: GenerationJob) -> None:
    scenes = list(job.scenes.all())
    assert Image.objects.filter(generation_id__in=[scene.pk for scene in scenes]).count() == len(scenes)
    assert not SceneGeneration.objects.filter(status="running").exists()


def test_a_worker_makes_what_a_wake_up_tells_it(
    start: Start, ask: Ask, wait_for: Any, measured: Callable[[str], None]
) -> None:
    start("rqworker")
    job = ask(*[f"[slow 1] scene {number}" for number in range(10)])
    tasks.wake(10)
    wait_for(lambda: all_saved_once(job), PATIENCE)
    check_nothing_doubled(job)
    assert providers.most_at_once() == 10
    assert not Upload.objects.exists()
    scenes = job.scenes.all()
    # The rows' own clock: the pictures overlap, whatever else the machine is doing.
    wall = max(scene.finished_at for scene in scenes) - min(scene.started_at for scene in scenes)  # type: ignore[operator,type-var]
    measured(f"ten scenes of 1 s each: {wall.total_seconds():.2f} s")


def test_a_killed_horse_loses_and_doubles_nothing(start: Start, ask: Ask, wait_for: Any) -> None:
    worker = start("rqworker")
    start("sweep", "--every", "0.5")
    job = ask(*[f"[slow 1.5] scene {number}" for number in range(12)])
    tasks.wake(12)
    wait_for(lambda: providers.calls() >= 10, PATIENCE)
    horse = horse_of(worker)
    assert horse is not None
    horse.send_signal(signal.SIGKILL)

    wait_for(lambda: all_saved_once(job), PATIENCE)
    check_nothing_doubled(job)
    assert job.scenes.filter(token=2).exists(), "what was in flight was made again"


def test_a_killed_worker_takes_its_horse_along_and_another_goes_on(start: Start, ask: Ask, wait_for: Any) -> None:
    worker = start("rqworker")
    job = ask("[slow 1.5] one", "[slow 1.5] two")
    tasks.wake(2)
    wait_for(lambda: providers.calls() == 2, PATIENCE)
    horse = horse_of(worker)
    assert horse is not None
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_for(lambda: not horse.is_running() or horse.status() == psutil.STATUS_ZOMBIE, PATIENCE)

    start("rqworker")
    start("sweep", "--every", "0.5")
    wait_for(lambda: all_saved_once(job), PATIENCE)
    check_nothing_doubled(job)


def test_a_stopped_worker_ends_its_calls_and_leaves_the_rest_due(start: Start, ask: Ask, wait_for: Any) -> None:
    worker = start("rqworker")
    job = ask(*[f"[slow 1.5] scene {number}" for number in range(14)])
    tasks.wake(14)
    wait_for(lambda: providers.calls() == 10, PATIENCE)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    assert sorted(job.scenes.values_list("status", flat=True)) == ["queued"] * 4 + ["saved"] * 10
    assert providers.calls() == 10, "nothing began after the stop"

    start("rqworker")
    tasks.rescue()
    wait_for(lambda: all_saved_once(job), PATIENCE)
    assert providers.calls() == 14


def test_the_sweep_wakes_a_worker_for_what_nobody_was_told_of(start: Start, ask: Ask, wait_for: Any) -> None:
    job = ask("one")
    start("rqworker")
    start("sweep", "--every", "0.3")
    wait_for(lambda: all_saved_once(job), PATIENCE)


def test_what_was_interrupted_too_often_fails_with_that_reason(directed: Any, ask: Ask) -> None:
    directed.GENERATION_ATTEMPTS = 1
    directed.GENERATION_LEASE = 0.05
    job = ask("one")
    claim(1)
    time.sleep(0.1)
    tasks.rescue()
    failed = job.scenes.get()
    assert (failed.status, failed.error_code) == ("failed", "interrupted")
    assert failed.error_message == "The work on this picture was interrupted too often."


def test_without_a_queue_server_a_wake_up_is_no_error(directed: Any, settings: Any, ask: Ask) -> None:
    settings.RQ_QUEUES = {"default": {**settings.RQ_QUEUES["default"], "URL": "unix:///nowhere/socket"}}
    tasks.wake(1)
