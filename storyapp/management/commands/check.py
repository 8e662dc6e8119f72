"""`manage.py check`: Django's own, which here also says who makes the pictures and where they are kept."""

from typing import Any

from django.core import checks
from django.core.checks.registry import registry
from django.core.management.commands import check

from generation.checks import TAG, provider_in_use
from storyapp.checks import storage_in_use


class Command(check.Command):
    def handle(self, *app_labels: Any, **options: Any) -> None:
        # Registered for good, they would stand before the output of every other command, too.
        told = {checks.register(provider_in_use, TAG), checks.register(storage_in_use, checks.Tags.files)}
        try:
            super().handle(*app_labels, **options)
        finally:
            registry.registered_checks -= told
