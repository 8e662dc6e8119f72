"""One person's long story keeps nobody waiting, and no thread: from the log of calls, over two worker processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from generation import tasks
from generation.engine import Engine
from generation.models import GenerationJob, SceneGeneration
from generation.tests import providers
from generation.tests.attack.processes import Processes
from storyapp.tests.installation import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
WORKERS = 2
THREADS = WORKERS * 10
# Far apart, so that a call's seed tells its job.
SEEDS_A_JOB = 10_000
PATIENCE = 60


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file with a line for each claim that left a thread of its process free and something due."""
    path = tmp_path / "idle"
    path.touch()
    claim_for_all = Engine._claim

    def claim_and_look(engine: Engine) -> None:
        began = timezone.now()
        claim_for_all(engine)
        free = engine.threads - len(engine.hanging) - len(engine.works)
        if free > 0 and SceneGeneration.objects.claimable().filter(created_at__lt=began).exists():
            with path.open("a") as file:
                file.write(f"{free} free\n")

    monkeypatch.setattr(Engine, "_claim", claim_and_look)
    return path


@pytest.fixture
def processes(directed: Any, transactional_db: None, valkey: str, idle: Path, tmp_path: Path) -> Iterator[Processes]:
    directed.GENERATION_CONCURRENCY = {"directed": THREADS}
    directed.GENERATION_LEASE = 45
    started = Processes(tmp_path)
    for _ in range(WORKERS):
        started.worker()
    yield started
    started.end()


def press(ask: Ask, number: int, *scenes: str) -> GenerationJob:
    """Somebody of their own presses Generate. Their calls have seeds from `number` × 10,000 on."""
    somebody = User.objects.create_user(f"person-{number}")
    job = ask(*scenes, owner=somebody, seed=number * SEEDS_A_JOB)
    tasks.wake(len(scenes))
    return job


def calls_of(number: int) -> list[providers.Call]:
    return [call for call in providers.call_log() if call.seed // SEEDS_A_JOB == number]


def test_small_jobs_go_between_the_scenes_of_a_long_one(processes: Processes, ask: Ask, idle: Path) -> None:
    """Counted in calls: behind what was claimed already, each small job's first scene is among the next few."""
    jobs = range(1, 6)
    long = press(ask, 0, *[f"[slow 0.4] scene {number}" for number in range(100)])
    processes.sweep(every=1)
    wait_until(lambda: providers.calls() >= THREADS, PATIENCE)
    begun_before = {}
    for number in jobs:
        press(ask, number, "[slow 0.1] a fox", "[slow 0.1] a boat")
        begun_before[number] = providers.calls()
    wait_until(lambda: all(calls_of(number) for number in jobs), PATIENCE)

    order = [call.seed // SEEDS_A_JOB for call in providers.call_log()]
    calls_waited = [order.index(number) - begun_before[number] for number in jobs]
    assert max(calls_waited) < THREADS + len(jobs), calls_waited
    assert long.scenes.filter(status="queued").exists(), "else this says nothing"
    assert idle.read_text() == ""
    long.cancel()


@pytest.mark.slow
def test_a_thousand_scenes_beside_twenty_small_jobs(
    processes: Processes, ask: Ask, idle: Path, measured: Callable[[str], None]
) -> None:
    jobs = range(1, 21)
    press(ask, 0, *[f"[slow 2] scene {number}" for number in range(1000)])
    processes.sweep(every=10)
    wait_until(lambda: providers.calls() >= THREADS, PATIENCE)
    asked = {}
    for number in jobs:
        press(ask, number, *[f"[slow 2] scene {number}" for number in range(1 + number % 4)])
        asked[number] = time.time()
        time.sleep(2)
    wait_until(lambda: not SceneGeneration.objects.exclude(status="saved").exists(), 300)

    waited = sorted(calls_of(number)[0].begun - asked[number] for number in jobs)
    measured(f"first scene of 20 small jobs beside 1,000 scenes: {waited[10]:.1f} s, at most {waited[-1]:.1f} s")
    assert waited[-1] <= 30
    busy = share_of_time_in_calls(providers.call_log())
    measured(f"{THREADS} threads were in calls {busy:.0%} of the time")
    assert busy > 0.5, "what a machine does that is busy with much else; 90 % on a quiet one"
    assert idle.read_text() == ""


def share_of_time_in_calls(calls: list[providers.Call]) -> float:
    """From the moment when every thread had one until the last one began."""
    full, last = calls[THREADS - 1].begun, calls[-1].begun
    spent = sum(min(call.ended, last) - max(call.begun, full) for call in calls if call.ended > full)
    return spent / (THREADS * (last - full))
