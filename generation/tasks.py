"""All that knows RQ. The database is the truth: what is here only wakes workers up."""

import ctypes
import logging
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django_rq
from django.conf import settings
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Worker, worker_registration
from rq.job import Job

from generation import engine, transitions
from generation.models import SceneGeneration

QUEUE = "default"
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)
stop = engine.Stop()


def work() -> None:
    """The task of every wake-up: make whatever is due, whoever asked for it.

    What it leaves behind, because it was stopped or is worn out, is for the others, or for itself started again.
    """
    engine.work(stop=stop)
    _wake_for_what_is_due()


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
    transitions.fail_exhausted()
    _wake_for_what_is_due()


def _wake_for_what_is_due() -> None:
    if due := SceneGeneration.objects.claimable().count():
        wake(due)


class SceneWorker(Worker):
    """RQ's forking worker, whose stop reaches the process that does the work, and which outlasts the queue server."""

    # Seconds between two looks whether a queue server that was away is back.
    max_connection_wait_time = 5.0

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Also says again that there is this worker: a queue server that has lost everything would never know."""
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)

    def set_current_job_working_time(self, current_job_working_time: float, pipeline: Pipeline | None = None) -> None:
        with _said_where_it_is_heard():
            super().set_current_job_working_time(current_job_working_time, pipeline)

    def maintain_heartbeats(self, job: Job) -> None:
        with _said_where_it_is_heard():
            super().maintain_heartbeats(job)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            # Where nobody heard of the end, RQ leaves the thread that listens for its commands.
            listening: Any = self.pubsub_thread
            if listening:
                listening.stop()

    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()
        stop.set()
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)

    def setup_work_horse_signals(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def main_work_horse(self, job: Job, queue: Queue) -> Any:
        _die_with_parent()
        return super().main_work_horse(job, queue)


@contextmanager
def _said_where_it_is_heard() -> Iterator[None]:
    """While a horse runs: its work needs no queue server, and would be killed along with a worker that gives up."""
    try:
        yield
    except RedisError as exc:
        log.warning("queue.away", extra={"error": type(exc).__name__})


def _die_with_parent() -> None:
    """A horse is a group of its own and would outlive a worker that is killed with -9 (Linux: prctl(2))."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
