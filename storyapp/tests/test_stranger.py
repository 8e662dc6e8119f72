"""Who is not signed in, and who is but owns nothing, get nowhere: every address of the project is tried."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiToken, User
from gallery.models import Image
from gallery.tests.rows import a_character, a_person, a_story
from generation.models import GenerationJob, SceneGeneration

pytestmark = pytest.mark.django_db

# own: shows or changes one row, which another person does not have: 404 (405 for a method it has not).
# list: everybody has this page, with their own rows on it.
# open: meant for those who are not signed in.
# admin: for superusers; everybody else is sent away.
# api: for programs: their token says whose they are, and a session says nothing.
Kind = Literal["own", "list", "open", "admin", "api"]
ADDRESSES: dict[str, Kind] = {
    "": "list",
    "stories/": "list",
    "stories/new/": "list",
    "stories/<slug:slug>/": "own",
    "stories/<slug:slug>/edit/": "own",
    "stories/<slug:slug>/delete/": "own",
    "stories/<slug:slug>/download/": "own",
    "characters/": "list",
    "characters/new/": "list",
    "characters/<slug:slug>/": "own",
    "characters/<slug:slug>/edit/": "own",
    "characters/<slug:slug>/delete/": "own",
    "characters/<slug:slug>/download/": "own",
    "library/": "list",
    "images/<uuid:pk>/": "own",
    "images/<uuid:pk>/choose/": "own",
    "images/<uuid:pk>/another-take/": "own",
    "media/<uuid:pk>/<size:size>": "own",
    "generate/": "list",
    "jobs/": "list",
    "jobs/<uuid:pk>/": "own",
    "jobs/<uuid:pk>/cancel/": "own",
    "jobs/<uuid:pk>/retry/": "own",
    "jobs/<uuid:job_pk>/scenes/<uuid:pk>/retry/": "own",
    "events/": "own",
    "sign-in/": "open",
    "sign-in/<str:secret>/": "open",
    "sign-out/": "list",
    "tokens/": "list",
    "tokens/revoke/": "own",
    "api/docs": "open",
    "api/openapi.json": "open",
    "api/": "api",
    "api/image-generation/generate": "api",
    "api/image-generation/jobs": "api",
    "api/image-generation/jobs/<uuidstr:id>": "api",
    "api/image-generation/jobs/<uuidstr:id>/cancel": "api",
    "api/image-generation/jobs/<uuidstr:id>/retry": "api",
    "api/characters": "api",
    "api/characters/<slug:slug>": "api",
    "api/characters/<slug:slug>/images": "api",
    "api/stories": "api",
    "api/stories/<slug:slug>": "api",
    "api/stories/<slug:slug>/images": "api",
    "api/<path:rest>": "api",
    "healthz": "open",
    "admin/health/": "admin",
}
# Whole rooms whose addresses we do not write.
PREFIXES: dict[str, Kind] = {"admin/": "admin"}


@dataclass(frozen=True)
class Owned:
    """One row of each kind, as the parts of addresses that name them."""

    story: str
    character: str
    image: str
    job: str
    scene: str

    def address(self, route: str) -> str:
        rows = {"stories": self.story, "characters": self.character, "jobs": self.job}
        row = rows.get(route.removeprefix("api/").partition("/")[0])
        parts = {
            "<slug:slug>": row or self.story,
            "<uuid:job_pk>": self.job,
            "<uuidstr:id>": self.job,
            "<path:rest>": "nowhere",
            "<uuid:pk>": self.scene if "job_pk" in route else row or self.image,
            "<size:size>": "original",
            "<str:secret>": "a-secret",
            "<path:object_id>": self.image,
        }
        for part, value in parts.items():
            route = route.replace(part, value)
        return f"/{route}?job={self.job}" if route == "events/" else f"/{route}"


@pytest.fixture
def owner() -> User:
    return a_person("owner")


@pytest.fixture
def owned(owner: User) -> Owned:
    mira = a_character(owner, "Mirabelle")
    story = a_story(owner, cast=(mira,), title="Nobody else may read this")
    image = Image.objects.filter(scene__story=story).first()
    assert image is not None
    job = GenerationJob.objects.create(owner=owner, story=story)
    scene = SceneGeneration.objects.create(
        job=job, owner=owner, scene=image.scene, position=0, prompt="p", width=64, height=64, seed=1,
        provider="sketch", status="failed", error_code="x", error_message="x",
    )  # fmt: skip
    return Owned(story.slug, mira.slug, str(image.pk), str(job.pk), str(scene.pk))


@pytest.fixture
def another() -> Client:
    client = Client()
    client.force_login(a_person("another"))
    return client


def routes(patterns: list[URLPattern | URLResolver] | None = None, before: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def kind_of(route: str) -> Kind | None:
    by_prefix = next((kind for prefix, kind in PREFIXES.items() if route.startswith(prefix)), None)
    return ADDRESSES.get(route) or by_prefix


def of_kind(*kinds: Kind) -> list[str]:
    """Routes that are regular expressions (the admin's and the queue's own) have no address to build."""
    return [route for route in dict.fromkeys(routes()) if kind_of(route) in kinds and not set(route) & set("^(\\$")]


def test_every_address_of_the_project_is_listed() -> None:
    unknown = [route for route in routes() if kind_of(route) is None]
    assert not unknown, f"List these in ADDRESSES and say who may see them: {unknown}"
    gone = set(ADDRESSES) - set(routes())
    assert not gone, f"These are gone: {gone}"


def test_a_stranger_is_sent_to_the_sign_in_page(owned: Owned, client: Client) -> None:
    for route in of_kind("own", "list", "admin"):
        for method in ("get", "post", "put", "delete"):
            response = getattr(client, method)(owned.address(route))
            where = response.get("Location", "")
            is_sent_away = response.status_code == 302 and where.startswith(("/sign-in/", "/admin/login/"))
            # Part of the admin's own sign-in page.
            is_login = route == "admin/login/" and response.status_code in (200, 302, 405)
            assert is_sent_away or is_login or response.status_code == 404, (method, route, response.status_code, where)


def test_another_person_does_not_find_what_is_not_theirs(owned: Owned, another: Client) -> None:
    for route in of_kind("own"):
        answers = {method: getattr(another, method)(owned.address(route)).status_code for method in ("get", "post")}
        assert set(answers.values()) <= {404, 405}, (route, answers)
        assert 404 in answers.values(), (route, answers)


def test_another_person_sees_nothing_of_the_owners_on_shared_pages(owned: Owned, another: Client) -> None:
    for route in of_kind("list"):
        response = another.get(owned.address(route), follow=True)
        assert response.status_code in (200, 405), route
        page = response.content.decode()
        for secret in (owned.story, owned.character, owned.image, owned.job, "Nobody else may read", "Mirabelle"):
            assert secret not in page, (route, secret)


def test_another_person_is_sent_away_from_the_admin(owned: Owned, another: Client) -> None:
    for route in of_kind("admin"):
        response = another.get(owned.address(route))
        if route in ("admin/login/", "admin/logout/"):
            assert response.status_code in (200, 302, 405)
            continue
        is_sent_away = response.status_code == 302 and "login" in response["Location"]
        assert is_sent_away or response.status_code in (403, 404, 405), (route, response.status_code)


def test_a_program_without_a_token_is_told_so_whoever_else_is_signed_in(
    owned: Owned, owner: User, client: Client
) -> None:
    client.force_login(owner)
    for route in of_kind("api"):
        for method in ("get", "post", "put", "delete"):
            response = getattr(client, method)(owned.address(route))
            is_nowhere = route in ("api/", "api/<path:rest>")
            assert response.status_code in ((404, 405) if is_nowhere else (401, 405)), (method, route)
            assert response.json()["error"]["message"], (method, route)
            assert ("WWW-Authenticate" in response) == (response.status_code == 401), (method, route)


def test_a_program_of_another_person_finds_nothing_of_the_owners(owned: Owned) -> None:
    token = ApiToken.objects.issue(a_person("another"), "a program")
    client = Client(headers={"Authorization": f"Bearer {token}"})
    for route in [*of_kind("api"), "media/<uuid:pk>/<size:size>"]:
        answers = {method: getattr(client, method)(owned.address(route)) for method in ("get", "post")}
        names_a_row = "<" in route
        statuses = {answer.status_code for answer in answers.values()}
        assert statuses <= ({404, 405} if names_a_row else {200, 400, 404, 405}), (route, statuses)
        for secret in (owned.story, owned.character, owned.image, owned.job, "Nobody else may read", "Mirabelle"):
            assert secret not in answers["get"].content.decode(), (route, secret)


@pytest.mark.parametrize("field", ["story", "character"])
def test_nobody_generates_for_others(owned: Owned, another: Client, field: str) -> None:
    slug = getattr(owned, field)
    assert another.get(f"/generate/?{field}={slug}").status_code == 404
    assert another.post("/generate/", {field: slug, "scenes": "A fox"}).status_code == 404


def test_what_was_tried_has_changed_nothing(owned: Owned, owner: User, another: Client) -> None:
    for route in of_kind("own", "list", "api"):
        another.post(owned.address(route))
    assert owner.stories.count() == owner.characters.count() == 1
    assert owner.images.count() == 3
    assert owner.generation_jobs.count() == 1


def test_a_superuser_sees_only_their_own_on_pages(owned: Owned) -> None:
    superuser = Client()
    superuser.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    assert superuser.get(owned.address("stories/<slug:slug>/")).status_code == 404
    assert superuser.get(owned.address("media/<uuid:pk>/<size:size>")).status_code == 404
    assert superuser.get(f"/admin/gallery/image/{owned.image}/change/").status_code == 200


def test_a_row_that_is_not_there_looks_like_one_that_is_not_yours(another: Client) -> None:
    assert another.get(f"/images/{uuid4()}/").status_code == 404
