"""Where pictures come from. `get_provider` is the one door."""

import json
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from generation.providers.base import ImageProvider
from generation.providers.exceptions import ProviderConfigurationError


def get_provider(name: str) -> ImageProvider:
    """The provider of that name in `GENERATION_PROVIDERS`, made with its `GENERATION_PROVIDER_OPTIONS`.

    Raises ProviderConfigurationError for any other name, and where the provider cannot be made.
    """
    path = settings.GENERATION_PROVIDERS.get(name)
    if path is None:
        known = ", ".join(sorted(settings.GENERATION_PROVIDERS))
        raise ProviderConfigurationError(f"There is no provider called {name!r}. Known: {known}.")
    return _provider(path, json.dumps(settings.GENERATION_PROVIDER_OPTIONS.get(name, {}), sort_keys=True))


@cache
def _provider(path: str, options: str) -> ImageProvider:
    """One for each path and its options, which are JSON: other settings make another provider."""
    try:
        provider: ImageProvider = import_string(path)(**json.loads(options))
    except ImportError as exc:
        raise ProviderConfigurationError(f"The provider {path} cannot be imported: {exc}") from exc
    return provider
