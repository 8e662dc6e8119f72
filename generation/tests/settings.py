"""The project's settings with the provider of the tests, for worker processes that a test starts."""

from storyapp import env
from storyapp.settings import *  # noqa: F403
from storyapp.settings import GENERATION_CONCURRENCY, GENERATION_PROVIDERS

GENERATION_PROVIDERS = {**GENERATION_PROVIDERS, "directed": "generation.tests.providers.DirectedProvider"}
GENERATION_CONCURRENCY = {
    **GENERATION_CONCURRENCY,
    "directed": env.whole("DIRECTED_CONCURRENCY", 10, least=1, most=1000),
}
