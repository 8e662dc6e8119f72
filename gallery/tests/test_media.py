import hashlib

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiToken
from gallery.models import Image
from gallery.tests.rows import a_person, a_picture, a_scene, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def image() -> Image:
    story = a_story(a_person(), scenes=0)
    return a_picture(a_scene(story, 2, text="The lighthouse at dusk"))


@pytest.fixture
def owner(image: Image, client: Client) -> Client:
    client.force_login(image.owner)
    return client


def address(image: Image, size: str = "original") -> str:
    return f"/media/{image.pk}/{size}"


def test_the_owner_gets_the_very_bytes(owner: Client, image: Image) -> None:
    response = owner.get(address(image))
    with default_storage.open(image.name) as file:
        assert response.content == file.read()
    assert response["Content-Type"] == "image/jpeg"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == 'inline; filename="03 The lighthouse at dusk.jpg"'


def test_a_small_size_is_served_where_there_is_one(owner: Client, image: Image) -> None:
    default_storage.save(f"{image.name}-320", ContentFile(b"RIFF small"))
    assert owner.get(address(image, "320")).content == b"RIFF small"
    assert owner.get(address(image, "320"))["Content-Type"] == "image/webp"
    assert owner.get(address(image, "640"))["Content-Type"] == "image/jpeg"


def test_the_download_has_a_name(owner: Client, image: Image) -> None:
    response = owner.get(address(image) + "?download=1")
    assert response["Content-Disposition"] == 'attachment; filename="03 The lighthouse at dusk.jpg"'


def test_who_has_it_gets_304_without_the_file_being_read(owner: Client, image: Image) -> None:
    etag = owner.get(address(image))["ETag"]
    default_storage.delete(image.name)
    response = owner.get(address(image), headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")


def test_sizes_have_etags_of_their_own(owner: Client, image: Image) -> None:
    assert owner.get(address(image))["ETag"] != owner.get(address(image, "320"))["ETag"]


def test_a_missing_file_is_noted_and_404(owner: Client, image: Image) -> None:
    default_storage.delete(image.name)
    assert owner.get(address(image)).status_code == 404
    image.refresh_from_db()
    assert image.missing_since is not None


@pytest.mark.parametrize("size", ["100", "original/", "", "320/x"])
def test_other_sizes_do_not_exist(owner: Client, image: Image, size: str) -> None:
    assert owner.get(address(image, size)).status_code == 404


def test_a_token_reads_its_persons_pictures_and_no_others(
    client: Client, image: Image, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    other = ApiToken.objects.issue(a_person("other"), "a program")
    with default_storage.open(image.name) as file:
        content = file.read()
    token = ApiToken.objects.issue(image.owner, "a program")
    # The token, that it was used, and the picture.
    with django_assert_max_num_queries(3):
        response = client.get(address(image), headers={"Authorization": f"Bearer {token}"})
    assert hashlib.sha256(response.content).hexdigest() == image.sha256
    assert response.content == content
    assert "Authorization" in response["Vary"]
    assert client.get(address(image), headers={"Authorization": f"Bearer {other}"}).status_code == 404


def test_a_wrong_token_is_refused_although_its_person_is_signed_in(owner: Client, image: Image) -> None:
    response = owner.get(address(image), headers={"Authorization": "Bearer wrong"})
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_three_queries(owner: Client, image: Image, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(3):
        owner.get(address(image))
