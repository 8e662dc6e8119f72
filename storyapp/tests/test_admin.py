"""The whole admin: as many queries for ten thousand pictures as for a few, and what is for superusers alone."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, SignInLink, User
from gallery.models import Character, Image, Scene, Story, Upload
from gallery.tests.rows import a_character, a_person, a_picture, a_scene, a_story
from generation.models import GenerationJob, ProviderAccount, SceneGeneration, Status
from generation.tests.rows import image_of
from storyapp.tests.admin_pages import MODELS, in_admin

pytestmark = pytest.mark.django_db

SCENES_A_STORY = 100
TAKES = 5
FEW, MANY = 500, 10_000
NEVER_DELETED = (Upload, SceneGeneration, ProviderAccount)


@pytest.fixture
def root() -> User:
    return User.objects.create(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def admin(client: Client, root: User) -> Client:
    client.force_login(root)
    return client


# ---- ten thousand pictures ----------------------------------------------------------------------------


def test_every_page_asks_as_often_for_ten_thousand_pictures_as_for_a_few(
    admin: Client, root: User, measured: Callable[[str], None], settings: Any
) -> None:
    settings.GENERATION_PROVIDERS = {"sketch": settings.GENERATION_PROVIDERS["sketch"]}
    owner = a_person()
    add_pictures(owner, FEW)
    add_what_belongs_to_them(owner, root, 30)
    addresses = dict(pages(owner))
    # What Django keeps for a process is not what is counted here.
    ContentType.objects.get_for_models(*MODELS)
    few = {name: queries_of(admin, address) for name, address in addresses.items()}
    add_pictures(owner, MANY - FEW)
    add_what_belongs_to_them(owner, root, 300)
    assert Image.objects.count() == MANY
    many = {name: queries_of(admin, address) for name, address in addresses.items()}
    grown = {name: (few[name], many[name]) for name in few if few[name] != many[name]}
    assert not grown
    # A list shows 50 rows, of few and of many: what is asked for each row shows here.
    most = max(many, key=lambda name: many[name])
    measured(f"admin: {len(many)} pages with 10,000 pictures ask {many[most]} times at most ({most})")
    assert many[most] <= 30


def pages(owner: User) -> Iterator[tuple[str, str]]:
    """Every list, with the filters and searches that an administrator would use, and every page of a row."""
    yield "index", reverse("admin:index")
    for model in MODELS:
        one = model._default_manager.order_by("pk").first() if model is not User else owner
        assert one is not None, model
        yield f"list of {model.__name__}", in_admin(model, "changelist")
        for view in ("change", "history", "delete"):
            if view != "delete" or model not in NEVER_DELETED:
                yield f"{view} of {model.__name__}", in_admin(model, view, one.pk)
    story, character, job = (model.objects.order_by("pk")[0].pk for model in (Story, Character, GenerationJob))
    for model, query in (
        (User, "o=-5"),
        (Story, "q=story&o=-4"),
        (Scene, f"story={story}"),
        (Image, "q=scene"),
        (Image, f"person={owner.pk}"),
        (Image, f"story={story}"),
        (Image, f"character={character}"),
        (Image, "file=missing"),
        (GenerationJob, "q=story"),
        (GenerationJob, "state=failed"),
        (SceneGeneration, "q=scene"),
        (SceneGeneration, "status=failed"),
        (SceneGeneration, f"job={job}"),
        (SceneGeneration, "_facets=True"),
        (GenerationJob, f"_facets=True&story={story}"),
    ):
        yield f"list of {model.__name__} with {query}", f"{in_admin(model, 'changelist')}?{query}"


def queries_of(admin: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        admin.get(address)
    return len(queries)


def test_a_selection_of_ten_thousand_pictures_is_asked_about_in_few_queries(admin: Client, root: User) -> None:
    owner = a_person()
    counts = []
    for number in (FEW, 2 * FEW):
        add_pictures(owner, number)
        everything = {"action": "delete_selected", "select_across": "1", "_selected_action": "all"}
        with CaptureQueriesContext(connection) as queries:
            page = admin.post(in_admin(Image, "changelist"), everything)
        counts.append(len(queries))
        assert len(page.content) < 30_000
    assert counts[0] == counts[1]


def add_pictures(owner: User, count: int) -> None:
    """Rows without files: stories of a hundred scenes of five takes, a job each, and a character in every scene."""
    now = timezone.now()
    character = Character.objects.create(owner=owner, name="Mira")
    account, _ = ProviderAccount.objects.get_or_create(provider="sketch", defaults={"allowance": 2, "ceiling": 2})
    for _ in range(count // SCENES_A_STORY // TAKES):
        story = Story.objects.create(owner=owner, title="A story")
        job = GenerationJob.objects.create(owner=owner, story=story, character=character)
        scenes = [
            Scene(owner=owner, story=story, position=position, text=f"A scene {position}")
            for position in range(SCENES_A_STORY)
        ]
        made = [made_in(job, scene, account, now) for scene in scenes]
        Scene.objects.bulk_create(scenes)
        appearances = Scene.cast.through
        appearances.objects.bulk_create(appearances(scene=scene, character=character) for scene in scenes)
        SceneGeneration.objects.bulk_create(made)
        Image.objects.bulk_create(take_of(row, take) for row in made for take in range(TAKES))


def made_in(job: GenerationJob, scene: Scene, account: ProviderAccount, now: Any) -> SceneGeneration:
    """Of a hundred one fails, one is running and one waits; they have a picture of an earlier take, too."""
    status = {97: Status.FAILED, 98: Status.RUNNING, 99: Status.QUEUED}.get(scene.position, Status.SAVED)
    failed = {"error_code": "provider_unavailable", "error_message": "The provider answered 503."}
    return SceneGeneration(
        job=job,
        owner=job.owner,
        scene=scene,
        position=scene.position,
        prompt=scene.text,
        width=64,
        height=64,
        seed=7,
        provider="sketch",
        status=status,
        account=account,
        tag=uuid4(),
        lease_until=now + timedelta(hours=1) if status == Status.RUNNING else None,
        started_at=now,
        **(failed if status == Status.FAILED else {}),
    )


def take_of(row: SceneGeneration, take: int) -> Image:
    missing = timezone.now() if row.position == 5 else None
    return image_of(row, generation_id=uuid4() if take else row.pk, is_chosen=not take, missing_since=missing)


def add_what_belongs_to_them(owner: User, root: User, count: int) -> None:
    """People, tokens, links, uploads, accounts, and a long history of one job."""
    mark = uuid4().hex[:8]
    User.objects.bulk_create(User(username=f"person {mark} {number}") for number in range(count))
    ApiToken.objects.bulk_create(
        ApiToken(user=owner, name=f"a token {number}", digest=f"{mark}{number}", hint="abcd") for number in range(count)
    )
    SignInLink.objects.bulk_create(
        SignInLink(user=owner, digest=f"{mark}{number}", expires_at=timezone.now()) for number in range(count)
    )
    Upload.objects.bulk_create(Upload(name=f"{uuid4()}/1-0", generation_id=uuid4(), token=1) for _ in range(count))
    ProviderAccount.objects.bulk_create(
        ProviderAccount(provider="comfyui", name=f"http://{mark}:{number}", allowance=1, ceiling=2)
        for number in range(count)
    )
    job = GenerationJob.objects.order_by("pk")[:1]
    for _ in range(count // 3):
        LogEntry.objects.log_actions(root.pk, job, CHANGE, change_message="Retry failed.")


# ---- people -------------------------------------------------------------------------------------------


def test_people_are_counted_by_what_is_theirs(admin: Client) -> None:
    owner = a_person()
    a_person("nobody")
    a_character(owner)
    a_character(owner, "Ember")
    story = a_story(owner, scenes=3)
    a_picture(a_scene(story, 3))
    GenerationJob.objects.create(owner=owner)
    job = GenerationJob.objects.create(owner=owner)
    for position, status in enumerate((Status.QUEUED, Status.QUEUED, Status.SAVED)):
        SceneGeneration.objects.create(
            job=job,
            owner=owner,
            scene=story.scenes.all()[position],
            position=position,
            prompt="",
            width=64,
            height=64,
            seed=1,
            status=status,
        )
    people = {person.username: person for person in admin.get(in_admin(User, "changelist")).context["cl"].result_list}
    found = people["owner"]
    counts = found.story_count, found.character_count, found.picture_count, found.open_job_count
    assert counts == (1, 2, 4, 1)
    assert people["nobody"].picture_count == 0
    page = admin.get(in_admin(User, "change", owner.pk)).content.decode()
    assert f'<a href="{in_admin(Image, "changelist")}?person={owner.pk}">4</a>' in page
    jobs = admin.get(in_admin(GenerationJob, "changelist"), {"person": str(owner.pk), "state": "open"})
    assert [one.pk for one in jobs.context["cl"].result_list] == [job.pk]


def test_a_person_goes_with_all_that_is_theirs(admin: Client) -> None:
    owner = a_person()
    a_story(owner, scenes=3)
    a_story(a_person("other"), scenes=1)
    address = in_admin(User, "delete", owner.pk)
    page = admin.get(address).content.decode()
    for words in ("1 user", "1 story", "3 scenes", "3 images", "The files of 3 pictures"):
        assert words in page
    admin.post(address, {"post": "yes"})
    assert not User.objects.filter(pk=owner.pk).exists()
    assert (Image.objects.count(), Upload.objects.count()) == (1, 3)


def test_names_of_people_can_be_changed_and_when_they_came_cannot(admin: Client) -> None:
    owner = a_person()
    fields = {"username": "renamed", "is_active": "on", "date_joined_0": "2001-01-01", "date_joined_1": "00:00"}
    admin.post(in_admin(User, "change", owner.pk), fields)
    changed = User.objects.get(pk=owner.pk)
    assert (changed.username, changed.date_joined) == ("renamed", owner.date_joined)


# ---- what is for superusers alone ---------------------------------------------------------------------


def test_the_index_leads_to_failed_scenes_health_and_queue(admin: Client, valkey: str) -> None:
    index = admin.get("/admin/").content.decode()
    for address in ("/admin/generation/scenegeneration/?status__exact=failed", "/admin/health/", "/admin/queue/"):
        assert f'href="{address}"' in index
        assert admin.get(address).status_code == 200


def test_the_queue_is_for_superusers(valkey: str) -> None:
    staff = Client()
    staff.force_login(User.objects.create(username="staff", is_staff=True))
    for address in ("/admin/queue/", "/admin/queue/stats.json", "/admin/queue/queues/0/"):
        assert staff.get(address).status_code == 403
        assert Client().get(address).status_code == 302
    assert "/admin/queue/" not in staff.get("/admin/").content.decode()


def test_without_its_server_the_queue_page_says_so(
    admin: Client, valkey: str, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    monkeypatch.setitem(settings.RQ_QUEUES["default"], "URL", f"unix://{tmp_path}/nobody")
    response = admin.get("/admin/queue/")
    assert response.status_code == 503
    assert "The queue server does not answer." in response.content.decode()


def test_no_page_needs_what_the_policy_drops(admin: Client) -> None:
    owner = a_person()
    root = User.objects.get(username="root")
    add_pictures(owner, FEW)
    add_what_belongs_to_them(owner, root, 3)
    for name, address in pages(owner):
        page = admin.get(address).content.decode()
        assert " style=" not in page, name
        assert "<script>" not in page, name
        assert " onclick=" not in page, name
