"""Characters, stories and their pictures as programs use them."""

from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from gallery.models import Character, Image, Scene, Story
from gallery.tests.rows import a_character, a_picture, a_story, made_in_turn
from generation.tests.program import Program

pytestmark = pytest.mark.django_db
CHARACTERS = "/api/characters"
STORIES = "/api/stories"


@pytest.fixture
def program(owner: User) -> Program:
    return Program(owner)


@pytest.fixture
def somebody_else(db: None) -> User:
    other = User.objects.create_user("other")
    a_story(other, cast=(a_character(other, "Ann"),), title="Not yours")
    return other


# ---- characters -----------------------------------------------------------------------------------


def test_a_character_is_made_with_what_was_sent(program: Program, owner: User) -> None:
    body = {"name": "Mira", "appearance": "red coat", "style": "ink", "embedding": "mira-v2"}
    answer = program.post(CHARACTERS, {**body, "embedding_weight": 0.5, "seed": 7})
    made = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"http://testserver{CHARACTERS}/{made['slug']}"
    assert made.items() >= {**body, "embedding_weight": 0.5, "seed": 7}.items()
    assert program.get(answer["Location"]).json() == made
    assert Character.objects.get(slug=made["slug"]).owner == owner


def test_a_name_is_enough(program: Program) -> None:
    made = program.post(CHARACTERS, {"name": "Mira", "style": None}).json()
    assert made.items() >= {"appearance": "", "style": "", "embedding": "", "embedding_weight": 1, "seed": None}.items()


def test_a_fault_is_told_in_the_words_of_the_page(program: Program, owner: User, client: Client) -> None:
    wrong: dict[str, Any] = {"name": "x" * 81, "embedding_weight": 3, "seed": -1}
    fields = program.post(CHARACTERS, wrong).json()["error"]["fields"]
    client.force_login(owner)
    page = client.post("/characters/new/", wrong).content.decode()
    assert fields.keys() == wrong.keys()
    for sentence in fields.values():
        assert sentence in page
    assert not Character.objects.exists()


# ---- stories --------------------------------------------------------------------------------------


def test_a_story_is_made_with_its_scenes_and_nothing_is_drawn(program: Program) -> None:
    answer = program.post(STORIES, {"title": "The lantern", "style": "ink", "scenes": ["one", " two "]})
    made = answer.json()
    assert answer.status_code == 201
    assert [(scene["position"], scene["text"]) for scene in made["scenes"]] == [(0, "one"), (1, " two ")]
    assert program.get(answer["Location"]).json() == made
    assert program.get(f"{STORIES}/{made['slug']}/images").json() == {"items": [], "next": None}
    more = program.generate({"scenes": ["three"], "story": made["slug"]})
    assert [scene["text"] for scene in program.get(answer["Location"]).json()["scenes"]] == ["one", " two ", "three"]
    assert more["scenes"][0]["position"] == 0


def test_a_thousand_scenes_are_few_queries(program: Program) -> None:
    made = program.post(STORIES, {"title": "The lantern", "scenes": ["A fox"] * 1000}).json()
    assert len(made["scenes"]) == Scene.objects.count() == 1000


def test_all_faults_of_a_story_are_told_and_nothing_is_made(program: Program) -> None:
    error = program.post(STORIES, {"title": " ", "scenes": ["one", " "]}).json()["error"]
    assert error["fields"] == {"title": "Give the story a title.", "scenes": "Scene 2 is empty."}
    assert not Story.objects.exists()


# ---- lists ----------------------------------------------------------------------------------------


def test_a_list_is_walked_by_its_own_addresses_to_its_end(program: Program, owner: User, somebody_else: User) -> None:
    made = [a_character(owner, f"Character {number}") for number in range(5)]
    made_in_turn(*made)
    walked, address = [], f"{CHARACTERS}?limit=2"
    while address:
        page = program.get(address).json()
        assert len(page["items"]) <= 2
        walked += [item["slug"] for item in page["items"]]
        address = page["next"]
    assert walked == [character.slug for character in reversed(made)]


def test_fifty_stand_on_a_page_and_a_hundred_at_most(program: Program, owner: User) -> None:
    Character.objects.bulk_create(Character(owner=owner, name="Mira", slug=f"mira-{number}") for number in range(120))
    assert len(program.get(CHARACTERS).json()["items"]) == 50
    assert len(program.get(f"{CHARACTERS}?limit=100").json()["items"]) == 100


def test_a_place_that_is_gone_is_told_instead_of_ending_the_list(program: Program, owner: User) -> None:
    for number in range(3):
        a_character(owner, f"Character {number}")
    first = program.get(f"{CHARACTERS}?limit=1").json()
    Character.objects.filter(slug=first["items"][0]["slug"]).delete()
    answer = program.get(first["next"])
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["cursor"]


def test_a_place_in_somebody_elses_list_is_none(program: Program, somebody_else: User) -> None:
    theirs = somebody_else.stories.get()
    assert program.get(f"{STORIES}?cursor={theirs.pk}").status_code == 422


@pytest.mark.parametrize(
    "address", [STORIES, CHARACTERS, f"{STORIES}/{{story}}/images", f"{CHARACTERS}/{{who}}/images"]
)
def test_a_page_costs_the_same_however_long_it_is(
    program: Program, owner: User, django_assert_max_num_queries: DjangoAssertNumQueries, address: str
) -> None:
    mira = a_character(owner)
    for number in range(9):
        a_story(owner, cast=(mira,), title=f"Story {number}")
        a_character(owner, f"Character {number}")
    story = Story.objects.first()
    assert story is not None
    program.get(CHARACTERS)
    # The token, whose list it is, the place, and the page.
    with django_assert_max_num_queries(4):
        program.get(address.format(story=story.slug, who=mira.slug))


# ---- pictures -------------------------------------------------------------------------------------


def test_the_pictures_of_a_story_and_of_who_is_in_it(program: Program, owner: User, somebody_else: User) -> None:
    mira = a_character(owner)
    story = a_story(owner, scenes=2, cast=(mira,))
    a_story(owner, scenes=1, title="Without her")
    scene = story.scenes.all()[1]
    take = a_picture(scene, is_chosen=False)
    gone = a_picture(scene, is_chosen=False)
    Image.objects.filter(pk=gone.pk).update(deleted_at=Now())
    made_in_turn(*Image.objects.filter(scene__story=story, is_chosen=True).order_by("scene__position"), take)
    of_story = program.get(f"{STORIES}/{story.slug}/images").json()["items"]
    assert program.get(f"{CHARACTERS}/{mira.slug}/images").json()["items"] == of_story
    assert [(item["scene"]["position"], item["is_chosen"]) for item in of_story] == [(1, False), (1, True), (0, True)]
    newest = of_story[0]
    assert newest["id"] == str(take.pk)
    assert newest["url"] == f"http://testserver/media/{take.pk}/original"
    assert newest["scene"] == {"id": str(scene.pk), "position": 1, "text": scene.text}
    assert (newest["sha256"], newest["prompt"]) == (take.sha256, take.prompt)
