"""One press of Generate: rows in one transaction, limits, keys, cast and seeds."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from gallery.models import Character, Scene, Story
from generation.generate import Asked, GenerateRefused, KeyReused, another_take, cast_of, generate
from generation.models import GenerationJob, SceneGeneration


@pytest.fixture
def mira(owner: User) -> Character:
    return Character.objects.create(
        owner=owner, name="Mira", appearance="a girl in a red coat", style="ink", seed=2**31 - 2
    )


@pytest.mark.django_db
def test_a_new_story_is_saved_with_its_scenes_in_order(directed: Any, owner: User) -> None:
    story = Story(owner=owner, title="The lantern", style="watercolour")
    job = generate(owner, Asked(scenes=("one", "two"), story=story))
    assert [(scene.position, scene.text) for scene in story.scenes.all()] == [(0, "one"), (1, "two")]
    assert [scene.prompt for scene in job.scenes.all()] == ["one. watercolour.", "two. watercolour."]
    assert job.story == story


@pytest.mark.django_db
def test_more_scenes_go_to_the_end_of_the_story(directed: Any, owner: User) -> None:
    story = Story(owner=owner, title="The lantern")
    generate(owner, Asked(scenes=("one", "two"), story=story))
    generate(owner, Asked(scenes=("three",), story=story, quantity=2))
    assert list(story.scenes.values_list("position", "text")) == [(0, "one"), (1, "two"), (2, "three"), (3, "three")]


@pytest.mark.django_db
def test_seeds_count_up_from_the_characters_and_wrap(directed: Any, owner: User, mira: Character) -> None:
    job = generate(owner, Asked(scenes=("a", "b", "c"), characters=(mira,)))
    assert list(job.scenes.values_list("seed", flat=True)) == [2**31 - 2, 2**31 - 1, 0]


@pytest.mark.django_db
def test_a_prompt_says_who_is_in_the_scene(directed: Any, owner: User, mira: Character) -> None:
    fox = Character.objects.create(owner=owner, name="The fox", appearance="a small red fox")
    job = generate(owner, Asked(scenes=("Mira waits", "They run"), characters=(mira, fox)))
    first, second = job.scenes.all()
    assert first.prompt == "Mira waits. Mira: a girl in a red coat. ink."
    assert second.prompt == "They run. Mira: a girl in a red coat. The fox: a small red fox. ink."
    assert (first.cast, second.cast) == (["Mira"], ["Mira", "The fox"])
    assert list(first.scene.cast.all()) == [mira]


def test_the_cast_of_a_scene_is_who_it_names_or_everybody() -> None:
    mira, ann = Character(name="Mira"), Character(name="Ann")
    assert cast_of("MIRA sleeps", (mira, ann)) == (mira,)
    assert cast_of("Annabel sleeps", (mira, ann)) == (mira, ann)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"scenes": ()}, "scenes"),
        ({"scenes": ("fine", " ")}, "scenes"),
        ({"scenes": ("x" * 4001,)}, "scenes"),
        ({"scenes": ("x",) * 1001}, "scenes"),
        ({"scenes": ("nul \0",)}, "scenes"),
        ({"scenes": ("x",), "quantity": 0}, "quantity"),
        ({"scenes": ("x",), "quantity": 1001}, "quantity"),
        ({"scenes": ("x",), "width": 63}, "width"),
        ({"scenes": ("x",), "height": 2049}, "height"),
        ({"scenes": ("x",), "seed": 2**31}, "seed"),
        ({"scenes": ("x",), "seed": -1}, "seed"),
        ({"scenes": ("x",), "provider": "nobody"}, "provider"),
        ({"scenes": ("[unspeakable]",)}, "scenes"),
    ],
)
def test_what_is_out_of_bounds_makes_no_row(directed: Any, owner: User, asked: dict[str, Any], field: str) -> None:
    story = Story(owner=owner, title="The lantern")
    with pytest.raises(GenerateRefused) as refused:
        generate(owner, Asked(story=story, **asked))
    assert field in refused.value.fields
    for rows in (Story, Scene, GenerationJob, SceneGeneration):
        assert not rows.objects.exists()


@pytest.mark.django_db
def test_a_provider_that_is_set_up_wrongly_is_said_before_any_row(directed: Any, owner: User) -> None:
    directed.GENERATION_PROVIDERS = {"comfyui": "generation.providers.comfyui.ComfyUIProvider"}
    directed.GENERATION_PROVIDER_OPTIONS = {"comfyui": {"workflow": "/nowhere/workflow.json"}}
    with pytest.raises(GenerateRefused) as refused:
        generate(owner, Asked(scenes=("one",), provider="comfyui"))
    assert "workflow" in refused.value.fields["provider"]
    assert not GenerationJob.objects.exists()


@pytest.mark.django_db
def test_the_same_key_gives_the_same_job_and_other_words_are_refused(directed: Any, owner: User) -> None:
    def press(title: str, *scenes: str) -> GenerationJob:
        return generate(owner, Asked(scenes=scenes, story=Story(owner=owner, title=title)), idempotency_key="k")

    first = press("A", "one")
    assert press("A", "one") == first
    with pytest.raises(KeyReused):
        press("A", "two")
    assert (Story.objects.count(), Scene.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_a_key_is_free_again_after_a_day(directed: Any, owner: User) -> None:
    first = generate(owner, Asked(scenes=("one",)), idempotency_key="k")
    GenerationJob.objects.update(created_at=Now() - timedelta(hours=25))
    assert generate(owner, Asked(scenes=("two",)), idempotency_key="k") != first


@pytest.mark.django_db
def test_a_key_is_a_persons_own(directed: Any, owner: User) -> None:
    other = User.objects.create_user("other")
    first = generate(owner, Asked(scenes=("one",)), idempotency_key="k")
    assert generate(other, Asked(scenes=("one",)), idempotency_key="k") != first


@pytest.mark.django_db
def test_a_story_that_is_deleted_meanwhile_is_refused(directed: Any, owner: User) -> None:
    story = Story.objects.create(owner=owner, title="A story")
    Story.objects.all().delete()
    with pytest.raises(GenerateRefused) as refused:
        generate(owner, Asked(scenes=("one",), story=story))
    assert refused.value.fields == {"story": "This story was deleted meanwhile."}
    assert not GenerationJob.objects.exists()


@pytest.mark.django_db
def test_another_take_draws_a_new_seed_for_the_same_scene(directed: Any, owner: User, mira: Character) -> None:
    job = generate(owner, Asked(scenes=("one",), characters=(mira,), seed=1))
    scene = Scene.objects.get()
    Character.objects.update(appearance="a girl in a blue coat")
    take = another_take(scene).scenes.get()
    assert take.scene == scene
    assert take.seed != job.scenes.get().seed
    assert "blue coat" in take.prompt
