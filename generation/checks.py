"""Who makes pictures: whether its settings can be right, what they are, and whether it answers."""

import time
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning

from generation.providers import get_provider
from generation.providers.exceptions import ProviderConfigurationError, ProviderError

TAG = "providers"
PROBE_SECONDS = 10.0


def provider_is_set_up(**_: Any) -> list[CheckMessage]:
    """What no call could go well with. Part of every command, so that nothing starts with it."""
    try:
        get_provider(settings.IMAGE_PROVIDER).describe()
    except ProviderConfigurationError as exc:
        return [Error(str(exc), hint="See IMAGE_PROVIDER and the provider's own variables.", id="generation.E001")]
    return []


def provider_in_use(**_: Any) -> list[CheckMessage]:
    """For a person who looks: an Info."""
    name = settings.IMAGE_PROVIDER
    if provider_is_set_up():
        return []
    accounts = [account for account in settings.GENERATION_ACCOUNTS.get(name, []) if account]
    at_once = settings.GENERATION_CONCURRENCY.get(name, settings.GENERATION_THREADS)
    words = f"Pictures are made by {get_provider(name).describe()}"
    if accounts:
        words += f"; {'account' if len(accounts) == 1 else 'accounts'} {', '.join(accounts)}"
    return [Info(f"{words}; {at_once} at once{' each' if len(accounts) > 1 else ''}.", id="generation.I001")]


def provider_answers(**_: Any) -> list[CheckMessage]:
    """With --deploy: ask for a sign of life, which costs nothing."""
    if provider_is_set_up():
        return []
    try:
        get_provider(settings.IMAGE_PROVIDER).probe(time.monotonic() + PROBE_SECONDS)
    except ProviderError as exc:
        return [Warning(exc.message, id="generation.W001")]
    return []
