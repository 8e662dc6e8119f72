import io
import zipfile

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import default_storage
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import AsyncClient
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from gallery.models import Image, Scene, Story
from gallery.tests.rows import a_character, a_person, a_picture, a_scene, a_story, jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return a_person()


@pytest.fixture
def story(owner: User) -> Story:
    story = a_story(owner, scenes=0, title="Mira: the light")
    for position, text in enumerate(["A fox?", "The sea", "The lighthouse at dusk"]):
        a_picture(a_scene(story, position, text=text), content=jpeg(f"#{position * 40:02x}4060"))
    return story


@pytest.fixture
def client(owner: User) -> AsyncClient:
    client = AsyncClient()
    client.force_login(owner)
    return client


@async_to_sync
async def get(client: AsyncClient, path: str, **headers: str) -> tuple[HttpResponseBase, bytes]:
    """The answer and all of its body, streamed as a server would."""
    response: HttpResponseBase = await client.get(path, headers=headers)
    if not isinstance(response, StreamingHttpResponse):
        return response, b""
    return response, b"".join([part async for part in response])


def unzipped(client: AsyncClient, path: str) -> zipfile.ZipFile:
    response, content = get(client, path)
    assert response.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


def address(story: Story) -> str:
    return f"/stories/{story.slug}/download/"


def test_the_chosen_pictures_in_story_order(client: AsyncClient, story: Story) -> None:
    archive = unzipped(client, address(story))
    assert archive.namelist() == ["01 A fox.jpg", "02 The sea.jpg", "03 The lighthouse at dusk.jpg"]
    assert archive.read("02 The sea.jpg") == jpeg("#284060")


def test_the_headers_promise_what_comes(client: AsyncClient, story: Story) -> None:
    response, content = get(client, address(story))
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == 'attachment; filename="Mira- the light.zip"'
    assert response["X-Accel-Buffering"] == "no"
    assert int(response["Content-Length"]) == len(content)


def test_who_has_the_zip_already_gets_304(client: AsyncClient, story: Story) -> None:
    first, _ = get(client, address(story))
    again, _ = get(client, address(story), **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again["ETag"]) == (304, first["ETag"])


def test_a_download_that_broke_off_goes_on_where_it_was(client: AsyncClient, story: Story) -> None:
    first, whole = get(client, address(story))
    assert first["Accept-Ranges"] == "bytes"
    for kept in (0, 1, 1000, len(whole) - 1):
        rest, content = get(client, address(story), Range=f"bytes={kept}-", **{"If-Range": first["ETag"]})
        assert (rest.status_code, content) == (206, whole[kept:])
        assert rest["Content-Range"] == f"bytes {kept}-{len(whole) - 1}/{len(whole)}"
        assert (int(rest["Content-Length"]), rest["ETag"]) == (len(content), first["ETag"])


def test_another_zip_than_the_one_that_was_begun_comes_as_a_whole(client: AsyncClient, story: Story) -> None:
    first, _ = get(client, address(story))
    a_picture(a_scene(story, 3, text="The way home"))
    second, content = get(client, address(story), Range="bytes=1000-", **{"If-Range": first["ETag"]})
    assert (second.status_code, int(second["Content-Length"])) == (200, len(content))
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 4


def test_a_part_behind_the_end_is_refused_with_the_size(client: AsyncClient, story: Story) -> None:
    _, whole = get(client, address(story))
    response, content = get(client, address(story), Range=f"bytes={len(whole)}-")
    assert (response.status_code, response["Content-Range"], content) == (416, f"bytes */{len(whole)}", b"")


def test_all_takes_are_numbered(client: AsyncClient, story: Story) -> None:
    a_picture(story.scenes.get(position=1), is_chosen=False, content=jpeg("#806040"))
    assert len(unzipped(client, address(story)).namelist()) == 3
    every = unzipped(client, f"{address(story)}?takes=all").namelist()
    assert every[1:3] == ["02 The sea (take 1).jpg", "02 The sea (take 2).jpg"]


def test_a_lost_file_costs_a_line_and_not_the_download(client: AsyncClient, story: Story) -> None:
    image = Image.objects.get(scene__story=story, scene__position=1)
    default_storage.delete(image.name)
    archive = unzipped(client, address(story))
    assert archive.namelist() == ["01 A fox.jpg", "03 The lighthouse at dusk.jpg", "MISSING.txt"]
    assert "02 The sea.jpg" in archive.read("MISSING.txt").decode()
    image.refresh_from_db()
    assert image.missing_since is not None


def test_a_character_has_a_folder_a_story(client: AsyncClient, owner: User) -> None:
    mira, ember = a_character(owner), a_character(owner, "Ember")
    one = a_story(owner, scenes=2, cast=(mira,), title="One")
    a_picture(one.scenes.get(position=0), is_chosen=False)
    a_story(owner, scenes=1, cast=(ember, mira), title="Two")
    a_story(owner, scenes=1, cast=(ember,), title="Not hers")
    for _ in range(2):
        scene = Scene.objects.create(owner=owner, text="Alone at sea")
        scene.cast.set([mira])
        a_picture(scene)
    assert sorted(unzipped(client, f"/characters/{mira.slug}/download/").namelist()) == [
        "One/01 Scene 1 at dusk (take 1).jpg",
        "One/01 Scene 1 at dusk (take 2).jpg",
        "One/02 Scene 2 at dusk.jpg",
        "Two/01 Scene 1 at dusk.jpg",
        "Without a story/01 Alone at sea.jpg",
        "Without a story/02 Alone at sea.jpg",
    ]


def test_one_story_needs_no_folder(client: AsyncClient, owner: User) -> None:
    mira = a_character(owner)
    a_story(owner, scenes=2, cast=(mira,))
    archive = unzipped(client, f"/characters/{mira.slug}/download/")
    assert archive.namelist() == ["01 Scene 1 at dusk.jpg", "02 Scene 2 at dusk.jpg"]


def test_nothing_to_download_is_404(client: AsyncClient, owner: User) -> None:
    response, _ = get(client, address(a_story(owner, scenes=0)))
    assert response.status_code == 404


@pytest.mark.parametrize("scenes", [2, 30])
def test_five_queries_for_any_number_of_pictures(
    client: AsyncClient, owner: User, scenes: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Session, person (for the middleware, and awaited by the view), story, rows."""
    story = a_story(owner, scenes=scenes)
    with django_assert_num_queries(5):
        get(client, address(story))
