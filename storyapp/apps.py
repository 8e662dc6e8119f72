from django.apps import AppConfig
from django.core.checks import Tags, register


class StoryappConfig(AppConfig):
    name = "storyapp"

    def ready(self) -> None:
        from storyapp import checks

        register(checks.storage_is_set_up, Tags.files)
        register(checks.storage_answers, Tags.files, deploy=True)
