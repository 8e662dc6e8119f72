"""Where pictures come from. `get_provider` is the one door."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from generation.providers.base import ImageProvider
from generation.providers.exceptions import ProviderConfigurationError


def get_provider(name: str) -> ImageProvider:
    """The provider of that name in `GENERATION_PROVIDERS`. Raises ProviderConfigurationError for any other name."""
    path = settings.GENERATION_PROVIDERS.get(name)
    if path is None:
        known = ", ".join(sorted(settings.GENERATION_PROVIDERS))
        raise ProviderConfigurationError(f"There is no provider called {name!r}. Known: {known}.")
    return _provider(path)


@cache
def _provider(path: str) -> ImageProvider:
    try:
        provider: ImageProvider = import_string(path)()
    except ImportError as exc:
        raise ProviderConfigurationError(f"The provider {path} cannot be imported: {exc}") from exc
    return provider
