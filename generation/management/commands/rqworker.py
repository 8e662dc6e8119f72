"""`manage.py rqworker`: a worker with the settings that storyapp needs, without options to forget."""

import logging
import signal
import time
from typing import Any

import django_rq
from django.core.management.base import CommandParser
from django_rq.management.commands import rqworker
from redis.exceptions import RedisError

from generation import tasks
from generation.providers import sketch  # noqa: F401 - imported before the fork, or every task pays for it

LOOK_EVERY = 1.0
# Seconds for which a worker counts without a sign of life. An idle one gives it fifteen seconds before: so soon a
# queue server that has forgotten everything knows of it again.
COUNTS_FOR = 30

log = logging.getLogger(__name__)


class Command(rqworker.Command):
    help = "Makes pictures until it is stopped. Run as many as you like, on any number of hosts."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(worker_ttl=COUNTS_FOR)

    def handle(self, *args: str, **options: Any) -> None:
        """RQ's worker ends itself when the queue server goes away at a bad moment; then another one begins here."""
        options["worker_class"] = options["worker_class"] or "generation.tasks.SceneWorker"
        options["serializer"] = "rq.serializers.JSONSerializer"
        _wait_for_queue_server()
        while not self._ended(*args, **options):
            # Not at once: whatever ended it may still be there.
            _wait_for_queue_server(after=LOOK_EVERY)

    def _ended(self, *args: str, **options: Any) -> bool:
        """Work. Returns whether that was all that was asked for."""
        try:
            super().handle(*args, **options)
        except SystemExit:
            # What django-rq makes of a lost connection, and RQ of a stop that is in a hurry.
            if tasks.stop.is_set():
                raise
            return False
        has_an_end = options["burst"] or options["max_jobs"] or options["max_idle_time"]
        return bool(has_an_end) or tasks.stop.is_set()


def _wait_for_queue_server(*, after: float = 0.0) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # Those of a worker that has ended would say that nothing was to be waited for.
        signal.signal(number, signal.SIG_DFL)
    time.sleep(after)
    told = False
    while (error := _error_of_queue_server()) is not None:
        if not told:
            log.warning("queue.away", extra={"error": type(error).__name__})
            told = True
        time.sleep(LOOK_EVERY)


def _error_of_queue_server() -> RedisError | None:
    try:
        django_rq.get_connection(tasks.QUEUE).ping()
    except RedisError as exc:
        return exc
    return None
