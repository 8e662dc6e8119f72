"""Three workers, a vendor whose every fifth call goes wrong, and `kill -9` thrice: nothing lost, nothing doubled."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from generation import tasks
from generation.models import OPEN, GenerationJob, SceneGeneration, Status
from generation.tests.attack.processes import Processes, make_all
from generation.tests.attack.vendor import FAULTS, FaultyPollinations
from generation.tests.loopback.pollinations import PLACEHOLDER_MD5

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
ALLOWANCE = 10
WORKERS = KILLS = 3


@pytest.fixture
def vendor(settings: Any) -> Iterator[FaultyPollinations]:
    """Short deadlines: a call that hangs is given up after a second, a dead worker's scene taken over after two."""
    with FaultyPollinations(delay=0.2) as server:
        options = {"url": server.url, "key": server.key, "placeholders": [PLACEHOLDER_MD5]}
        mark = hashlib.sha256(server.key.encode()).hexdigest()[:8]
        settings.IMAGE_PROVIDER = "pollinations"
        settings.GENERATION_PROVIDERS = {"pollinations": "generation.providers.pollinations.PollinationsProvider"}
        settings.GENERATION_PROVIDER_OPTIONS = {"pollinations": options}
        settings.GENERATION_ACCOUNTS = {"pollinations": [mark]}
        settings.GENERATION_CONCURRENCY = {"pollinations": ALLOWANCE}
        settings.GENERATION_DEADLINE = 1
        settings.GENERATION_LEASE = 2
        yield server


def test_thirty_scenes_under_fire(
    vendor: FaultyPollinations,
    ask: Ask,
    processes: Processes,
    check: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Any,
) -> None:
    monkeypatch.setattr("generation.transitions._pause", lambda attempt: 0.1)
    job = _story(ask, 30)
    workers = [processes.start(make_all) for _ in range(WORKERS)]
    for number in range(KILLS):
        wait_for(lambda: _ended(job) >= 5 * (number + 1), 60)  # noqa: B023 - asked before the next round
        processes.kill(workers.pop(0))
        workers.append(processes.start(make_all))
    for worker in workers:
        assert processes.wait(worker) == 0
    check(calls=lambda: vendor.calls, allowance=ALLOWANCE)
    assert sum(vendor.played.values()) > 3


@pytest.mark.slow
def test_three_hundred_scenes_under_fire(
    vendor: FaultyPollinations,
    ask: Ask,
    processes: Processes,
    check: Callable[..., None],
    measured: Callable[[str], None],
    valkey: str,
    wait_for: Any,
) -> None:
    began = time.monotonic()
    workers = [processes.worker() for _ in range(WORKERS)]
    processes.sweep(every=0.5)
    job = _story(ask, 300)
    tasks.wake(300)
    for number in range(KILLS):
        wait_for(lambda: _ended(job) >= 75 * (number + 1), 300)  # noqa: B023 - asked before the next round
        processes.kill(workers.pop(0))
        workers.append(processes.worker())
    wait_for(lambda: _ended(job) == 300, 300)
    took = time.monotonic() - began
    processes.end()
    check(calls=lambda: vendor.calls, allowance=ALLOWANCE)
    assert set(vendor.played) == set(FAULTS), "of every kind"
    ways = Counter(job.scenes.values_list("status", "error_code"))
    measured(
        f"300 scenes, {len(vendor.calls)} calls, {sum(vendor.played.values())} of them faulty, {KILLS} × kill -9, "
        f"{took:.0f} s: {dict(ways)}, lost 0, doubled 0"
    )
    assert ways[Status.SAVED, ""] > 250


def _story(ask: Ask, scenes: int) -> GenerationJob:
    return ask(*[f"Scene {number} of the story" for number in range(scenes)], seed=1000)


def _ended(job: GenerationJob) -> int:
    return SceneGeneration.objects.filter(job=job).exclude(status__in=OPEN).count()
