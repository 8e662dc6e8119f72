"""What ./run starts and ends: queue server, web, workers, sweep, and the guard beside them."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from django.conf import settings

from storyapp import queue_server
from storyapp.cannot_start import CannotStart
from storyapp.child import Child, keep_small
from storyapp.guard import ROOT, Guard
from storyapp.instance import Instance
from storyapp.listening import Address

PYTHON = sys.executable
WEB_PROCESSES = 2
# A worker waits 30 s for its running scenes; the whole stop stays below 40 s.
PATIENCE = 35.0
PATIENCE_WHEN_HURRIED = 3.0
QUEUE_PATIENCE = 3.0
# A program that sends Ctrl-C's signal and then a second one at once does not mean to hurry.
ONE_REQUEST = 1.0
DEATHS_BEFORE_GIVING_UP = 3
READY_WITHIN = 60.0


class Supervisor:
    def __init__(
        self,
        *,
        address: Address,
        workers: int,
        instance: Instance,
        embedded_queue: bool,
        say: Callable[[str], None],
    ) -> None:
        self._address = address
        self._instance = instance
        self._say = say
        self._asked_at: float | None = None
        self._hurried = False
        self._logs = settings.STORYAPP_DATA / "logs"
        self._logs.mkdir(exist_ok=True)
        self._environment = _environment(address)
        self._queue = [self._queue_server()] if embedded_queue else []
        self._web = self._web_server()
        self._others = [self._web, *self._workers(workers), self._sweep()]
        self._begun: list[Child] = []
        self._guard = Guard(kept_open=instance.descriptor)

    def run(self, *, when_ready: Callable[[], None]) -> None:
        """Returns when somebody asked to stop and all has ended. Raises CannotStart, and then too all has ended."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Who starts us with nohup wants us to outlive the terminal.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._ask_to_stop)
        try:
            self._start(when_ready)
            self._watch()
        finally:
            self._stop()

    def _ask_to_stop(self, _signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        self._hurried = self._asked_at is not None and now - self._asked_at > ONE_REQUEST
        self._asked_at = self._asked_at or now

    def _start(self, when_ready: Callable[[], None]) -> None:
        for child in self._queue:
            self._begin(child)
            self._wait_for(child, lambda: queue_server.answers(settings.STORYAPP_DATA))
        for child in self._others:
            if self._asked_at is None:
                self._begin(child)
        self._wait_for(self._web, self._address.answers)
        if self._asked_at is None:
            self._instance.announce(self._address.shown)
            when_ready()

    def _begin(self, child: Child) -> None:
        child.start(self._guard)
        self._begun.append(child)

    def _wait_for(self, child: Child, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while self._asked_at is None and not ready():
            self._tend()
            # uvicorn itself lives on while its processes cannot load the application.
            if child.deaths >= DEATHS_BEFORE_GIVING_UP or time.monotonic() > deadline:
                raise CannotStart(f"{child.name} does not start: {child.last_line()} (more in {child.log}).")
            time.sleep(0.05)

    def _watch(self) -> None:
        trim_at = time.monotonic()
        while self._asked_at is None:
            self._tend()
            if time.monotonic() >= trim_at:
                for child in self._begun:
                    keep_small(child.log)
                trim_at += 60
            time.sleep(0.2)

    def _tend(self) -> None:
        if not self._guard.is_alive:
            self._replace_guard()
        for child in self._begun:
            child.tend(self._guard, report=self._say)

    def _replace_guard(self) -> None:
        self._guard.dismiss()
        self._guard = Guard(kept_open=self._instance.descriptor)
        for child in self._begun:
            if child.pid:
                self._guard.started(child.pid)

    def _stop(self) -> None:
        """Web and workers first: what they still have to say goes to the queue server, which is the last to go."""
        self._instance.withdraw()
        if self._asked_at is not None:
            self._say("Stopping. Scenes that are being made get up to 30 s to finish; Ctrl-C again hurries.")
        self._end(self._others, patience=PATIENCE)
        self._end(self._queue, patience=QUEUE_PATIENCE)
        self._guard.dismiss()

    def _end(self, children: Iterable[Child], *, patience: float) -> None:
        _signal(children, signal.SIGTERM)
        deadline, urged = time.monotonic() + patience, False
        while not all(child.has_ended(self._guard) for child in children):
            now = time.monotonic()
            if self._hurried and not urged:
                # RQ takes a second request as urgent.
                _signal(children, signal.SIGTERM)
                deadline, urged = min(deadline, now + PATIENCE_WHEN_HURRIED), True
            if now > deadline:
                _signal(children, signal.SIGKILL)
            time.sleep(0.05)

    def _queue_server(self) -> Child:
        # The server holds the folder's lock as well: two on one folder would split its data without a word.
        return self._child(
            "queue", *queue_server.command(settings.STORYAPP_DATA), kept_open=[self._instance.descriptor]
        )

    def _web_server(self) -> Child:
        return self._child(
            "web",
            *(PYTHON, "-m", "uvicorn", "storyapp.asgi:application"),
            *("--host", self._address.host, "--port", str(self._address.port), "--workers", str(WEB_PROCESSES)),
            *("--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "5"),
            # Django takes a thread a request, without upper bound; this is one, far above what people need.
            *("--limit-concurrency", "500"),
        )

    def _workers(self, number: int) -> list[Child]:
        return [self._child(f"worker-{n}", *_manage("rqworker")) for n in range(1, number + 1)]

    def _sweep(self) -> Child:
        return self._child("sweep", *_manage("sweep", "--every", f"{settings.GENERATION_SWEEP:g}"))

    def _child(self, name: str, *command: str, kept_open: Iterable[int] = ()) -> Child:
        return Child(
            name,
            command,
            log=self._logs / f"{name}.log",
            environment=self._environment,
            kept_open=list(kept_open),
        )


def _manage(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, str(Path(ROOT, "manage.py")), *arguments)


def _environment(address: Address) -> dict[str, str]:
    """The children read the same data folder, and the web server answers to the name that we print."""
    hosts = settings.ALLOWED_HOSTS
    if "*" not in hosts and address.shown_host not in hosts:
        hosts = [*hosts, address.shown_host]
    return {**os.environ, "STORYAPP_DATA": str(settings.STORYAPP_DATA), "ALLOWED_HOSTS": ",".join(hosts)}


def _signal(children: Iterable[Child], signum: signal.Signals) -> None:
    for child in children:
        child.signal(signum)
