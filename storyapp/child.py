"""One process below the supervisor, started again whenever it ends."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from storyapp.guard import ROOT, Guard
from storyapp.sessions import signal_sessions

LONGEST_PAUSE = 30.0
# A process that lived this long before it died is not one that keeps dying.
SOUND_LIFE = 60.0
LARGEST_LOG = 5_000_000
UVICORNS_NEWS = ("INFO:", "ERROR:    Child process")


class Child:
    """A process in a session of its own, so that the terminal's Ctrl-C reaches the supervisor alone."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        kept_open: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.deaths = 0
        self._command = command
        self._environment = environment
        self._kept_open = kept_open
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0

    def start(self, guard: Guard) -> None:
        keep_small(self.log)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._kept_open,
                start_new_session=True,
                # The child itself tells the guard, before it becomes what it is to be: the supervisor may be
                # killed right after the fork, and then nobody else could.
                preexec_fn=lambda: guard.started(os.getpid()),
            )
        self._began = time.monotonic()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def has_ended(self, guard: Guard) -> bool:
        """Whether there is no process now; what an ended one left behind in its session is killed first."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            return False
        signal_sessions([self._process.pid], signal.SIGKILL)
        guard.ended(self._process.pid)
        self._process = None
        return True

    def tend(self, guard: Guard, *, report: Callable[[str], None]) -> None:
        """Start it again where it ended: after 1, 2, 4 … 30 s."""
        process, now = self._process, time.monotonic()
        if not self.has_ended(guard):
            return
        if process:
            self.deaths = 1 if now - self._began > SOUND_LIFE else self.deaths + 1
            pause = min(LONGEST_PAUSE, 2.0 ** (self.deaths - 1))
            self._due = now + pause
            if self.deaths in (2, 4, 8) or self.deaths % 16 == 0:
                report(f"{self.name} keeps ending: {self.last_line()} (more in {self.log}); next try in {pause:g} s.")
        elif now >= self._due:
            self.start(guard)

    def signal(self, signum: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(signum)

    def last_line(self) -> str:
        """The last that it wrote, but for uvicorn's news of its own processes."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 4096))
            lines = log.read().decode(errors="replace").split("\n")
        said = (line.strip() for line in reversed(lines) if line.strip() and not line.startswith(UVICORNS_NEWS))
        return next(said, "it wrote nothing")


def keep_small(log: Path) -> None:
    """Move what is written into `.1` when it is much. The file itself stays: its writers append to it."""
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
