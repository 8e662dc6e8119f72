"""A library in which every page has something to show, and the addresses of all pages."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, SignInLink, User
from gallery.models import Character, Image, Story
from gallery.sample import SAMPLE_CHARACTER, SAMPLE_SCENES, SAMPLE_STYLE, SAMPLE_TITLE
from generation.engine import work
from generation.generate import Asked, another_take, generate
from generation.models import GenerationJob, ProviderAccount, SceneGeneration, Status

STYLE = "A quiet picture book, flat shapes, soft grain."
FOX = ("Ember", "a small red fox with a blue scarf")
ROBOT = ("Robot Nine", "a tall friendly robot, silver, with one red lamp on its chest")
STORIES = {
    "The fox who crossed the snow": (
        "A red fox looks at the mountains under the first snow",
        "The fox crosses the frozen lake at night, under the stars",
        "At dawn the fox finds a village, and smoke from every chimney",
    ),
    "Robot Nine goes to sea": (
        "A robot waits in the harbour at sunrise beside a small boat",
        "The robot sails across the sea in the rain",
    ),
    "How the lighthouse learned to sing": ("The lighthouse in the mist, and a bird on its roof",),
    "A balloon over the desert": ("A balloon above the desert at sunset", "The balloon lands beside a camel at dusk"),
    "The city that stayed awake": ("All windows of the city are lit at midnight, and a cat looks at the moon",),
}
LONG = (
    "In the deepest part of the forest, where the oldest trees lean together and even the owls speak quietly, "
    "the fox puts the lantern down, and for the first time since they left the lighthouse nobody is afraid"
)


TOKENS = ("Nightly script", "The children’s tablet", "Printing house, which fetches every finished story as a zip")


@dataclass(frozen=True)
class Sent:
    """A page that is only seen as the answer to the form of another one."""

    path: str
    fields: dict[str, str]


Address = str | Sent


def fill(owner: User, *, side: int = 1024) -> None:
    """About 30 pictures by the sketch provider, in some 10 s, and a job that stands still in the middle.

    With a smaller `side` it takes less; the pages lay out the same.
    """
    mira, ember, robot = (
        Character.objects.create(owner=owner, name=name, appearance=appearance)
        for name, appearance in (SAMPLE_CHARACTER, FOX, ROBOT)
    )
    Character.objects.create(owner=owner, name="Old Tam", style="Ink and gouache")
    casts = {"fox": (ember,), "Robot": (robot,)}
    for title, scenes in STORIES.items():
        cast = next((cast for word, cast in casts.items() if word in title), ())
        _made(owner, title, scenes, cast, side=side)
    _half_made(owner, (ember, robot), side=side)
    job = _made(owner, SAMPLE_TITLE, SAMPLE_SCENES, (mira,), style=SAMPLE_STYLE, side=side)
    assert job.story is not None
    third, last = job.story.scenes.all()[2], job.story.scenes.all()[9]
    work(job=another_take(third).pk)
    # Somebody has written other words since: its picture needs a new take.
    last.text = f"{last.text} Outside it snows."
    last.save(update_fields=["text"])
    Image.objects.filter(scene=job.story.scenes.all()[8]).update(missing_since=timezone.now())
    work(job=generate(owner, Asked(scenes=(LONG,), characters=(ember,), seed=7, width=side, height=side)).pk)
    _tokens(owner)


def pages(owner: User) -> dict[str, Address]:
    """The address of every page, by the name of its picture in the contact sheet."""
    pages: dict[str, Address] = {
        "home": reverse("gallery:home"),
        "stories": reverse("gallery:stories"),
        "story-new": reverse("gallery:story_new"),
        "characters": reverse("gallery:characters"),
        "character-new": reverse("gallery:character_new"),
        "library": reverse("gallery:library"),
        "search-nothing": f"{reverse('gallery:library')}?q=submarine",
        "jobs": reverse("generation:jobs"),
        "tokens": reverse("accounts:tokens"),
        "not-found": "/stories/nobody-has-this/",
    }
    story = Story.objects.visible_to(owner).filter(title=SAMPLE_TITLE).first()
    if story is None:
        return {**pages, "story-sample": f"{reverse('gallery:story_new')}?sample=1"}
    open_job = GenerationJob.objects.visible_to(owner).get(story__title="The clockmaker's night")
    assert open_job.story is not None
    job = GenerationJob.objects.visible_to(owner).get(story=story, scenes__position=9)
    image = Image.objects.visible_to(owner).chosen().get(scene__story=story, scene__position=2)
    missing = Image.objects.visible_to(owner).chosen().get(scene__story=story, scene__position=8)
    failed = SceneGeneration.objects.visible_to(owner).filter(status=Status.FAILED).first()
    assert failed is not None
    mira = Character.objects.visible_to(owner).get(name="Mira")
    tam = Character.objects.visible_to(owner).get(name="Old Tam")
    return {
        **pages,
        "story": story.get_absolute_url(),
        "story-stale": f"{story.get_absolute_url()}?show=stale",
        "story-half-made": open_job.story.get_absolute_url(),
        "story-edit": reverse("gallery:story_edit", args=[story.slug]),
        "story-delete": reverse("gallery:story_delete", args=[story.slug]),
        "character": mira.get_absolute_url(),
        "character-without-pictures": tam.get_absolute_url(),
        "character-edit": reverse("gallery:character_edit", args=[mira.slug]),
        "character-delete": reverse("gallery:character_delete", args=[mira.slug]),
        "search": f"{reverse('gallery:library')}?q=fox+night",
        "image": image.get_absolute_url(),
        "image-missing": missing.get_absolute_url(),
        "job": job.get_absolute_url(),
        "job-open": open_job.get_absolute_url(),
        "generate": f"{reverse('generation:generate')}?story={story.slug}",
        "scene-edit": reverse("generation:scene_retry", args=[failed.job_id, failed.pk]),
        "token-error": Sent(reverse("accounts:tokens"), {"name": ""}),
        "token-made": Sent(reverse("accounts:tokens"), {"name": "The library’s website"}),
    }


def pages_for_strangers(owner: User) -> dict[str, Address]:
    """What is seen before one is signed in."""
    return {
        "sign-in": reverse("accounts:sign_in"),
        "sign-in-link": reverse("accounts:sign_in_link", args=[SignInLink.objects.issue(owner)]),
        "sign-in-gone": reverse("accounts:sign_in_link", args=["no-such-secret"]),
    }


def _made(
    owner: User, title: str, scenes: tuple[str, ...], cast: tuple[Character, ...], *, side: int, style: str = STYLE
) -> GenerationJob:
    story = Story(owner=owner, title=title, style=style)
    job = generate(owner, Asked(scenes=scenes, story=story, characters=cast, seed=40, width=side, height=side))
    work(job=job.pk)
    return job


def _half_made(owner: User, cast: tuple[Character, ...], *, side: int) -> None:
    """Four pictures are made, two are being drawn, one was refused, one failed, the rest wait."""
    scenes = tuple(
        f"{words} {hour}"
        for hour in ("at dusk", "at night", "in the rain")
        for words in ("The clockmaker opens his shop", "A cat sleeps on the roof", "The tower strikes", "A fox runs by")
    )
    story = Story(owner=owner, title="The clockmaker's night", style=STYLE)
    job = generate(owner, Asked(scenes=scenes, story=story, characters=cast, seed=3, width=side, height=side))
    now = timezone.now()
    job.scenes.filter(position__gte=4).update(due_at=now + timedelta(days=365))
    work(job=job.pk)
    account = ProviderAccount.objects.get(provider="sketch")
    job.scenes.filter(position__in=[4, 6]).update(
        status=Status.RUNNING,
        phase="calling",
        attempt=1,
        account=account,
        tag=uuid4(),
        claimed_at=now,
        started_at=now,
        lease_until=now + timedelta(days=365),
    )
    job.scenes.filter(position=5).update(
        status=Status.FAILED,
        attempt=1,
        error_code="request_refused",
        error_message="The provider refused this prompt.",
        finished_at=now,
    )
    job.scenes.filter(position=7).update(
        status=Status.FAILED,
        attempt=4,
        error_code="provider_unavailable",
        error_message="The provider did not answer within 120 s.",
        finished_at=now,
    )


def _tokens(owner: User) -> None:
    """One in use, one that nobody has used yet, one with a long name, one revoked."""
    secrets = [ApiToken.objects.issue(owner, name) for name in (*TOKENS, "Old laptop")]
    ApiToken.objects.use(secrets[0])
    ApiToken.objects.filter(user=owner, name="Old laptop").revoke()
