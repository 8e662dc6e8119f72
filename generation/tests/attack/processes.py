"""Processes of the attack: forked from a test that has everything loaded, so that one costs some 50 ms.

Each works on the test's database, media and queue under the test's settings, whatever a fixture has changed in
them, and writes its calls into the test's CALL_LOG.
"""

import logging
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from uuid import UUID

import psutil
from django.core.management import call_command
from django.db import connections
from django.db.models import Q

from generation import engine, kill_points, transitions
from generation.claim import HOLDS_A_SLOT
from generation.kill_points import Point
from generation.models import OPEN, ProviderAccount, SceneGeneration
from generation.scene_log import OfScene
from generation.tests import providers
from storyapp.logs import LineFormatter
from storyapp.tests.installation import wait_until

LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Armed:
    """Where a process kills itself, and how many times it gets there before."""

    point: Point
    passes: int = 0


class Processes:
    """All that a test has started. `end` kills what still lives."""

    def __init__(self, folder: Path) -> None:
        self._overrun = folder / "overrun"
        self._log = folder / "workers.log"
        self._living: set[int] = set()

    def start(self, live: Callable[[], object], *, armed: Armed | None = None) -> int:
        """Fork a process that does `live` and ends. Returns its id."""
        # A connection must not be in two processes.
        connections.close_all()
        process = os.fork()
        if process:
            self._living.add(process)
            return process
        code = 1
        try:
            kill_points.reached = _Watch(armed, self._overrun)
            _write_log(self._log)
            live()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the test may run in here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def worker(self) -> int:
        """`manage.py rqworker`, with a horse for each task."""
        return self.start(partial(call_command, "rqworker", verbosity=0))

    def sweep(self, *, every: float) -> int:
        """`manage.py sweep --every`."""
        return self.start(partial(call_command, "sweep", every=every))

    def wait(self, process: int, *, seconds: float = 60) -> int:
        """Its exit code, or the number of the signal that ended it, negative."""
        wait_until(lambda: os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT), seconds)
        self._living.discard(process)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def kill(self, process: int) -> float:
        """As `kill -9` does. Returns the moment, in seconds since 1970."""
        horses = psutil.Process(process).children()
        moment = time.time()
        os.kill(process, signal.SIGKILL)
        self.wait(process)
        self._follow(process, horses)
        return moment

    def stop(self, process: int, *, seconds: float = 60) -> int:
        """As a supervisor does: SIGTERM, and time to end. Returns the exit code."""
        horses = psutil.Process(process).children()
        os.kill(process, signal.SIGTERM)
        code = self.wait(process, seconds=seconds)
        self._follow(process, horses)
        return code

    def end(self) -> None:
        for process in list(self._living):
            self.kill(process)

    @property
    def overruns(self) -> list[str]:
        """A sentence for each claim that took more slots than its account allowed at that moment."""
        return self._overrun.read_text().splitlines() if self._overrun.exists() else []

    @property
    def log(self) -> str:
        """What all of them logged."""
        return self._log.read_text()

    def _follow(self, process: int, horses: list[psutil.Process]) -> None:
        """A horse dies with its worker. With both their calls have ended."""
        psutil.wait_procs(horses, timeout=10)
        for ended in (process, *(horse.pid for horse in horses)):
            providers.note_death(ended)


def make_all(job: UUID | None = None) -> None:
    """Make scenes, of one job or of anybody, until every one has ended, as `illustrate` does."""
    scenes = SceneGeneration.objects.filter(job=job) if job else SceneGeneration.objects.all()
    while scenes.filter(status__in=OPEN).exists():
        engine.work(job=job)
        transitions.fail_exhausted()
        time.sleep(LOOK_EVERY)


@dataclass
class _Watch:
    """Stands in the place of `reached`: looks at every claim, and dies where it is armed."""

    armed: Armed | None
    overrun: Path
    slots: Counter[int] = field(default_factory=Counter)
    passed: "count[int]" = field(default_factory=count)

    def __call__(self, point: Point) -> None:
        if point == "claim.locked":
            self.slots = _slots()
        elif point == "claim.written":
            self._compare(_slots())
        # `next` of a counter is one step for all threads.
        if self.armed and point == self.armed.point and next(self.passed) == self.armed.passes:
            providers.note_death(os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)

    def _compare(self, slots: Counter[int]) -> None:
        """While the accounts are locked nobody else takes a slot: more of them are this claim's."""
        allowances = dict(ProviderAccount.objects.values_list("pk", "allowance"))
        for account, number in slots.items():
            if number > max(allowances[account], self.slots[account]):
                with self.overrun.open("a") as file:
                    file.write(
                        f"A claim took slot {number} of account {account}, which allowed {allowances[account]}.\n"
                    )


def _slots() -> Counter[int]:
    return Counter(SceneGeneration.objects.filter(HOLDS_A_SLOT, ~Q(account=None)).values_list("account", flat=True))


def _write_log(path: Path) -> None:
    """A line is one write at the file's end, whichever process it is of."""
    handler = logging.FileHandler(path)
    handler.setFormatter(LineFormatter())
    handler.addFilter(OfScene())
    logging.getLogger("generation").addHandler(handler)
