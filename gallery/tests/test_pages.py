from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from gallery.forms import StoryForm
from gallery.models import Character, Image, Story
from gallery.sample import SAMPLE_CHARACTER, SAMPLE_SCENES, SAMPLE_TITLE
from gallery.tests.rows import a_character, a_person, a_picture, a_scene, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return a_person()


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def text(client: Client, path: str, **headers: Any) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200, path
    return response.content.decode()


# ---- empty pages invite ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "Try the sample story"),
        ("/stories/", "No stories yet"),
        ("/characters/", "No characters yet"),
        ("/library/", "No pictures yet"),
        ("/library/?q=submarine", "Nothing found"),
    ],
)
def test_an_empty_page_says_what_to_do_next(client: Client, path: str, words: str) -> None:
    assert words in text(client, path)


def test_no_page_needs_what_the_policy_drops(client: Client, owner: User) -> None:
    mira = a_character(owner)
    story = a_story(owner, cast=(mira,))
    image = Image.objects.filter(scene__story=story).first()
    assert image is not None
    for path in ["/", "/stories/", "/stories/new/", story.get_absolute_url(), mira.get_absolute_url(),
                 "/characters/", "/characters/new/", "/library/", image.get_absolute_url()]:  # fmt: skip
        page = text(client, path)
        assert " style=" not in page, path
        assert "<script>" not in page, path
        assert " onclick=" not in page, path


# ---- stories ---------------------------------------------------------------------------------------


def test_a_story_shows_its_scenes_in_order(client: Client, owner: User) -> None:
    page = text(client, a_story(owner, scenes=3).get_absolute_url())
    assert page.index('alt="Scene 1: ') < page.index('alt="Scene 2: ') < page.index('alt="Scene 3: ')
    assert "Download All" in page
    assert "3 · " in page


def test_a_story_of_many_scenes_is_shown_in_parts(client: Client, owner: User) -> None:
    story = a_story(owner, scenes=65)
    first = text(client, story.get_absolute_url())
    assert 'alt="Scene 60: ' in first
    assert 'alt="Scene 61: ' not in first
    assert "?from=60" in first
    rest = text(client, f"{story.get_absolute_url()}?from=60", **{"HX-Request": "true"})
    assert 'alt="Scene 61: ' in rest
    assert "<html" not in rest


def test_a_story_can_be_filtered_by_who_is_in_it(client: Client, owner: User) -> None:
    mira, ember = a_character(owner), a_character(owner, "Ember")
    story = a_story(owner, scenes=0)
    a_picture(a_scene(story, 0, cast=(mira,)))
    a_picture(a_scene(story, 1, cast=(ember,)))
    page = text(client, f"{story.get_absolute_url()}?show={ember.slug}")
    assert 'alt="Scene 2: ' in page
    assert 'alt="Scene 1: ' not in page


def test_a_picture_whose_words_changed_needs_a_new_take(client: Client, owner: User) -> None:
    mira = a_character(owner)
    story = a_story(owner, scenes=2, cast=(mira,))
    assert "Needs a new take" not in text(client, story.get_absolute_url())
    mira.appearance = "a girl in a blue coat"
    mira.save(update_fields=["appearance"])
    assert 'Needs a new take <span class="counts">2</span>' in text(client, story.get_absolute_url())


def test_a_prompt_names_the_cast_in_the_order_they_were_given(client: Client, owner: User) -> None:
    """Two who were made in the same moment: their ids say nothing of who came first."""
    moment = timezone.now()
    cast = tuple(a_character(owner, name, created_at=moment) for name in ("Zoe", "Abe", "Mia"))
    story = a_story(owner, scenes=0)
    for position, order in enumerate([cast, cast[::-1]]):
        scene = a_scene(story, position)
        for one in order:
            scene.cast.add(one)
        a_picture(scene, prompt=compose_in(order, scene.text, story.style))
    assert "Needs a new take" not in text(client, story.get_absolute_url())


def compose_in(order: tuple[Character, ...], words: str, style: str) -> str:
    from gallery.prompts import compose

    return compose(words, order, style)


def test_a_missing_picture_says_so_and_is_not_fetched(client: Client, owner: User) -> None:
    story = a_story(owner, scenes=1)
    Image.objects.update(missing_since=timezone.now())
    page = text(client, story.get_absolute_url())
    assert "File missing" in page
    assert "/media/" not in page


def test_the_first_eight_pictures_are_not_lazy(client: Client, owner: User) -> None:
    page = text(client, a_story(owner, scenes=12).get_absolute_url())
    assert page.count('loading="lazy"') == 4
    assert page.count('decoding="async"') == 12


def test_a_story_can_be_renamed_and_keeps_its_address(client: Client, owner: User) -> None:
    story = a_story(owner)
    response = client.post(f"/stories/{story.slug}/edit/", {"title": "Another light", "style": "Ink"})
    assert response["Location"] == story.get_absolute_url()
    assert "Another light" in text(client, story.get_absolute_url())


def test_a_story_is_deleted_only_after_a_question(client: Client, owner: User) -> None:
    story = a_story(owner)
    assert "3 pictures are gone for good" in text(client, f"/stories/{story.slug}/delete/")
    assert Story.objects.exists()
    client.post(f"/stories/{story.slug}/delete/")
    assert not Story.objects.exists()


# ---- new story -------------------------------------------------------------------------------------


def form(owner: User, **fields: Any) -> StoryForm:
    return StoryForm({"title": "T", "scenes": "A fox", **fields}, owner=owner)


def test_scenes_are_lines_without_blank_ones_and_notes(owner: User) -> None:
    checked = form(owner, scenes="A fox\r\n\r\n  # the sea comes later\r\n  The sea  \n")
    assert checked.is_valid(), checked.errors
    assert checked.cleaned_data["scenes"] == ["A fox", "The sea"]


@pytest.mark.parametrize(
    ("scenes", "sentence"),
    [
        ("# only a note", "Write at least one scene, one a line."),
        ("A fox\n\n" + "x" * 4_001, "Line 3 has 4,001 characters; up to 4,000 fit in a scene."),
        ("A fox\n" * 1_001, "These are 1,001 scenes; up to 1,000 fit in one go."),
        ("A fox\nThe \x00 sea", "Line 2 holds a character that cannot be stored."),
    ],
)
def test_what_is_wrong_with_scenes_names_the_line(owner: User, scenes: str, sentence: str) -> None:
    assert form(owner, scenes=scenes).errors["scenes"] == [sentence]


def test_others_characters_cannot_be_chosen(owner: User) -> None:
    theirs = a_character(a_person("other"))
    assert "characters" in form(owner, characters=[theirs.pk]).errors


def test_the_sample_fills_the_form_and_brings_its_character(client: Client, owner: User) -> None:
    page = text(client, "/stories/new/?sample=1")
    assert SAMPLE_TITLE in page
    assert SAMPLE_SCENES[-1] in page
    assert not Character.objects.exists()
    checked = form(owner, sample_character="on")
    assert checked.is_valid()
    assert [one.name for one in checked.cleaned_data["characters"]] == [SAMPLE_CHARACTER[0]]
    again = form(owner, sample_character="on")
    assert again.is_valid()
    assert Character.objects.count() == 1


def test_each_form_has_a_key_of_its_own(owner: User) -> None:
    keys = {StoryForm(owner=owner)["idempotency_key"].value() for _ in range(2)}
    assert len(keys) == 2


# ---- characters ------------------------------------------------------------------------------------


def test_a_character_is_made_and_shown(client: Client) -> None:
    response = client.post(
        "/characters/new/", {"name": "Mira", "appearance": "a red coat", "embedding_weight": "1"}, follow=True
    )
    assert "a red coat" in response.content.decode()


def test_what_is_wrong_with_a_character_is_said_and_nothing_is_lost(client: Client) -> None:
    response = client.post(
        "/characters/new/", {"name": "", "appearance": "a red coat", "embedding_weight": "1", "seed": "-3"}
    )
    page = response.content.decode()
    assert "Give the character a name." in page
    assert "a red coat" in page
    assert '<details class="more-fields" open>' in page


def test_deleting_a_character_keeps_the_pictures(client: Client, owner: User) -> None:
    mira = a_character(owner)
    a_story(owner, scenes=2, cast=(mira,))
    client.post(f"/characters/{mira.slug}/delete/")
    assert not Character.objects.exists()
    assert Image.objects.count() == 2


# ---- library ---------------------------------------------------------------------------------------


def test_search_wants_every_word(client: Client, owner: User) -> None:
    story = a_story(owner, scenes=0)
    a_picture(a_scene(story, 0, text="A FOX at night"))
    a_picture(a_scene(story, 1, text="A fox at dawn"))
    page = text(client, "/library/?q=night+Fox")
    assert "A FOX at night" in page
    assert "A fox at dawn" not in page


def test_pages_of_the_library_join_without_gap_or_double(client: Client, owner: User) -> None:
    a_story(owner, scenes=130)
    # Many at the same moment: the place is a time and an id.
    Image.objects.update(created_at=timezone.now())
    seen: list[str] = []
    path = "/library/"
    while path:
        page = text(client, path, **{"HX-Request": "true"})
        seen += [part.split('"')[0] for part in page.split('id="image-')[1:]]
        path = page.split('hx-get="')[1].split('"')[0].replace("&amp;", "&") if "hx-get" in page else ""
    assert len(seen) == len(set(seen)) == 130


def test_a_place_that_is_none_is_refused_kindly(client: Client) -> None:
    response = client.get("/library/?after=nowhere")
    assert response.status_code == 400
    assert "That address is not right" in response.content.decode()


# ---- one picture -----------------------------------------------------------------------------------


def test_a_picture_shows_its_receipt(client: Client, owner: User) -> None:
    story = a_story(owner)
    image = Image.objects.get(scene__story=story, scene__position=1)
    page = text(client, image.get_absolute_url())
    for words in (image.prompt, image.sha256, "sketch", "not by a model", "64 × 64", "4, the first was kept"):
        assert words in page, words
    assert 'rel="prev"' in page
    assert 'rel="next"' in page


def test_another_take_can_be_chosen(client: Client, owner: User) -> None:
    story = a_story(owner, scenes=1)
    scene = story.scenes.get()
    other = a_picture(scene, is_chosen=False)
    client.post(f"/images/{other.pk}/choose/")
    assert list(scene.images.filter(is_chosen=True)) == [other]


# ---- queries ---------------------------------------------------------------------------------------


def with_rows(owner: User, count: int) -> dict[str, str]:
    """Pages with `count` rows on each list, by name."""
    cast = tuple(a_character(owner, f"Character {n}") for n in range(count))
    story = a_story(owner, scenes=count, cast=cast[:2])
    for n in range(count):
        a_story(owner, scenes=1, title=f"Story {n}", cast=cast[:1])
    image = story.scenes.order_by("position")[1].images.get()
    for _ in range(count):
        a_picture(image.scene, is_chosen=False)
    return {
        "home": "/",
        "stories": "/stories/",
        "story": story.get_absolute_url(),
        "story_new": "/stories/new/",
        "characters": "/characters/",
        "character": cast[0].get_absolute_url(),
        "library": "/library/",
        "search": "/library/?q=dusk",
        "image": image.get_absolute_url(),
    }


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        text(client, path)
    return len(captured)


def test_no_page_asks_more_for_more_rows(client: Client, owner: User) -> None:
    few = {name: queries(client, path) for name, path in with_rows(owner, 2).items()}
    many = {name: queries(client, path) for name, path in with_rows(owner, 30).items()}
    assert many == few
    assert max(few.values()) <= 12, few
