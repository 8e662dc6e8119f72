"""How long a person waits until a killed worker's scene goes on: the lease, the sweep, and five seconds at the most."""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from generation.models import GenerationJob, SceneGeneration
from generation.tests import providers
from generation.tests.attack.processes import Processes, make_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Ask = Callable[..., GenerationJob]
SLACK = 5
AT_ONCE = 10


@pytest.mark.parametrize(
    ("runs", "lease", "sweep"),
    [pytest.param(100, 3, 1, id="100 short"), pytest.param(3, 45, 10, id="3 at the defaults")],
)
def test_a_killed_workers_scene_is_resumed_in_time(
    runs: int,
    lease: float,
    sweep: float,
    fast: Any,
    ask: Ask,
    processes: Processes,
    check: Callable[..., None],
    measured: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    valkey: str,
    wait_for: Any,
) -> None:
    """The other workers end their task as soon as nothing is due: each scene has to wait for the sweep."""
    monkeypatch.setattr("generation.engine.LINGER", 0.0)
    fast.GENERATION_LEASE, fast.GENERATION_DEADLINE, fast.GENERATION_THREADS = lease, 120, AT_ONCE
    fast.GENERATION_CONCURRENCY = {"directed": 1000}
    waits: list[float] = []
    while len(waits) < runs:
        jobs = [_long_scene(ask) for _ in range(min(AT_ONCE, runs - len(waits)))]
        victims = {job: processes.start(partial(make_all, job.pk)) for job in jobs}
        seeds = {job.scenes.get().seed for job in jobs}
        wait_for(lambda: seeds <= {call.seed for call in providers.call_log()}, 60)  # noqa: B023 - asked in this round
        others = [processes.worker(), processes.worker(), processes.sweep(every=sweep)]
        waits += _waits(victims, lease, processes, wait_for)
        for other in others:
            processes.kill(other)
    middle, nearly_all = statistics.median(waits), sorted(waits)[int(0.95 * len(waits))]
    measured(
        f"resumed after kill -9, lease {lease} s, sweep {sweep} s, {runs} runs: "
        f"{min(waits):.1f} to {max(waits):.1f} s, median {middle:.1f} s, 95 % within {nearly_all:.1f} s"
    )
    assert max(waits) <= lease + sweep + SLACK
    check(allowance=1000)


def _long_scene(ask: Ask) -> GenerationJob:
    return ask("[slow once 300] it takes long", seed=1 + SceneGeneration.objects.count())


def _waits(victims: dict[GenerationJob, int], lease: float, processes: Processes, wait_for: Any) -> list[float]:
    """Seconds from each kill, at any time of the lease, to the next claim."""
    killed = {}
    for job, victim in victims.items():
        time.sleep(random.uniform(0, lease / len(victims)))
        killed[job] = processes.kill(victim)
    rows = SceneGeneration.objects.filter(job__in=victims)
    wait_for(lambda: not rows.exclude(status="saved").exists(), 4 * lease + 60, every=0.5)
    claimed = {job: rows.get(job=job).claimed_at for job in victims}
    waits = [at.timestamp() - killed[job] for job, at in claimed.items() if at]
    # On a machine that is busy with much else a worker may have lost its lease before it was killed.
    return [wait for wait in waits if wait > 0]
