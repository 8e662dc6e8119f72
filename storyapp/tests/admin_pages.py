"""The admin's pages of a library that `storyapp.tests.pages.fill` made."""

from django.db.models import Model
from django.urls import reverse

from accounts.models import ApiToken, SignInLink, User
from gallery.models import Character, Image, Scene, Story, Upload
from generation.models import GenerationJob, ProviderAccount, SceneGeneration, Status

MODELS: tuple[type[Model], ...] = (
    User,
    ApiToken,
    SignInLink,
    Character,
    Story,
    Scene,
    Image,
    Upload,
    GenerationJob,
    SceneGeneration,
    ProviderAccount,
)


def admin_pages(owner: User) -> dict[str, str]:
    """Each list, and what somebody does with a row, by the name of its picture in the contact sheet."""
    job = GenerationJob.objects.get(story__title="The clockmaker's night")
    failed = SceneGeneration.objects.filter(status=Status.FAILED)[0]
    image = Image.objects.chosen().filter(missing_since=None)[0]
    return {
        "index": reverse("admin:index"),
        "health": reverse("health"),
        "queue": reverse("django_rq:home"),
        **{f"list-{model._meta.model_name}": in_admin(model, "changelist") for model in MODELS},
        "job": in_admin(GenerationJob, "change", job.pk),
        "failed-scene": in_admin(SceneGeneration, "change", failed.pk),
        "image": in_admin(Image, "change", image.pk),
        "story": in_admin(Story, "change", job.story_id),
        "person": in_admin(User, "change", owner.pk),
        "delete-person": in_admin(User, "delete", owner.pk),
    }


def in_admin(model: type[Model], view: str, *which: object) -> str:
    """The address of one of Django's views of that model."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=which)
