"""Generate, jobs, cancel and retry as programs use them."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiToken, User
from gallery.models import SEEDS, Character, Image, Scene, Story
from gallery.tests.rows import made_in_turn
from generation.engine import work
from generation.models import GenerationJob, SceneGeneration
from generation.tests.program import GENERATE, JOBS, Program
from generation.tests.rows import change, fail, run, save

pytestmark = pytest.mark.django_db
Ask = Callable[..., GenerationJob]


@pytest.fixture
def program(owner: User) -> Program:
    return Program(owner)


# ---- generate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", [1, 4])
def test_a_prompt_is_made_as_often_as_is_asked(program: Program, quantity: int) -> None:
    answer = program.post(GENERATE, {"prompt": "A fox", "quantity": quantity})
    job = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == f"http://testserver{JOBS}/{job['id']}"
    assert program.get(answer["Location"]).json() == job
    assert job["status"] == "queued"
    assert job["counts"] == {
        "total": quantity, "queued": quantity, "running": 0, "saved": 0, "failed": 0, "cancelled": 0
    }  # fmt: skip
    assert [scene["prompt"] for scene in job["scenes"]] == ["A fox"] * quantity
    assert [scene["position"] for scene in job["scenes"]] == list(range(quantity))


@pytest.mark.parametrize("count", [1, 10])
def test_each_scene_is_one_of_the_job_in_the_order_sent(program: Program, count: int) -> None:
    texts = [f"Scene {number}, with ä, \N{FOX FACE} and\na second line " for number in range(count)]
    job = program.generate({"scenes": texts})
    assert [scene["prompt"] for scene in job["scenes"]] == texts


def test_everything_that_can_be_asked_reaches_the_rows(program: Program, owner: User) -> None:
    mira = Character.objects.create(owner=owner, name="Mira", appearance="red coat", seed=5)
    story = Story.objects.create(owner=owner, title="The lantern", style="ink")
    body = {
        "scenes": ["Mira waits"], "character": mira.slug, "story": story.slug, "provider": "sketch",
        "width": 64, "height": 2048, "seed": SEEDS - 1,
    }  # fmt: skip
    row = SceneGeneration.objects.get(job=program.generate(body)["id"])
    assert (row.width, row.height, row.seed, row.provider) == (64, 2048, SEEDS - 1, "sketch")
    assert row.prompt == "Mira waits. Mira: red coat. ink."
    assert row.scene.story == row.job.story == story
    assert list(row.scene.cast.all()) == [mira]


def test_what_is_null_counts_as_left_out(program: Program, owner: User) -> None:
    options = dict.fromkeys(("character", "story", "provider", "width", "height", "seed"))
    job = program.generate({"prompt": "A fox", "quantity": None, **options})
    row = SceneGeneration.objects.get(job=job["id"])
    assert (row.width, row.height, row.provider, row.scene.story) == (1024, 1024, "sketch", None)


def test_a_whole_number_may_have_a_point(program: Program) -> None:
    assert program.post(GENERATE, b'{"prompt": "A fox", "quantity": 2.0}').json()["counts"]["total"] == 2


def test_wrong_fields_are_told_together(program: Program) -> None:
    error = program.post(GENERATE, {"prompt": "A fox", "width": 1, "height": 1, "seed": -1}).json()["error"]
    assert error["fields"] == {
        "width": "The width is 64 to 2048 pixels.",
        "height": "The height is 64 to 2048 pixels.",
        "seed": "A seed is 0 to 2147483647.",
    }
    assert error["message"] == " ".join(error["fields"].values())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"scenes": ["A fox", "x" * 4001]}, {"scenes": "Scene 2 has 4,001 characters; up to 4,000 fit in a scene."}),
        ({"scenes": ["A fox", 7]}, {"scenes": "Scene 2 must be text."}),
        ({"scenes": ["A fox", "\ud800"]}, {"scenes": "Scene 2 holds a character that cannot be stored."}),
        ({"scenes": ["x"] * 1001}, {"scenes": "These are 1,001 scenes; up to 1,000 fit in one go."}),
        ({"prompt": " "}, {"prompt": "The prompt is empty."}),
        ({"prompt": "A fox", "quantity": 1001}, {"quantity": "One press of Generate makes at most 1,000 pictures."}),
        ({"prompt": "A fox", "provider": "nobody"}, {"provider": "There is no provider called nobody."}),
        ({}, {"scenes": "Send scenes, or a prompt.", "prompt": "Send scenes, or a prompt."}),
    ],
)
def test_a_sentence_says_which_scene_and_what_is_possible(program: Program, body: Any, fields: dict[str, str]) -> None:
    assert program.post(GENERATE, body).json()["error"]["fields"] == fields


def test_a_provider_that_cannot_draw_it_says_why(program: Program, directed: Any) -> None:
    answer = program.post(GENERATE, {"prompt": "[unspeakable]"})
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {"prompt": "This provider cannot draw that."}


def test_a_provider_that_is_set_up_wrongly_is_no_server_error(program: Program, settings: Any) -> None:
    settings.GENERATION_PROVIDER_OPTIONS = {"comfyui": {"workflow": "/nowhere.json", "servers": ["http://127.0.0.1:1"]}}
    answer = program.post(GENERATE, {"prompt": "A fox", "provider": "comfyui"})
    assert answer.status_code == 422
    assert "COMFYUI_WORKFLOW" in answer.json()["error"]["fields"]["provider"]


# ---- a thousand scenes ----------------------------------------------------------------------------


def test_a_thousand_scenes_are_accepted_counted_and_cancelled(program: Program) -> None:
    job = program.generate({"scenes": [f"Scene {number}" for number in range(1000)]})
    assert job["counts"]["total"] == job["counts"]["queued"] == len(job["scenes"]) == 1000
    with CaptureQueriesContext(connection) as of_many:
        cancelled = program.post(f"{JOBS}/{job['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["counts"]["cancelled"] == 1000
    few = program.generate({"prompt": "A fox"})
    with CaptureQueriesContext(connection) as of_few:
        program.post(f"{JOBS}/{few['id']}/cancel")
    assert len(of_many) <= len(of_few) <= 8


def test_a_job_is_read_in_one_query_however_long_it_is(
    program: Program, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 300):
        job = ask(*("A fox",) * count)
        for row in job.scenes.all()[:100]:
            save(row)
        program.job(job.pk)
        # The token, and the job with all of its scenes and pictures; three more for what any of them waits for.
        with django_assert_num_queries(2 if count == 1 else 5):
            program.job(job.pk)


# ---- what a job says ------------------------------------------------------------------------------


def test_a_job_that_was_made_has_a_picture_that_the_same_token_reads(
    program: Program, owner: User, directed: Any
) -> None:
    started = program.generate({"prompt": "A fox", "width": 64, "height": 64})
    work(job=UUID(started["id"]))
    job = program.job(started["id"])
    scene, image = job["scenes"][0], job["scenes"][0]["image"]
    assert job["status"] == "succeeded"
    assert job["started_at"] <= job["finished_at"]
    assert (scene["status"], scene["phase"], scene["attempt"], scene["model"]) == ("saved", None, 1, "directed-1")
    assert scene["variations_offered"] == 1
    assert scene["bytes_received"] == image["bytes"]
    assert image["prompt"] == "A fox."
    bearer = Client(headers={"Authorization": f"Bearer {program.token}"})
    content = bearer.get(image["url"]).content
    assert hashlib.sha256(content).hexdigest() == image["sha256"]
    assert len(content) == image["bytes"]


def test_each_state_of_a_scene_is_told(program: Program, ask: Ask) -> None:
    job = ask("waits", "is drawn", "is saved", "failed", "is held")
    rows = list(job.scenes.all())
    run(rows[1], phase="saving")
    save(rows[2])
    fail(rows[3])
    change(rows[4], waiting_for="the provider", due_at=Now() + timedelta(seconds=60))
    waits, drawn, saved, failed, held = (told := program.job(job.pk))["scenes"]
    assert told["status"] == "running"
    assert told["counts"] == {"total": 5, "queued": 2, "running": 1, "saved": 1, "failed": 1, "cancelled": 0}
    assert (waits["phase"], waits["waiting_for"], waits["waiting_until"], waits["image"]) == (
        "waiting",
        "its turn: it is next",
        None,
        None,
    )
    assert (drawn["status"], drawn["phase"]) == ("running", "saving")
    assert saved["image"]["id"]
    assert failed["error"] == {"code": "provider_unavailable", "message": "The provider answered 503."}
    assert held["waiting_for"] == "the provider: it is busy"
    assert held["waiting_until"] > told["created_at"]


def test_jobs_are_listed_without_their_scenes(program: Program, ask: Ask, owner: User) -> None:
    jobs = [ask(f"A fox {number}", "A boat") for number in range(3)]
    made_in_turn(*jobs)
    ask("Somebody else's", owner=User.objects.create_user("other"))
    save(jobs[2].scenes.all()[0])
    listed = program.get(f"{JOBS}?limit=2").json()
    assert [job["id"] for job in listed["items"]] == [str(jobs[2].pk), str(jobs[1].pk)]
    newest = program.job(jobs[2].pk)
    del newest["scenes"]
    assert listed["items"][0] == newest
    rest = program.get(listed["next"]).json()
    assert ([job["id"] for job in rest["items"]], rest["next"]) == ([str(jobs[0].pk)], None)


# ---- polling --------------------------------------------------------------------------------------


def polled(program: Program, job: GenerationJob, etag: str = "") -> Any:
    return program.get(f"{JOBS}/{job.pk}", {"If-None-Match": etag} if etag else {})


def test_polling_a_finished_job_costs_304_and_at_most_three_queries(
    program: Program, ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = ask("one", "two")
    for row in job.scenes.all():
        save(row)
    etag = polled(program, job)["ETag"]
    # A new minute: the use of the token is noted, too.
    ApiToken.objects.update(last_used_at=None)
    with django_assert_max_num_queries(3):
        answer = polled(program, job, etag)
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert answer["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer["Vary"]


@pytest.mark.parametrize("form", ["W/{}", '"other", {}', "*"])
def test_a_tag_is_recognised_in_every_form(program: Program, ask: Ask, form: str) -> None:
    job = ask("one")
    assert polled(program, job, form.format(polled(program, job)["ETag"])).status_code == 304
    assert polled(program, job, '"other"').status_code == 200


def test_the_tag_changes_with_everything_that_a_job_says(program: Program, ask: Ask) -> None:
    job = ask("one", "two")
    first, second = job.scenes.all()
    seen = {polled(program, job)["ETag"]}

    def changes(what: object) -> None:
        answer = polled(program, job)
        assert answer["ETag"] not in seen, what
        assert polled(program, job, answer["ETag"]).status_code == 304
        seen.add(answer["ETag"])

    run(first)
    changes("is drawn")
    # Whoever writes a row without saying so is seen all the same.
    changes(SceneGeneration.objects.filter(pk=first.pk).update(phase="saving"))
    image = save(first)
    changes("saved")
    fail(second)
    changes("failed")
    changes(Scene.objects.filter(pk=first.scene_id).update(text="other words"))
    changes(Image.objects.filter(pk=image.pk).update(deleted_at=Now(), is_chosen=False))
    changes(job.retry())
    changes(job.cancel())


def test_the_tag_changes_when_a_wait_is_over(program: Program, ask: Ask) -> None:
    job = ask("one")
    change(job.scenes.get(), waiting_for="the provider", due_at=Now() + timedelta(seconds=0.5))
    etag = polled(program, job)["ETag"]
    time.sleep(0.6)
    assert polled(program, job, etag).json()["scenes"][0]["waiting_until"] is None


# ---- cancel and retry -----------------------------------------------------------------------------


def test_only_what_has_not_ended_is_cancelled(program: Program, ask: Ask) -> None:
    job = ask("one", "two", "three")
    first, second, _ = job.scenes.all()
    save(first)
    run(second)
    cancelled = program.post(f"{JOBS}/{job.pk}/cancel").json()
    assert [scene["status"] for scene in cancelled["scenes"]] == ["saved", "cancelled", "cancelled"]
    assert cancelled["status"] == "cancelled"
    assert cancelled["finished_at"]


def test_only_what_failed_is_tried_again_and_the_job_is_open_again(program: Program, ask: Ask) -> None:
    job = ask("one", "two")
    first, second = job.scenes.all()
    save(first)
    fail(second)
    assert program.job(job.pk)["status"] == "partial"
    assert program.job(job.pk)["finished_at"]
    again = program.post(f"{JOBS}/{job.pk}/retry").json()
    assert [scene["status"] for scene in again["scenes"]] == ["saved", "queued"]
    assert (again["status"], again["finished_at"]) == ("running", None)
    assert (again["scenes"][1]["attempt"], again["scenes"][1]["error"]) == (0, None)


# ---- keys -----------------------------------------------------------------------------------------


def test_a_key_gives_the_same_job_for_what_means_the_same(program: Program) -> None:
    key = {"Idempotency-Key": "press 1"}
    first = program.generate({"prompt": "A fox", "quantity": 1}, key)
    same = program.post(GENERATE, b'{ "quantity" : 1.0, "seed": null, "prompt":"\\u0041 fox" }', key)
    assert (same.status_code, same.json()["id"]) == (202, first["id"])
    assert same["Location"].endswith(first["id"])
    other = program.post(GENERATE, {"prompt": "A fox", "quantity": 2}, key)
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "key_reused"
    assert list(other.json()["error"]["fields"]) == ["Idempotency-Key"]
    assert GenerationJob.objects.count() == 1


def test_without_a_key_each_request_is_a_job(program: Program) -> None:
    assert program.generate({"prompt": "A fox"})["id"] != program.generate({"prompt": "A fox"})["id"]


# ---- what goes wrong around it --------------------------------------------------------------------


def test_a_database_that_is_away_is_503_with_the_time_to_come_again(program: Program, ask: Ask) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    job = ask("one")
    for method, address, body in (("get", f"{JOBS}/{job.pk}", None), ("post", GENERATE, {"prompt": "A fox"})):
        with connection.execute_wrapper(away):
            answer = getattr(program, method)(address, body)
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert "closed" not in answer.content.decode()
    assert GenerationJob.objects.count() == 1


def test_a_fault_of_ours_is_json_too_and_tells_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody may read")

    monkeypatch.setattr("generation.api.jobs.generate", broken)
    client = Client(headers={"Authorization": f"Bearer {program.token}"})
    answer = client.post(GENERATE, {"prompt": "A fox"}, "application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert b"nobody may read" not in answer.content
    assert "api.failed" in caplog.text


@pytest.mark.parametrize("debug", [False, True])
def test_no_token_is_ever_written_down(
    program: Program, settings: Any, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    settings.DEBUG = debug
    caplog.set_level("DEBUG")
    wrong = "a-wrong-token-that-somebody-mistyped"
    answers = [
        Client(headers={"Authorization": authorization}).get(address)
        for authorization in (f"Bearer {program.token}", f"Bearer {wrong}", wrong, f"Token {wrong}")
        for address in (JOBS, f"{JOBS}/{uuid4()}", "/api/nowhere", "/api/docs", f"/media/{uuid4()}/original")
    ]
    said = caplog.text + "".join(answer.content.decode() + str(answer.headers) for answer in answers)
    assert program.token not in said
    assert wrong not in said


def test_head_is_get_without_a_body(program: Program, ask: Ask) -> None:
    client = Client(headers={"Authorization": f"Bearer {program.token}"})
    address = f"{JOBS}/{ask('one').pk}"
    assert client.head(address)["ETag"] == client.get(address)["ETag"]
    assert client.put(address)["Allow"] == "GET, HEAD"
