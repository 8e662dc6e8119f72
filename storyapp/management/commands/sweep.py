"""`manage.py sweep`: puts right what a killed process left behind, and wakes workers for what is due."""

import logging
import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from generation import objects, tasks
from storyapp import health

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Ends what was interrupted too often, wakes workers for what is due, deletes objects nobody wants."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on for ever; without it: once")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        if options["every"]:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
        while True:
            went_well = self._sweep(once=not options["every"])
            if not options["every"]:
                # A single round promises no further one, so nobody is to miss it.
                return
            if went_well:
                health.beat()
            if stop.wait(options["every"]):
                health.end_beat()
                return

    def _sweep(self, *, once: bool) -> bool:
        """Whether all went well. In a loop one failure is no reason to stop: the database may be away for a moment."""
        went_well = True
        for step in (tasks.rescue, objects.delete_unwanted):
            try:
                close_old_connections()
                step()
            except Exception:
                if once:
                    raise
                log.exception("sweep.failed", extra={"step": step.__name__})
                went_well = False
        return went_well
