"""The pages of jobs, with rows in every state and no engine."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from accounts.models import User
from gallery.models import Image, Scene, Story
from generation.models import GenerationJob, SceneGeneration, Status
from generation.progress import progress
from generation.slots import Slot, slots
from generation.tests.rows import change, fail, run, save

pytestmark = pytest.mark.usefixtures("woken")

Ask = Callable[..., GenerationJob]
Page = Callable[[str], str]


@pytest.fixture
def read(signed_in: Client) -> Page:
    def read(address: str) -> str:
        answer = signed_in.get(address)
        assert answer.status_code == 200
        return answer.content.decode()

    return read


@pytest.fixture
def story(owner: User) -> Story:
    return Story(owner=owner, title="The fox who carried the light", style="ink")


def words(html: str) -> str:
    return " ".join(strip_tags(html).split())


def slot_of(row: SceneGeneration) -> Slot:
    return slots(SceneGeneration.objects.filter(pk=row.pk))[0]


def shown(row: SceneGeneration) -> str:
    """The slot as the page and the event stream render it."""
    return Template('{% include "generation/_slot.html" %}').render(Context({"slot": slot_of(row)}))


@pytest.fixture
def row(ask: Ask) -> SceneGeneration:
    return ask("A fox finds a lantern").scenes.get()


# ---- one scene in every state ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("put", "state", "said"),
    [
        (lambda row: None, "waiting", "Waiting for its turn next"),
        (
            lambda row: change(row, waiting_for="the provider", due_at=Now() + timedelta(seconds=12)),
            "held",
            "Waiting for the provider about 12 s",
        ),
        (
            lambda row: change(
                row,
                attempt=1,
                due_at=Now() + timedelta(minutes=5),
                error_code="provider_unavailable",
                error_message="The provider answered 503.",
            ),
            "retrying",
            "Trying again try 2 of 4 about 5 min The provider answered 503.",
        ),
        (run, "drawing", "Drawing, 11 s"),
        (lambda row: run(row, attempt=2), "drawing", "Drawing, 11 s try 2 of 4"),
        (lambda row: run(row, phase="saving"), "saving", "Saving, 11 s"),
        (lambda row: run(row, lease=-30), "resuming", "Resuming"),
        (fail, "failed", "Failed The provider answered 503. Retry scene 1"),
        (
            lambda row: fail(row, "request_refused", "The provider refused this prompt."),
            "failed",
            "Refused The provider refused this prompt. Edit and retry scene 1",
        ),
        (lambda row: change(row, status=Status.CANCELLED, finished_at=Now()), "cancelled", "Cancelled"),
        (lambda row: change(row, status=Status.SAVED, finished_at=Now()), "saved", "Deleted"),
    ],
)
def test_a_slot_says_its_state_in_words_and_keeps_its_place(
    row: SceneGeneration, put: Callable[[SceneGeneration], object], state: str, said: str
) -> None:
    put(row)
    html = shown(row)
    assert f'id="scene-{row.pk}"' in html
    assert f"is-{state}" in html
    assert words(html) == f"{said} 1 A fox finds a lantern"


def test_a_saved_slot_is_the_picture_and_new_for_ten_seconds(row: SceneGeneration) -> None:
    image = save(row)
    assert f"/media/{image.pk}/320" in shown(row)
    assert "New" in words(shown(row))
    change(row, finished_at=Now() - timedelta(seconds=11))
    assert "New" not in words(shown(row))


def test_a_scene_of_a_story_keeps_the_storys_number(ask: Ask, story: Story) -> None:
    ask("One", "Two", story=story)
    assert slot_of(ask("Three", story=story).scenes.get()).number == 3


# ---- the page of a job ----------------------------------------------------------------------------


def test_a_job_in_the_middle_says_how_far_it_is_and_what_to_do(read: Page, ask: Ask, story: Story) -> None:
    job = ask(*(f"Scene {number}" for number in range(12)), story=story)
    rows = list(job.scenes.all())
    for row in rows[:6]:
        save(row)
    run(rows[6])
    fail(rows[7], "request_refused", "The provider refused this prompt.")
    html = read(job.get_absolute_url())
    said = words(html)
    assert "6 of 12 pictures" in said
    assert "1 being drawn, 4 waiting, 1 failed" in said
    assert "About 45 s left" in said
    assert re.findall(r'<i class="segment is-(\w+)">', html) == (
        ["saved"] * 6 + ["running", "failed"] + ["waiting"] * 4
    )
    assert "Scene 8 was refused" in said
    assert "Scene 1 saved in 9.0 s" in said
    for text in ("The fox who carried the light", "ink", "64 × 64", f"{rows[0].seed}, then +1", "sketch"):
        assert text in said
    assert reverse("generation:job_cancel", args=[job.pk]) in html
    assert reverse("generation:job_retry", args=[job.pk]) in html
    assert reverse("gallery:story_download", args=[story.slug]) not in html
    # Without JavaScript the page still follows, by loading itself again.
    assert '<noscript><meta http-equiv="refresh"' in html


def test_a_finished_job_offers_its_pictures_and_watches_nothing(read: Page, ask: Ask, story: Story) -> None:
    job = ask("One", "Two", story=story)
    for row in job.scenes.all():
        save(row)
    html = read(job.get_absolute_url())
    assert "2 of 2 pictures Finished" in words(html)
    assert "Download All" in html
    assert reverse("gallery:story_download", args=[story.slug]) in html
    for gone in ("data-events", "noscript", "job-cancel", "job-retry"):
        assert gone not in html


def test_a_job_that_failed_altogether_is_an_alert(read: Page, ask: Ask) -> None:
    job = ask("One", "Two", "Three")
    for row in job.scenes.all():
        fail(row, "not_entitled", "The provider needs a key.")
    html = read(job.get_absolute_url())
    assert 'role="alert"' in html
    assert "Scenes 1, 2 and 3 failed The provider needs a key." in words(html)


def test_a_job_of_a_thousand_scenes_is_shown_in_pages(read: Page, ask: Ask) -> None:
    job = ask(*(f"Scene {number}" for number in range(1000)))
    first, last = read(job.get_absolute_url()), read(f"{job.get_absolute_url()}?page=9")
    assert first.count("<article") == 120
    assert last.count("<article") == 40
    assert "0 of 1000 pictures" in words(first)
    assert first.count('class="segment ') == 1


@pytest.mark.parametrize("scenes", [10, 100])
def test_the_job_page_asks_the_same_queries_for_10_and_100_scenes(
    signed_in: Client, ask: Ask, story: Story, scenes: int
) -> None:
    job = ask(*(f"Scene {number}" for number in range(scenes)), story=story)
    for number, row in enumerate(job.scenes.all()):
        [save, run, fail][number % 3](row)  # type: ignore[operator]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        signed_in.get(job.get_absolute_url())
    # Session, person, job; all states; the slots' rows and pictures; the characters.
    assert len(queries) == 7, [query["sql"] for query in queries]


def test_the_story_page_and_home_show_what_is_under_way(read: Page, ask: Ask, story: Story) -> None:
    job = ask("One", "Two", story=story)
    first, second = job.scenes.all()
    run(first)
    save(second)
    assert f'id="scene-{first.pk}"' in read(story.get_absolute_url())
    home = read("/")
    assert "1 of 2 pictures" in words(home)
    assert f"job={job.pk}" in home


def test_the_slots_of_scenes_are_their_newest_that_did_not_end_well(
    ask: Ask, story: Story, django_assert_num_queries: Any
) -> None:
    rows = list(ask("Saved", "Failed", "Mended", "Cancelled", "Running", story=story).scenes.all())
    save(rows[0])
    fail(rows[1])
    fail(rows[2])
    change(rows[2], created_at=Now() - timedelta(hours=1))
    save(ask("Later").scenes.get())
    SceneGeneration.objects.filter(scene__text="Later").update(scene=rows[2].scene)
    change(rows[3], status=Status.CANCELLED)
    run(rows[4])
    template = Template("{% load generation %}{% slots scenes as found %}")
    context = Context({"scenes": list(Scene.objects.filter(story=story))})
    with django_assert_num_queries(1):
        template.render(context)
    assert {slot.text for slot in context["found"].values()} == {"Failed", "Running"}


def test_running_jobs_are_one_query_more_than_none(owner: User, ask: Ask) -> None:
    request = RequestFactory().get("/")
    template = Template("{% load generation %}{% running_jobs user %}")

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            template.render(Context({"user": owner, "request": request}))
        return len(queries)

    assert count() == 1
    for number in range(5):
        save(ask("One", f"Two {number}").scenes.all()[0])
    assert count() == 2


# ---- the list of jobs -----------------------------------------------------------------------------


def test_jobs_that_go_on_stand_before_those_that_ended(read: Page, ask: Ask, owner: User) -> None:
    going_on = ask("One", story=Story(owner=owner, title="Going on"))
    ended = ask("Two", story=Story(owner=owner, title="Ended well"))
    save(ended.scenes.get())
    said = words(read("/jobs/"))
    assert said.index("Going on Waiting 0 of 1 picture, 1 waiting") < said.index("Ended well Finished 1 of 1 picture")
    assert f"job={going_on.pk}" in read("/jobs/")
    assert f"job={ended.pk}" not in read("/jobs/")


def test_the_list_goes_on_where_the_page_before_ended(read: Page, owner: User) -> None:
    for number in range(65):
        story = Story.objects.create(owner=owner, title=f"Story {number}.")
        GenerationJob.objects.create(owner=owner, story=story)
    first = read("/jobs/")
    further = re.search(r'rel="next" href="(\?after=[^"]+)"', first)
    assert further is not None
    second = read(f"/jobs/{further[1]}")
    found = [re.findall(r">Story (\d+)\.<", shown) for shown in (first, second)]
    assert [len(numbers) for numbers in found] == [60, 5]
    assert {int(number) for numbers in found for number in numbers} == set(range(65))


def test_the_list_asks_the_same_queries_for_2_and_20_jobs(signed_in: Client, ask: Ask) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            signed_in.get("/jobs/")
        return len(queries)

    for _ in range(2):
        save(ask("One").scenes.get())
        ask("Two")
    few = count()
    for _ in range(18):
        save(ask("One").scenes.get())
        ask("Two")
    # Session, person; ended ones, those that go on; covers.
    assert few == count() == 5


def test_an_empty_list_says_how_to_begin(read: Page) -> None:
    assert reverse("gallery:story_new") in read("/jobs/")


# ---- what the buttons do --------------------------------------------------------------------------


def test_cancel_stops_what_has_not_ended(signed_in: Client, ask: Ask) -> None:
    job = ask("One", "Two")
    save(job.scenes.all()[0])
    answer = signed_in.post(reverse("generation:job_cancel", args=[job.pk]))
    assert answer.status_code == 303
    assert [row.status for row in job.scenes.all()] == ["saved", "cancelled"]
    again = signed_in.post(reverse("generation:job_cancel", args=[job.pk]), follow=True)
    assert "There was nothing left to cancel." in again.content.decode()


def test_retry_failed_queues_all_that_failed_and_wakes_workers(signed_in: Client, ask: Ask, woken: list[int]) -> None:
    job = ask("One", "Two", "Three")
    first, second, third = job.scenes.all()
    save(first)
    fail(second)
    fail(third)
    signed_in.post(reverse("generation:job_retry", args=[job.pk]))
    assert [row.status for row in job.scenes.all()] == ["saved", "queued", "queued"]
    signed_in.post(reverse("generation:job_retry", args=[job.pk]))
    assert woken == [2]


def test_retry_of_one_scene_leaves_the_others_alone(signed_in: Client, ask: Ask, woken: list[int]) -> None:
    job = ask("One", "Two")
    first, second = job.scenes.all()
    fail(first)
    fail(second)
    answer = signed_in.post(reverse("generation:scene_retry", args=[job.pk, second.pk]))
    assert answer["Location"].endswith(f"#scene-{second.pk}")
    assert [row.status for row in job.scenes.all()] == ["failed", "queued"]
    signed_in.post(reverse("generation:scene_retry", args=[job.pk, second.pk]))
    assert woken == [1]


def test_a_refused_prompt_is_edited_and_tried_again_under_the_same_seed(
    signed_in: Client, ask: Ask, story: Story
) -> None:
    row = ask("Something bad", story=story).scenes.get()
    fail(row, "request_refused", "The provider refused this prompt.")
    address = reverse("generation:scene_retry", args=[row.job_id, row.pk])
    assert "Something bad" in signed_in.get(address).content.decode()
    empty = signed_in.post(address, {"text": " "})
    assert empty.status_code == 422
    assert "Say what the picture shows." in empty.content.decode()
    signed_in.post(address, {"text": "Something good"})
    seed = row.seed
    row.refresh_from_db()
    assert (row.status, row.attempt, row.seed) == (Status.QUEUED, 0, seed)
    assert row.prompt == "Something good. ink."
    assert Scene.objects.get(pk=row.scene_id).text == "Something good"
    # It is queued by now: there is nothing to edit.
    assert signed_in.get(address).status_code == 302


def test_only_post_changes_anything(signed_in: Client, ask: Ask) -> None:
    job = ask("One")
    image = save(ask("Two").scenes.get())
    for address in (
        reverse("generation:job_cancel", args=[job.pk]),
        reverse("generation:job_retry", args=[job.pk]),
        reverse("generation:another_take", args=[image.pk]),
    ):
        assert signed_in.get(address).status_code == 405
    assert signed_in.post(reverse("generation:jobs")).status_code == 405


def test_somebody_elses_job_is_not_there(signed_in: Client, ask: Ask) -> None:
    job = ask("One", owner=User.objects.create_user("stranger"))
    row = job.scenes.get()
    fail(row)
    assert signed_in.get(job.get_absolute_url()).status_code == 404
    assert str(job.pk) not in signed_in.get("/jobs/").content.decode()
    for name, args in (("job_cancel", [job.pk]), ("job_retry", [job.pk]), ("scene_retry", [job.pk, row.pk])):
        assert signed_in.post(reverse(f"generation:{name}", args=args)).status_code == 404
    assert signed_in.get(reverse("generation:scene_retry", args=[job.pk, row.pk])).status_code == 404


def test_a_picture_in_the_bin_leaves_its_place_empty(read: Page, ask: Ask) -> None:
    job = ask("One")
    save(job.scenes.get())
    Image.objects.update(deleted_at=Now(), is_chosen=False)
    assert "Deleted" in words(read(job.get_absolute_url()))


def test_the_last_ten_events_come_from_the_rows(ask: Ask) -> None:
    job = ask(*(f"Scene {number}" for number in range(15)))
    rows = list(job.scenes.all())
    for row in rows[:12]:
        save(row)
    fail(rows[12])
    happened = [event.text for event in progress(job).happened]
    assert happened[:2] == ["Scene 13 failed", "Scene 12 saved in 9.0 s"]
    assert len(happened) == 10


@pytest.mark.django_db
def test_the_page_says_how_many_are_made_at_once_and_why_so_few(signed_in: Client, directed: Any, ask: Ask) -> None:
    def at_once(job: GenerationJob) -> str:
        content = signed_in.get(job.get_absolute_url()).content.decode()
        return strip_tags(content.split("At once")[1].split("</div>")[0]).strip()

    assert at_once(ask("one")) == "10"
    directed.GENERATION_PROVIDERS = {"pollinations": "generation.providers.pollinations.PollinationsProvider"}
    directed.GENERATION_CONCURRENCY = {"pollinations": 1}
    assert at_once(ask("one", provider="pollinations")) == "1, as there is no key"
