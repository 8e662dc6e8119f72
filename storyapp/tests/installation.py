"""The real thing: what ./run starts, in a data folder of its own, as a process beside the test."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 10, *, every: float = 0.05) -> T:
    """What `condition` gives as soon as it is true. An AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(every)
    return result


class Installation:
    """`address` is where it answers, `sign_in` the printed address with the button, `data` its folder."""

    def __init__(self, data: Path, *options: str, **variables: str) -> None:
        self.data = data
        data.parent.mkdir(parents=True, exist_ok=True)
        self._terminal = data.parent / f"{data.name}-terminal-{time.monotonic_ns()}"
        # The queue server and the database of the tests themselves are none of its business.
        surroundings = {**os.environ, "REDIS_URL": "", "DATABASE_URL": ""}
        with self._terminal.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "up", "--port", "0", *options],
                cwd=data.parent,
                env={**surroundings, "STORYAPP_DATA": str(data), **variables},
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> Self:
        wait_until(lambda: "Ready: " in self.said or self.process.poll() is not None, 60)
        ready = re.search(r"^Ready: ((http://[^/]+)/sign-in/[^/]+/)$", self.said, re.MULTILINE)
        assert ready, f"it did not get ready, but said: {self.said}"
        self.sign_in, self.address = ready.groups()
        return self

    def session(self) -> requests.Session:
        """The first person, signed in by the printed address."""
        session = requests.Session()
        session.get(self.sign_in, timeout=10)
        answer = session.post(self.sign_in, data=_with_token(session), timeout=10)
        assert answer.ok
        return session

    def generate(self, session: requests.Session, *scenes: str, **fields: str) -> str:
        """Press Generate for a new story. The address of its job."""
        form = {"title": "A story", "scenes": "\n".join(scenes), **fields}
        answer = session.post(f"{self.address}/generate/", data=_with_token(session, **form), timeout=30)
        assert answer.ok, answer.text
        assert "/jobs/" in answer.url
        return answer.url

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What its database says."""
        with closing(sqlite3.connect(self.data / "storyapp.sqlite3")) as database:
            return database.execute(query).fetchall()

    @property
    def said(self) -> str:
        """All that its terminal shows."""
        return self._terminal.read_text()

    def log(self, name: str) -> str:
        return (self.data / "logs" / f"{name}.log").read_text()

    @property
    def processes(self) -> list[psutil.Process]:
        """Every living process of it, whoever its parent is by now."""
        return [process for process in psutil.process_iter() if _belongs(process, self.data)]

    def interrupt(self) -> float:
        """Ctrl-C. Returns the seconds until it had ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        return time.monotonic() - began

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not self.processes, 10)


def is_alive(process: psutil.Process) -> bool:
    """Not so one that ended and whose parent does not ask for it: some containers have nobody who reaps orphans."""
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def command_of(process: psutil.Process) -> list[str]:
    """Its command line. Of one that ended meanwhile there is none, reaped or not."""
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _with_token(session: requests.Session, **form: str) -> dict[str, str]:
    return {"csrfmiddlewaretoken": session.cookies["csrftoken"], **form}


def _belongs(process: psutil.Process, data: Path) -> bool:
    with suppress(psutil.Error):
        return bool(is_alive(process) and process.environ().get("STORYAPP_DATA") == str(data))
    return False
