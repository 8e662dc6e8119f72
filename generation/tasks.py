"""All that knows RQ. The database is the truth: what is here only wakes workers up."""

import ctypes
import logging
import math
import os
import signal
import sys
from threading import Event
from typing import Any

import django_rq
from django.conf import settings
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job

from generation import engine, transitions
from generation.models import SceneGeneration

QUEUE = "default"
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)
stop = Event()


def work() -> None:
    """The task of every wake-up: make whatever is due, whoever asked for it."""
    engine.work(stop=stop)
    if SceneGeneration.objects.claimable().exists() and not stop.is_set():
        wake(1)


def wake(scenes: int) -> None:
    """Wake as many workers as have enough to do. Never raises: without it the sweep wakes them a little later."""
    try:
        queue = django_rq.get_queue(QUEUE)
        wanted = math.ceil(scenes / settings.GENERATION_THREADS)
        for _ in range(queue.count, max(1, min(Worker.count(queue=queue), wanted))):
            queue.enqueue("generation.tasks.work", job_timeout=-1, result_ttl=0, failure_ttl=3600)
    except RedisError as exc:
        log.warning("wake.failed", extra={"error": type(exc).__name__})


def rescue() -> None:
    """What the sweep calls: end what nobody can end any more, and wake workers for what is due."""
    if failed := transitions.fail_exhausted():
        log.warning("scenes.interrupted_too_often", extra={"count": failed})
    if due := SceneGeneration.objects.claimable().count():
        wake(due)


class SceneWorker(Worker):
    """RQ's forking worker, whose stop reaches the process that does the work."""

    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)

    def setup_work_horse_signals(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def main_work_horse(self, job: Job, queue: Queue) -> Any:
        _die_with_parent()
        return super().main_work_horse(job, queue)


def _die_with_parent() -> None:
    """A horse is a group of its own and would outlive a worker that is killed with -9 (Linux: prctl(2))."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
