"""The process that ends what the supervisor leaves behind, should the supervisor be killed without a word.

It reads from a pipe that only the supervisor holds open: `started PID` and `ended PID`, one a line. The end of
the pipe is the supervisor's end, however it came.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from storyapp.sessions import members, signal_sessions

ROOT = Path(__file__).resolve().parent.parent


class Guard:
    """The supervisor's side of it."""

    def __init__(self, *, kept_open: int) -> None:
        """`kept_open` is a descriptor that the guard holds until the last process is gone: the folder's lock."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "storyapp.guard"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            pass_fds=[kept_open],
            start_new_session=True,
        )
        assert self._process.stdin
        self._pipe = self._process.stdin.fileno()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def started(self, pid: int) -> None:
        self._tell(f"started {pid}\n")

    def ended(self, pid: int) -> None:
        self._tell(f"ended {pid}\n")

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):
            os.write(self._pipe, line.encode())

    def dismiss(self) -> None:
        """Returns when it has ended all that it still knew of."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    leaders: set[int] = set()
    for line in sys.stdin:
        word, pid = line.split()
        (leaders.add if word == "started" else leaders.discard)(int(pid))
    _end(leaders)


def _end(leaders: Collection[int]) -> None:
    """Ask, ask again, then kill. RQ takes the second request as urgent if it comes a second after the first."""
    for signum, seconds in ((signal.SIGTERM, 1.6), (signal.SIGTERM, 0.6), (signal.SIGKILL, 1.0), (signal.SIGKILL, 1.0)):
        signal_sessions(leaders, signum)
        if _gone(leaders, within=seconds):
            return


def _gone(leaders: Collection[int], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while members(leaders):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    main()
