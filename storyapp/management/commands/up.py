"""All of storyapp on one machine: what ./run starts."""

import argparse
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from accounts.models import SignInLink
from storyapp import env, queue_server
from storyapp.cannot_start import CannotStart
from storyapp.instance import Instance
from storyapp.listening import free_address
from storyapp.preparation import first_person, prepare
from storyapp.supervisor import Supervisor

# How long another ./run may take to start or to end: its scenes get 30 s.
OTHER_PATIENCE = 60.0


class Command(BaseCommand):
    help = "Start queue server, web, workers and sweep, print the address, and end all of it on Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
        parser.add_argument("--port", type=_port, default=8000, help="the port; 0 for any free one (8000)")
        parser.add_argument("--data", type=_folder, help="where everything is kept (STORYAPP_DATA, or var/)")
        parser.add_argument("--workers", type=_workers, default=2, help="processes that make pictures (2)")

    def handle(self, *, host: str, port: int, data: Path | None, workers: int, **_: Any) -> None:
        try:
            if data not in (None, settings.STORYAPP_DATA):
                raise CannotStart("--data belongs to ./run; before manage.py, set STORYAPP_DATA.")
            self._up(host=host, port=port, workers=workers)
        except CannotStart as exc:
            self.stderr.write(str(exc))
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)

    def _up(self, *, host: str, port: int, workers: int) -> None:
        with Instance(settings.STORYAPP_DATA) as instance:
            if running := self._take(instance):
                self._greet(running)
                return
            address = free_address(host, port)
            embedded_queue = not env.text("REDIS_URL")
            if embedded_queue:
                queue_server.find_binary()
            prepare()
            supervisor = Supervisor(
                address=address, workers=workers, instance=instance, embedded_queue=embedded_queue, say=self._say
            )
            supervisor.run(when_ready=lambda: self._greet(address.shown, started=True))

    def _take(self, instance: Instance) -> str | None:
        """None once the data folder is ours; the address of the other ./run where one is up already."""
        deadline = time.monotonic() + OTHER_PATIENCE
        while not instance.take():
            if running := instance.announced():
                return running
            if time.monotonic() > deadline:
                raise CannotStart(f"Another ./run holds {settings.STORYAPP_DATA} and neither gets ready nor ends.")
            time.sleep(0.1)
        return None

    def _greet(self, address: str, *, started: bool = False) -> None:
        secret = SignInLink.objects.issue(first_person())
        connection.close()
        self._say(f"Ready: {address}/sign-in/{secret}/")
        self._say("Open it and press the button: it signs you in, once. ./run again prints a fresh one.")
        if started:
            self._say(f"Ctrl-C ends everything. Data and logs are in {settings.STORYAPP_DATA}.")

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            # The terminal is gone. What we run goes on, or ends in order.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _port(text: str) -> int:
    return _whole(text, least=0, most=65535)


def _workers(text: str) -> int:
    return _whole(text, least=1, most=64)


def _whole(text: str, *, least: int, most: int) -> int:
    with suppress(ValueError):
        if least <= int(text) <= most:
            return int(text)
    raise argparse.ArgumentTypeError(f"a whole number from {least} to {most} is needed, not {text!r}")


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a folder is needed")
    return Path(text).expanduser().resolve()
