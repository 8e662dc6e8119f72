"""Generate as people press it: plain forms that work without JavaScript."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from gallery.models import Character, Image, Scene, Story
from generation.models import GenerationJob
from generation.tests.rows import save

pytestmark = pytest.mark.usefixtures("woken")

GENERATE = "/generate/"
Ask = Callable[..., GenerationJob]


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("stranger")


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the form that the page shows."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def new_story(**changes: Any) -> dict[str, Any]:
    return {"title": "The fox", "style": "ink", "scenes": "A fox\n\n# a note\nA boat\n", **changes}


def test_a_pasted_story_becomes_a_job_and_the_answer_leads_to_its_page(
    signed_in: Client, owner: User, woken: list[int]
) -> None:
    page = signed_in.get(reverse("gallery:story_new")).content.decode()
    answer = signed_in.post(GENERATE, {**new_story(), "idempotency_key": fields_of(page)["idempotency_key"]})
    job = GenerationJob.objects.get(owner=owner)
    assert answer.status_code == 303
    assert answer["Location"] == job.get_absolute_url()
    assert job.story is not None
    assert (job.story.title, job.story.style) == ("The fox", "ink")
    assert [scene.text for scene in job.story.scenes.all()] == ["A fox", "A boat"]
    assert woken == [2]
    assert "0 of 2" in signed_in.get(answer["Location"]).content.decode().replace("</strong>", "")


def test_a_double_click_makes_one_job(signed_in: Client) -> None:
    sent = new_story(idempotency_key=str(uuid4()))
    first, second = signed_in.post(GENERATE, sent), signed_in.post(GENERATE, sent)
    assert first["Location"] == second["Location"]
    assert GenerationJob.objects.count() == Story.objects.count() == 1


def test_a_form_gone_back_to_and_changed_can_be_sent_again(signed_in: Client) -> None:
    key = str(uuid4())
    signed_in.post(GENERATE, new_story(idempotency_key=key))
    answer = signed_in.post(GENERATE, new_story(idempotency_key=key, scenes="Another"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Press Generate again" in page
    fresh = fields_of(page)["idempotency_key"]
    assert fresh != key
    assert signed_in.post(GENERATE, new_story(idempotency_key=fresh, scenes="Another")).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"title": ""}, "Give the story a title."),
        ({"scenes": "# nothing but a note"}, "Write at least one scene"),
        ({"quantity": "9"}, "less than or equal to 8"),
        ({"quantity": "lots"}, "Choose a whole number from 1 to 8."),
        ({"size": "poster"}, "Select a valid choice"),
        ({"scenes": "x\n" * 501, "quantity": "2"}, "at most 1,000"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    signed_in: Client, wrong: dict[str, str], said: str, woken: list[int]
) -> None:
    sent = new_story(style="a style I thought about", **wrong)
    answer = signed_in.post(GENERATE, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert "a style I thought about" in page
    assert sent["scenes"].strip() in page.replace("\r\n", "\n")
    assert GenerationJob.objects.count() == Story.objects.count() == 0
    assert woken == []


def test_scenes_are_added_at_the_end_of_a_story(signed_in: Client, owner: User, ask: Ask) -> None:
    story = Story(owner=owner, title="The fox")
    ask("One", story=story)
    page = signed_in.get(reverse("gallery:story", args=[story.slug])).content.decode()
    sent = {**fields_of(page), "scenes": "Two\nThree", "quantity": "2", "size": "portrait"}
    assert sent["story"] == story.slug
    assert signed_in.post(GENERATE, sent).status_code == 303
    assert [scene.text for scene in story.scenes.all()] == ["One", "Two", "Two", "Three", "Three"]
    row = GenerationJob.objects.latest("created_at").scenes.first()
    assert row is not None
    assert (row.width, row.height) == (832, 1216)


def test_who_is_in_the_story_is_chosen_before_anybody_chooses(
    signed_in: Client, owner: User, ask: Ask, stranger: User
) -> None:
    mira, fox = (Character.objects.create(owner=owner, name=name) for name in ("Mira", "Fox"))
    Character.objects.create(owner=stranger, name="Somebody else's")
    story = Story(owner=owner, title="The fox")
    ask("One", story=story, characters=(mira,))
    form = signed_in.get(GENERATE, {"story": story.slug}).context["form"]
    assert form["characters"].value() == [mira.slug]
    assert [name for _, name in form.fields["characters"].choices] == ["Fox", "Mira"]
    signed_in.post(GENERATE, {"story": story.slug, "scenes": "She runs", "characters": [fox.slug]})
    assert [one.name for one in Scene.objects.get(text="She runs").cast.all()] == ["Fox"]


def test_a_character_alone_gets_scenes_for_the_library(signed_in: Client, owner: User) -> None:
    mira = Character.objects.create(owner=owner, name="Mira", appearance="a girl in a yellow coat")
    page = signed_in.get(reverse("gallery:character", args=[mira.slug])).content.decode()
    answer = signed_in.post(GENERATE, {**fields_of(page), "scenes": "Mira waves"})
    job = GenerationJob.objects.get()
    assert answer["Location"] == job.get_absolute_url()
    assert (job.story, job.character) == (None, mira)
    assert "yellow coat" in job.scenes.get().prompt


def test_an_error_in_more_scenes_comes_back_with_what_was_typed(signed_in: Client, owner: User) -> None:
    mira = Character.objects.create(owner=owner, name="Mira")
    answer = signed_in.post(GENERATE, {"character": mira.slug, "scenes": "Mira waves", "quantity": "0"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Mira waves" in page
    assert "greater than or equal to 1" in page
    assert fields_of(page)["character"] == mira.slug


def test_somebody_elses_story_and_character_are_not_there(signed_in: Client, stranger: User) -> None:
    story = Story.objects.create(owner=stranger, title="Theirs")
    character = Character.objects.create(owner=stranger, name="Theirs")
    for field, slug in (("story", story.slug), ("character", character.slug)):
        assert signed_in.get(GENERATE, {field: slug}).status_code == 404
        assert signed_in.post(GENERATE, {field: slug, "scenes": "x"}).status_code == 404
    picked = signed_in.post(GENERATE, new_story(characters=[str(character.pk)]))
    assert picked.status_code == 422
    assert not GenerationJob.objects.exists()


def test_coming_by_an_address_shows_a_form(signed_in: Client) -> None:
    assert signed_in.get(GENERATE)["Location"] == reverse("gallery:story_new")


def test_a_provider_is_chosen_where_there_is_a_choice(signed_in: Client, directed: Any) -> None:
    directed.GENERATION_PROVIDERS = {
        **directed.GENERATION_PROVIDERS,
        "sketch": "generation.providers.sketch.SketchProvider",
    }
    page = signed_in.get(reverse("gallery:story_new")).content.decode()
    assert "Drawn by" in page
    signed_in.post(GENERATE, new_story(provider="sketch"))
    signed_in.post(GENERATE, new_story())
    assert set(GenerationJob.objects.values_list("scenes__provider", flat=True)) == {"sketch", "directed"}


def test_what_a_provider_cannot_draw_is_said_at_the_scenes(signed_in: Client, directed: Any) -> None:
    answer = signed_in.post(GENERATE, new_story(scenes="[unspeakable]"))
    assert answer.context["form"].errors["scenes"] == ["This provider cannot draw that."]


def test_another_take_of_a_picture_is_one_scene_with_a_new_seed(
    signed_in: Client, ask: Ask, stranger: User, woken: list[int]
) -> None:
    first = ask("A fox").scenes.get()
    image = save(first)
    key = {"idempotency_key": str(uuid4())}
    answer = signed_in.post(reverse("generation:another_take", args=[image.pk]), key)
    again = signed_in.post(reverse("generation:another_take", args=[image.pk]), key)
    job = GenerationJob.objects.exclude(pk=first.job_id).get()
    assert answer["Location"] == again["Location"] == job.get_absolute_url()
    assert job.scenes.get().scene == first.scene
    assert job.scenes.get().seed != first.seed
    assert woken == [1, 1]
    Image.objects.update(owner=stranger)
    assert signed_in.post(reverse("generation:another_take", args=[image.pk])).status_code == 404
