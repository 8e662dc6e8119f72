"""Stories, scenes and pictures in the admin: who sees what, what can be changed, and how all of it is deleted."""

from collections import Counter
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from gallery.deletion import Deletion
from gallery.models import Character, Image, Scene, Story, Upload
from gallery.storing import RemoteStorage
from gallery.tests.rows import GRADIENT, a_character, a_person, a_picture, a_scene, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return a_person()


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def image(owner: User) -> Image:
    return a_picture(a_scene(a_story(owner, scenes=0), 0))


def staff_who_may(*permissions: str) -> Client:
    person = User.objects.create(username="staff", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert person.user_permissions.count() == len(permissions)
    client = Client()
    client.force_login(person)
    return client


def address(row: Any, view: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{view}", args=[row.pk])


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def picture(image: Image, size: str = "original") -> str:
    return reverse("admin:gallery_image_picture", args=[image.pk, size])


# ---- pictures ---------------------------------------------------------------------------------------


def test_an_administrator_sees_everybodys_pictures_here_and_here_alone(admin: Client, image: Image) -> None:
    response = admin.get(picture(image))
    with default_storage.open(image.name) as file:
        assert response.content == file.read()
    assert response["Cache-Control"].startswith("private")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert admin.get(picture(image), headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert admin.get(picture(image, "320")).status_code == 200
    assert admin.get(f"/media/{image.pk}/original").status_code == 404


def test_a_picture_is_for_those_who_may_view_pictures(image: Image) -> None:
    assert Client().get(picture(image)).status_code == 302
    assert staff_who_may("view_story").get(picture(image)).status_code == 403
    User.objects.filter(username="staff").delete()
    assert staff_who_may("view_image").get(picture(image)).status_code == 200


def test_colours_stand_in_for_a_picture_whose_file_is_missing(admin: Client, image: Image) -> None:
    default_storage.delete(image.name)
    response = admin.get(picture(image, "320"))
    assert (response.status_code, response["Content-Type"]) == (404, "image/svg+xml")
    assert f"#{GRADIENT[:6]}" in response.content.decode()
    page = admin.get(list_of(Image)).content.decode()
    assert "file missing" in page
    assert picture(image, "320") not in page


class Remote(RemoteStorage):
    def signed_url(self, name: str, size: int | None = None) -> str:
        return f"https://pictures.example/{size}/{name}"


def test_a_picture_in_a_remote_storage_is_fetched_from_there(admin: Client, image: Image, settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "remote": {"BACKEND": f"{__name__}.Remote"}}
    Image.objects.update(storage="remote")
    response = admin.get(picture(image, "320"))
    assert response.headers["Location"] == f"https://pictures.example/320/{image.name}"
    assert response["Cache-Control"].startswith("private")


def test_a_list_of_pictures_has_thumbnails_that_load_late_and_leave_nothing_jumping(
    admin: Client, image: Image
) -> None:
    page = admin.get(list_of(Image)).content.decode()
    assert f'<img src="{picture(image, "320")}" alt="Picture of “Scene 1 at dusk”" width="64" height="64"' in page
    assert 'loading="lazy"' in page


def test_a_receipt_is_a_readable_list(admin: Client, image: Image) -> None:
    page = admin.get(address(image)).content.decode()
    assert "<dt>Variations offered</dt><dd>4, the first was kept</dd>" in page
    assert f"<dt>SHA-256</dt><dd>{image.sha256}</dd>" in page
    assert "bytes_received" not in page


# ---- what can be changed -----------------------------------------------------------------------------


def test_of_a_picture_nothing_can_be_changed(admin: Client, image: Image) -> None:
    assert admin.post(address(image), {"prompt": "another", "is_chosen": ""}).status_code == 403
    image.refresh_from_db()
    assert image.is_chosen


def test_words_can_be_changed_and_owners_cannot(admin: Client, owner: User, image: Image) -> None:
    story, scene, other = image.scene.story, image.scene, a_person("other")
    assert story is not None
    admin.post(address(story), {"title": "Renamed", "style": "", "owner": other.pk, "slug": "else"})
    admin.post(address(scene), {"text": "Other words", "owner": other.pk, "position": 7, "story": ""})
    story.refresh_from_db()
    scene.refresh_from_db()
    assert (story.title, story.owner, story.slug != "else") == ("Renamed", owner, True)
    assert (scene.text, scene.owner, scene.position, scene.story) == ("Other words", owner, 0, story)


def test_a_scene_without_words_is_refused(admin: Client, image: Image) -> None:
    page = admin.post(address(image.scene), {"text": ""}).content.decode()
    assert "This field is required." in page


def test_a_new_story_gets_an_owner_and_its_address(admin: Client, owner: User) -> None:
    admin.post(reverse("admin:gallery_story_add"), {"owner": owner.pk, "title": "The lantern", "style": ""})
    story = Story.objects.get()
    assert (story.owner, story.slug.startswith("the-lantern-")) == (owner, True)


def test_lists_count_each_thing_by_itself(admin: Client, owner: User) -> None:
    mira = a_character(owner)
    story = a_story(owner, scenes=0, cast=(mira,))
    for position in range(2):
        scene = a_scene(story, position, cast=(mira,))
        a_picture(scene)
        a_picture(scene, is_chosen=False)
        a_picture(scene, is_chosen=False)
    for model in (Story, Character):
        row = admin.get(list_of(model)).context["cl"].result_list[0]
        assert (row.scene_count, row.picture_count) == (2, 6)
    pictures = admin.get(list_of(Image), {"character": str(mira.pk)})
    assert pictures.context["cl"].result_count == 6
    assert admin.get(list_of(Scene), {"story": str(story.pk)}).context["cl"].result_count == 2


# ---- deletion ----------------------------------------------------------------------------------------


def test_a_deletion_counts_what_django_would_delete(owner: User) -> None:
    mira = a_character(owner)
    a_story(owner, cast=(mira,))
    a_story(a_person("other"))
    people = User.objects.filter(pk=owner.pk)
    collector = NestedObjects(using="default", origin=people)
    collector.collect(people)
    expected: Counter[Any] = Counter({model: len(rows) for model, rows in collector.model_objs.items()})
    for rows in collector.fast_deletes:
        expected[rows.model] += rows.count()
    counted = {part.model: part.count for part in Deletion(people).parts}
    assert counted == {model: count for model, count in expected.items() if not model._meta.auto_created and count}
    assert counted[Image] == 3


def test_the_question_says_how_much_goes_and_does_not_list_it(admin: Client, owner: User) -> None:
    story = a_story(owner, scenes=12)
    size = sum(image.bytes for image in Image.objects.all())
    page = admin.get(address(story, "delete")).content.decode()
    for words in (
        "1 story",
        "12 scenes",
        "12 images",
        f"12 pictures ({max(1, round(size / 1000))} KB)",
        "within minutes",
    ):
        assert words in page
    assert "Scene 5 at dusk" not in page
    assert Story.objects.exists(), "to ask is not to delete"


def test_deleted_pictures_leave_their_names_to_the_sweep(admin: Client, owner: User) -> None:
    story = a_story(owner, scenes=3)
    names = set(Image.objects.values_list("name", flat=True))
    response = admin.post(address(story, "delete"), {"post": "yes"}, follow=True)
    assert "was deleted successfully" in response.content.decode()
    assert not Scene.objects.exists()
    assert not Image.objects.exists()
    assert {(upload.name, upload.token) for upload in Upload.objects.all()} == {(name, 1) for name in names}
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == story.title


def test_selected_rows_are_deleted_after_a_question(admin: Client, owner: User) -> None:
    kept, *gone = (a_story(owner, scenes=1, title=f"Story {number}") for number in range(3))
    sent = {"action": "delete_selected", "_selected_action": [story.pk for story in gone]}
    asked = admin.post(list_of(Story), sent).content.decode()
    assert "2 stories" in asked
    assert "The files of 2 pictures" in asked
    assert Story.objects.count() == 3
    response = admin.post(list_of(Story), {**sent, "post": "yes"}, follow=True)
    assert "Successfully deleted 2 stories." in response.content.decode()
    assert list(Story.objects.all()) == [kept]
    assert (Upload.objects.count(), LogEntry.objects.count()) == (2, 2)


def test_the_whole_list_is_deleted_unless_it_has_changed_since_the_question(admin: Client, owner: User) -> None:
    for number in range(3):
        a_story(owner, scenes=0, title=f"Story {number}")
    everything = {"action": "delete_selected", "select_across": "1", "_selected_action": "all"}
    asked = admin.post(f"{list_of(Story)}?q=Story", everything).content.decode()
    assert "3 stories" in asked
    assert '<input type="hidden" name="count" value="3">' in asked
    a_story(owner, scenes=0, title="Story 4")
    late = admin.post(f"{list_of(Story)}?q=Story", {**everything, "count": "3", "post": "yes"}, follow=True)
    assert "nothing was deleted" in late.content.decode()
    assert Story.objects.count() == 4
    a_story(owner, scenes=0, title="Not among them")
    admin.post(f"{list_of(Story)}?q=Story", {**everything, "count": "4", "post": "yes"})
    assert [story.title for story in Story.objects.all()] == ["Not among them"]


def test_a_character_goes_and_pictures_with_them_stay(admin: Client, owner: User) -> None:
    mira = a_character(owner)
    a_story(owner, scenes=2, cast=(mira,))
    page = admin.get(address(mira, "delete")).content.decode()
    assert "Scenes and pictures with them stay." in page
    assert "within minutes" not in page
    admin.post(address(mira, "delete"), {"post": "yes"})
    assert (Character.objects.count(), Image.objects.count(), Upload.objects.count()) == (0, 2, 0)


def test_who_may_not_delete_all_that_goes_is_told_what_is_lacking(owner: User) -> None:
    story = a_story(owner)
    staff = staff_who_may("view_story", "delete_story", "delete_scene")
    page = staff.get(address(story, "delete")).content.decode()
    assert "your account doesn't have permission" in page or "your account doesn’t have permission" in page
    assert "<li>image</li>" in page
    assert staff.post(address(story, "delete"), {"post": "yes"}).status_code == 403
    assert Image.objects.count() == 3


def test_many_pictures_are_handed_to_the_sweep_in_few_writes(owner: User) -> None:
    a_story(owner, scenes=20)
    with CaptureQueriesContext(connection) as queries:
        Deletion(User.objects.filter(pk=owner.pk)).carry_out()
    # One look for each picture, which its `pre_delete` takes, and no write for each.
    assert len([one for one in queries if one["sql"].startswith("INSERT")]) == 1
    assert (Upload.objects.count(), Image.objects.count(), User.objects.count()) == (20, 0, 0)


def test_what_no_picture_holds_can_be_looked_at_and_nothing_else(admin: Client, image: Image) -> None:
    image.delete()
    upload = Upload.objects.get()
    assert upload.name in admin.get(list_of(Upload)).content.decode()
    assert admin.get(address(upload)).status_code == 200
    assert admin.post(address(upload, "delete"), {"post": "yes"}).status_code == 403
