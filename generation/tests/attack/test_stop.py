"""SIGTERM in the middle of a story: what runs may end, and the rest is somebody else's at once."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django_rq import get_queue

from generation import tasks
from generation.models import GenerationJob
from generation.tasks import SceneWorker
from generation.tests import providers
from generation.tests.attack.conftest import ALLOWANCE
from generation.tests.attack.processes import Processes

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]

SCENES = 30
# On a machine that is busy with much else; where all is well it takes a fraction of one.
AT_ONCE = timedelta(seconds=5)
PATIENCE = 60


def test_another_worker_resumes_at_once_and_calls_nothing_twice_but_what_was_running(
    fast: Any,
    ask: Ask,
    processes: Processes,
    check: Callable[..., None],
    measured: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    valkey: str,
    wait_for: Any,
) -> None:
    """There is no sweep here, and the other worker has nothing to do until it is told of what is handed back."""
    fast.GENERATION_THREADS = 10
    fast.GENERATION_LEASE, fast.GENERATION_DEADLINE = 45, 120
    monkeypatch.setattr(tasks.stop, "farewell", 1.0)
    # What earlier tests have left in it would wake the other one, too.
    get_queue().empty()
    workers = [processes.worker(), processes.worker()]
    # Beside them stand, for a while, those that earlier tests have killed.
    wait_for(lambda: set(workers) <= {worker.pid for worker in SceneWorker.all(queue=get_queue())}, PATIENCE)
    job = ask(*["[slow once 60] long", "[slow once 60] longer"], *["[slow 0.5] short"] * (SCENES - 2), seed=1)
    running = {1, 2}
    tasks.wake(1)
    wait_for(lambda: providers.calls() > 14, PATIENCE)
    (stopped,) = [worker for worker in workers if psutil.Process(worker).children()]
    assert job.scenes.filter(status="queued").exists(), "in the middle"
    assert processes.stop(stopped) == 0

    wait_for(lambda: not job.scenes.exclude(status="saved").exists(), PATIENCE)
    called = Counter(call.seed for call in providers.call_log())
    assert called == {seed: 2 if seed in running else 1 for seed in range(1, SCENES + 1)}
    assert set(job.scenes.values_list("attempt", flat=True)) == {1}, "a restart is nobody's failure"
    # When they were handed back, and when they were claimed again.
    times = job.scenes.filter(seed__in=running).values_list("due_at", "claimed_at")
    resumed = max(claimed_at - due_at for due_at, claimed_at in times if claimed_at)
    measured(f"SIGTERM in the middle of {SCENES} scenes: resumed elsewhere {resumed.total_seconds():.2f} s later")
    assert resumed < AT_ONCE
    # The calls that are given up may end a moment after the others go on in their slots.
    check(allowance=ALLOWANCE + len(running))
