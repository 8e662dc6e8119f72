from django.apps import AppConfig
from django.core.checks import register


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        from generation import checks

        register(checks.provider_is_set_up, checks.TAG)
        register(checks.provider_answers, checks.TAG, deploy=True)
