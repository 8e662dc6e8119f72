"""The sketch provider: what it reads in words, and that its pictures keep their promises."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from PIL import Image

from gallery.sample import SAMPLE_CHARACTER, SAMPLE_SCENES, SAMPLE_STYLE
from generation.providers.base import ImageRequest, Variation
from generation.providers.exceptions import ProviderUnavailable
from generation.providers.sketch import SketchProvider
from generation.providers.sketch.characters import look_of
from generation.providers.sketch.palette import HOURS, TINTS
from generation.providers.sketch.picture import PLACES as PAINTERS
from generation.providers.sketch.reading import read, split
from generation.providers.sketch.words import FIGURES, HOURS_SAID, PLACES, THINGS

MIRA = "Mira: a girl with a red coat and a yellow scarf."
RED = (207, 59, 46)


def draw(
    prompt: str,
    *,
    seed: int = 7,
    size: tuple[int, int] = (128, 128),
    cast: tuple[str, ...] = (),
    deadline: float | None = None,
) -> Variation:
    return SketchProvider().first_variation(
        ImageRequest(
            prompt=prompt,
            width=size[0],
            height=size[1],
            seed=seed,
            deadline=time.monotonic() + 60 if deadline is None else deadline,
            key=UUID(int=1),
            cast=cast,
        )
    )


def opened(variation: Variation) -> Image.Image:
    image = Image.open(io.BytesIO(variation.content))
    image.load()
    return image


def red_dots(image: Image.Image) -> int:
    """How many dots have the hue of a red coat, whatever the hour does to its brightness."""
    dots = image.convert("RGB").tobytes()
    return sum(
        r > 1.9 * g and r > 1.9 * b and r > 110 for r, g, b in zip(dots[::3], dots[1::3], dots[2::3], strict=True)
    )


# What comes back


def test_a_variation_says_what_it_is() -> None:
    variation = draw("A fox in the forest")

    assert variation.content_type == "image/jpeg"
    assert variation.model == "sketch-1"
    assert variation.offered == 1
    assert variation.bytes_received == len(variation.content)
    assert opened(variation).format == "JPEG"


def test_the_same_request_gives_the_same_bytes() -> None:
    request = f"The lighthouse at dusk. {MIRA}"

    assert draw(request, cast=("Mira",)).content == draw(request, cast=("Mira",)).content


def test_threads_do_not_disturb_each_other() -> None:
    prompts = [f"A robot and an owl, number {number}" for number in range(4)] * 2

    with ThreadPoolExecutor(4) as pool:
        together = [variation.content for variation in pool.map(draw, prompts)]

    assert together == [draw(prompt).content for prompt in prompts]


def test_every_seed_gives_another_picture() -> None:
    assert len({draw("A wolf in the mountains at night", seed=seed).content for seed in range(6)}) == 6


def test_every_prompt_gives_another_picture() -> None:
    prompts = ["A wolf", "A wolf at night", "A wolf in the forest", "Two wolves in the forest", "Nothing at all"]

    assert len({draw(prompt).content for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize(
    "size", [(64, 64), (64, 2048), (2048, 64), (128, 128), (300, 200), (257, 509), (768, 1344), (1344, 768)]
)
def test_a_picture_is_whole_and_has_the_size_that_was_asked(size: tuple[int, int]) -> None:
    assert opened(draw("A boat on the sea, Mira and a dragon at night", size=size)).size == size


@pytest.mark.parametrize("place", sorted(PAINTERS))
@pytest.mark.parametrize("hour", sorted(HOURS))
def test_every_place_can_be_painted_at_every_hour(place: str, hour: str) -> None:
    image = opened(draw(f"{place} {hour}, a girl and a fox", size=(96, 64)))

    assert len(image.getcolors(maxcolors=96 * 64) or []) > 200


@pytest.mark.parametrize("kind", sorted(FIGURES))
def test_every_figure_changes_the_picture(kind: str) -> None:
    assert read(f"A {kind} in the meadow by day").looks[0].kind == kind
    assert draw(f"A {kind} in the meadow by day").content != draw("The meadow by day").content


@pytest.mark.parametrize("thing", sorted(THINGS))
@pytest.mark.parametrize("place", ["sea", "clouds", "village"])
def test_every_thing_can_be_painted_with_and_without_a_figure(thing: str, place: str) -> None:
    for who in ("", "a girl, "):
        assert opened(draw(f"{who}{place} {place} {thing} at night")).size == (128, 128)


def test_the_ten_scenes_of_the_sample_are_ten_different_pictures() -> None:
    name, appearance = SAMPLE_CHARACTER
    prompts = [f"{scene} {name}: {appearance}. {SAMPLE_STYLE}" for scene in SAMPLE_SCENES]
    pictures = [opened(draw(prompt, cast=(name,))).resize((8, 8)) for prompt in prompts]

    assert len(SAMPLE_SCENES) == 10
    assert all(len(scene) <= 90 for scene in SAMPLE_SCENES)
    assert len({read(prompt, (name,)).place for prompt in prompts}) == 9
    for index, one in enumerate(pictures):
        for other in pictures[index + 1 :]:
            apart = sum(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)) / (8 * 8 * 3)
            assert apart > 8


# The deadline


def test_a_call_after_its_deadline_is_unavailable_and_may_be_tried_again() -> None:
    with pytest.raises(ProviderUnavailable) as failure:
        draw("A fox", deadline=time.monotonic() - 1)

    assert failure.value.provider == "sketch"
    assert failure.value.retryable


def test_a_deadline_that_passes_while_painting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(100))
    monkeypatch.setattr("generation.providers.sketch.scene.time.monotonic", lambda: next(moments))

    with pytest.raises(ProviderUnavailable):
        draw("A fox in the forest", deadline=4)

    assert next(moments) < 10


# Words


@pytest.mark.parametrize(
    ("prompt", "place", "hour"),
    [
        ("The lighthouse at dusk", "sea", "dusk"),
        ("Wolves in the misty woods", "forest", "mist"),
        ("Sunrise over the dunes", "desert", "dawn"),
        ("Midnight on the rooftops", "city", "night"),
        ("A sunny day on the summit", "mountain", "day"),
        ("An October orchard", "meadow", "autumn"),
        ("The rocket lands on a distant planet", "space", "night"),
        ("Lightning over the harbour", "sea", "storm"),
        ("The frozen brook", "river", "winter"),
        ("In her bedroom, in the evening", "room", "night"),
        ("A balloon at noon", "clouds", "day"),
    ],
)
def test_words_choose_place_and_hour(prompt: str, place: str, hour: str) -> None:
    reading = read(prompt)

    assert (reading.place, reading.hour) == (place, hour)


def test_most_matches_win() -> None:
    assert read("A tree by the sea, where waves reach the beach").place == "sea"
    assert read("At dawn, before the night, a starry midnight").hour == "night"
    assert read("A cat, two foxes and the first fox's mother").looks[0].kind == "fox"


def test_the_first_word_wins_a_tie() -> None:
    assert read("From the desert to the city").place == "desert"
    assert read("From the city to the desert").place == "city"
    assert read("From dawn to dusk").hour == "dawn"
    assert read("A dragon and a robot").looks[0].kind == "dragon"


def test_without_a_word_different_texts_get_different_places_and_the_seed_has_no_say() -> None:
    texts = [f"Chapter {number}, in which nothing is said" for number in range(40)]

    assert len({read(text).place for text in texts}) > 5
    assert len({read(text).hour for text in texts}) > 4
    assert read(texts[0]) == read(texts[0])


def test_snow_and_rain_fall_where_the_words_say_so_but_not_indoors() -> None:
    assert read("Snow on the village").weather == "snow"
    assert read("Rain over the sea").weather == "rain"
    assert read("Rain outside the bedroom").weather == ""
    assert read("The village").weather == ""


def test_every_place_and_hour_that_can_be_read_can_be_painted() -> None:
    assert set(PLACES) == set(PAINTERS) == set(TINTS)
    assert set(HOURS_SAID) == set(HOURS)


# Characters


def test_the_scene_alone_chooses_the_place_and_the_hour() -> None:
    prompt = "The village at noon. Kai: a boy from the sea, the ocean and the night. Style of a stormy desert."

    reading = read(prompt, ("Kai",))

    assert (reading.place, reading.hour) == ("village", "day")
    assert [look.kind for look in reading.looks] == ["boy"]


def test_an_appearance_ends_before_the_style() -> None:
    scene, appearances = split(f"At sea. {MIRA} Everything in blue ink.", ("Mira",))

    assert scene == "At sea. "
    assert appearances == {"Mira": MIRA.removeprefix("Mira: ")}


def test_a_character_looks_the_same_in_every_scene_and_for_every_company() -> None:
    scenes = ("The sea at night.", "A wolf in the forest.", "A princess in a green coat at dawn.")
    readings = [read(f"{scene} {MIRA}", ("Mira",)) for scene in scenes]
    readings.append(read(f"The city. Bo: a blue robot. {MIRA} Grey pencil.", ("Bo", "Mira")))
    readings.append(read(f"The city. {MIRA} Bo: a blue robot. Grey pencil.", ("Mira", "Bo")))

    assert {look for reading in readings for look in reading.looks if look.kind == "girl"} == {
        look_of("Mira", MIRA.removeprefix("Mira: "))
    }
    assert len({look for reading in readings for look in reading.looks if look.kind == "robot"}) == 1


def test_a_name_alone_is_a_look_too() -> None:
    names = ["Ada", "Bo", "Kai", "Lin", "Noor", "Tove", "Ivo", "Una"]

    assert look_of("Ada") == look_of(" ada ")
    assert len({look_of(name) for name in names}) == len(names)
    assert look_of("The Silver Fox").kind == "fox"
    assert read("The sea.", ("Ada",)).looks == (look_of("Ada"),)


def test_colour_words_choose_the_colours() -> None:
    assert look_of("Mira", "a girl with a red coat").body == RED
    assert look_of("Mira", "a girl with a yellow scarf").accent == look_of("Bo", "a boy in a yellow hat").accent
    assert look_of("Mira", "a girl with black hair and a red coat").body == RED
    assert look_of("Rex", "a green dragon").body != look_of("Rex", "a white dragon").body
    assert look_of("Rex", "a wolf with blue eyes").body == look_of("Rex", "a wolf").body


def test_coat_and_scarf_can_be_told_apart() -> None:
    for name in (f"Name {number}" for number in range(60)):
        look = look_of(name, "a girl with a red coat")
        assert sum((a - b) ** 2 for a, b in zip(look.body, look.accent, strict=True)) > 100**2


def test_the_second_of_the_cast_stands_beside_the_first() -> None:
    reading = read(f"The beach. {MIRA} Bo: a robot.", ("Mira", "Bo"))

    assert [look.kind for look in reading.looks] == ["girl", "robot"]


def test_an_animal_of_the_scene_comes_along_but_no_second_person_for_a_word() -> None:
    assert [look.kind for look in read(f"The fox meets her. {MIRA}", ("Mira",)).looks] == ["girl", "fox"]
    assert [look.kind for look in read(f"The child is lost. {MIRA}", ("Mira",)).looks] == ["girl"]


@pytest.mark.parametrize(
    "scene", ["The sea at noon.", "A misty forest.", "The village in the snow.", "The river by day."]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_her_red_coat_is_seen_in_every_scene(scene: str, seed: int) -> None:
    with_her = opened(draw(f"{scene} {MIRA}", seed=seed, size=(320, 320), cast=("Mira",)))
    in_blue = opened(draw(f"{scene} {MIRA.replace('red', 'blue')}", seed=seed, size=(320, 320), cast=("Mira",)))

    assert red_dots(with_her) > red_dots(in_blue) + 250
