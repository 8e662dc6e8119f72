"""`manage.py rqworker`: a worker with the settings that storyapp needs, without options to forget."""

from typing import Any

from django_rq.management.commands import rqworker

from generation.providers import sketch  # noqa: F401 - imported before the fork, or every task pays for it


class Command(rqworker.Command):
    help = "Makes pictures until it is stopped. Run as many as you like, on any number of hosts."

    def handle(self, *args: str, **options: Any) -> None:
        options["worker_class"] = options["worker_class"] or "generation.tasks.SceneWorker"
        options["serializer"] = "rq.serializers.JSONSerializer"
        super().handle(*args, **options)
