"""`manage.py illustrate`: a picture for each line of a file, in this process and without a queue server."""

import json
import logging
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import FrameType
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.core.management.base import OutputWrapper as Output
from django.db import DatabaseError, OperationalError, connection
from django.db.models import Count

from accounts.models import User
from gallery.models import Character, Image
from generation import engine, transitions
from generation.generate import Asked, GenerateRefused, generate
from generation.models import OPEN, GenerationJob, SceneGeneration, Status
from generation.shape import job_as_json

SECONDS_BETWEEN_LOOKS = 0.3
# A transaction may be seen later than the time it wrote, so each look reaches back a little.
OVERLAP = timedelta(seconds=5)
LONGEST_TEXT = 100

SOME_FAILED = 1
BAD_INPUT = 2
STOPPED_BY = 128


class BadInput(Exception):
    """Its text is the whole message: a sentence a line."""


class Command(BaseCommand):
    help = "Make a picture for each line of a file. Blank lines and lines that begin with # are skipped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="one scene a line, in UTF-8; - reads standard input")
        parser.add_argument("--character", metavar="SLUG", help="who appears: the last part of their page's address")
        parser.add_argument("--provider", default="", metavar="NAME", help="who draws (IMAGE_PROVIDER)")
        parser.add_argument("--quantity", type=int, default=1, metavar="N", help="pictures of each scene (1)")
        parser.add_argument("--user", default="owner", help="whose pictures they are (owner)")
        parser.add_argument("--json", action="store_true", help="print the job as one JSON document, nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with _quiet_log(verbosity=options["verbosity"]):
                code, all_ended = self._illustrate(options)
        except BadInput as exc:
            self.stderr.write(str(exc))
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt:
            sys.exit(STOPPED_BY + signal.SIGINT)
        if not all_ended:
            # A call hangs in its thread, and the interpreter would wait for it.
            _flush(self.stdout)
            _flush(self.stderr)
            os._exit(code)
        if code:
            sys.exit(code)

    def _illustrate(self, options: dict[str, Any]) -> tuple[int, bool]:
        """The exit code, and whether every thread has ended."""
        scenes = _scenes(_text(options["file"]))
        _prepare_database()
        with _stopped_by_signals() as stop:
            job = _generate(scenes, options)
            if options["json"]:
                all_ended = _work(job, stop)
                _say(self.stdout, json.dumps(job_as_json(job), indent=2))
            else:
                with _shown(job, self.stdout):
                    all_ended = _work(job, stop)
                _say(self.stdout, _summary(job))
            code = _exit_code(job, stop)
        if code > STOPPED_BY and job.scenes.filter(status__in=OPEN).exists():
            self.stderr.write("Stopped. What is not made yet stays queued: ./run makes it.")
        return code, all_ended


# ---- what is asked --------------------------------------------------------------------------------


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadInput(f"{_called(file)} is not text in UTF-8.") from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise BadInput(f"{_called(file)} cannot be read: {reason}.") from exc


def _called(file: str) -> str:
    return "Standard input" if file == "-" else f"The file {file}"


def _scenes(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines()]
    return tuple(line for line in lines if line and not line.startswith("#"))


def _prepare_database() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise BadInput(f"The database cannot be used: {reason}. See DATABASE_URL.") from exc


def _generate(scenes: tuple[str, ...], options: dict[str, Any]) -> GenerationJob:
    person = _person(options["user"])
    asked = Asked(
        scenes=scenes,
        quantity=options["quantity"],
        characters=_characters(person, options["character"]),
        provider=options["provider"],
    )
    try:
        job = generate(person, asked)
    except GenerateRefused as exc:
        raise BadInput("\n".join(exc.fields.values())) from exc
    # Its time of creation is the database's.
    job.refresh_from_db()
    return job


def _person(name: str) -> User:
    """Whom `name` calls. Where there is nobody yet, they are made: the first person, as ./run makes `owner`.

    On a machine whose first person has another name, `owner` is that person, for ./run signs them in.
    """
    person = User.objects.filter(username=name).first()
    if person is None and name == "owner":
        person = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        return person or User.objects.create_superuser("owner")
    if person is None and name and not User.objects.exists():
        return User.objects.create_superuser(name)
    if person is None or not person.is_active:
        raise BadInput(f"There is nobody called {name!r}.")
    return person


def _characters(person: User, slug: str | None) -> tuple[Character, ...]:
    if slug is None:
        return ()
    character = Character.objects.visible_to(person).filter(slug=slug).first()
    if character is None:
        raise BadInput(f"{person.username} has no character {slug!r}.")
    return (character,)


# ---- the work -------------------------------------------------------------------------------------


def _work(job: GenerationJob, stop: engine.Stop) -> bool:
    """Until every scene of the job has ended, here or elsewhere, or `stop`. Whether every thread has ended."""
    all_ended = True
    while True:
        all_ended = engine.work(job=job.pk, stop=stop) and all_ended
        if stop.is_set() or not job.scenes.filter(status__in=OPEN).exists():
            return all_ended
        # The rest is with other workers, or waits for its provider. There may be no sweep that ends what a
        # killed worker left behind.
        transitions.fail_exhausted()
        stop.wait(engine.LOOK_EVERY)


class Stop(engine.Stop):
    """Set by a signal, whose number it keeps."""

    number = 0


@contextmanager
def _stopped_by_signals() -> Iterator[Stop]:
    """The first signal ends the work in order; with the second, what is being drawn gets no time to end."""
    stop = Stop()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            stop.farewell = 0.0
            return
        stop.number = number
        stop.set()
        # A signal comes in the middle of anything, also of writing to the streams.
        with suppress(OSError):
            os.write(2, f"\nStopping within {stop.farewell:g} s. Ctrl-C again: at once.\n".encode())

    earlier = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _exit_code(job: GenerationJob, stop: Stop) -> int:
    if stop.number:
        return STOPPED_BY + stop.number
    return SOME_FAILED if job.scenes.exclude(status=Status.SAVED).exists() else 0


@contextmanager
def _quiet_log(*, verbosity: int) -> Iterator[None]:
    """Each scene's steps are told on standard output already; warnings stay. `-v 2` shows the steps, too."""
    log = logging.getLogger("generation")
    level = log.level
    if verbosity < 2:
        log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


# ---- what is shown --------------------------------------------------------------------------------


@contextmanager
def _shown(job: GenerationJob, output: Output) -> Iterator[None]:
    """Tell of each scene as it ends. A thread reads along, for the engine has the main thread; it writes nothing."""
    display, ended = Display(job, output), Event()
    reader = Thread(target=_look_again_and_again, args=(display, ended), name="display", daemon=True)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()
        display.clear()
        display.show_ended()


def _look_again_and_again(display: "Display", ended: Event) -> None:
    try:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            # The database may be away for a moment: the next look catches up.
            with suppress(DatabaseError):
                display.look()
    finally:
        connection.close()


class Display:
    """Plain lines, a line a scene; on a terminal with one more below them that is drawn again in its place."""

    def __init__(self, job: GenerationJob, output: Output) -> None:
        self.job = job
        self.output = output
        self.total = job.scenes.count()
        self.told: set[tuple[object, ...]] = set()
        self.ended: set[object] = set()
        self.latest: datetime | None = None
        self.began = monotonic()
        self.is_live = output.isatty()

    def look(self) -> None:
        self.show_ended()
        if self.is_live:
            self._draw(self._standing())

    def show_ended(self) -> None:
        for row in self._newly_ended():
            self.told.add((row.pk, row.status, row.token))
            self.ended.add(row.pk)
            self.latest = row.finished_at
            self.clear()
            _say(self.output, f"{len(self.ended)}/{self.total} {_what_came_of(row)}")

    def clear(self) -> None:
        if self.is_live:
            self._draw("")

    def _newly_ended(self) -> list[SceneGeneration]:
        rows = self.job.scenes.exclude(status__in=OPEN).select_related("scene").order_by("finished_at", "position")
        if self.latest is not None:
            rows = rows.filter(finished_at__gte=self.latest - OVERLAP)
        return [row for row in rows if (row.pk, row.status, row.token) not in self.told]

    def _standing(self) -> str:
        lines = self.job.scenes.order_by().values_list("status").annotate(Count("pk"))
        counts = dict(lines)
        parts = [f"{counts.get(Status.SAVED, 0)}/{self.total} saved"]
        words = {Status.RUNNING: "being drawn", Status.QUEUED: "waiting", Status.FAILED: "failed"}
        parts += [f"{counts[status]} {word}" for status, word in words.items() if counts.get(status)]
        return f"{', '.join(parts)}, {monotonic() - self.began:.0f} s"

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        _say(self.output, f"\r\033[K{text[:width]}", ending="")


def _what_came_of(row: SceneGeneration) -> str:
    text = _short(row.scene.text)
    if row.status == Status.SAVED:
        return f"saved{_seconds_taken(row)}: {text}"
    if row.status == Status.FAILED:
        return f"failed: {text} ({_short(row.error_message)})"
    return f"cancelled: {text}"


def _seconds_taken(row: SceneGeneration) -> str:
    if row.finished_at is None or row.claimed_at is None:
        return ""
    return f" in {_seconds((row.finished_at - row.claimed_at).total_seconds())}"


def _summary(job: GenerationJob) -> str:
    """In figures of the rows: from the press of Generate to the last scene's end, and the sum of the kept calls."""
    rows = list(job.scenes.values_list("status", "finished_at"))
    saved = sum(status == Status.SAVED for status, _ in rows)
    last = max((finished for _, finished in rows if finished), default=job.created_at)
    took = (last - job.created_at).total_seconds()
    line = f"Generated {saved}/{len(rows)} images in {_seconds(took)}"
    if not saved:
        return line
    return f"{line} ({_seconds(took / saved)} an image; one at a time would have been {_seconds(_one_at_a_time(job))})"


def _one_at_a_time(job: GenerationJob) -> float:
    images = Image.objects.filter(generation_id__in=job.scenes.order_by().values("pk"))
    return sum(float(receipt["call_seconds"]) for receipt in images.values_list("receipt", flat=True))


def _seconds(seconds: float) -> str:
    """`2.1 s`, `240 s`."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def _short(text: str) -> str:
    """On one line, and without what a terminal would take for a command."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.shorten(plain, LONGEST_TEXT, placeholder=" ...")


def _say(output: Output, text: str, *, ending: str = "\n") -> None:
    try:
        output.write(text, ending=ending)
        output.flush()
    except OSError:
        # Nobody reads any more (`| head`). The pictures are made all the same.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush(output: Output) -> None:
    with suppress(OSError):
        output.flush()
