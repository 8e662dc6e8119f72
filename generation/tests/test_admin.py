"""Jobs, scenes and accounts in the admin: how they stand, why they failed, and the two things one may do about it."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import SignInLink, User
from gallery.deletion import Deletion
from gallery.models import Image, Scene, Story, Upload
from gallery.picture import check_picture
from generation import objects, transitions
from generation.claim import claim
from generation.engine import work
from generation.generate import Asked, generate
from generation.models import GenerationJob, ProviderAccount, SceneGeneration, Status
from generation.providers.base import Variation
from generation.tests import providers
from generation.tests.rows import fail, run, save

Ask = Callable[..., GenerationJob]

JOBS = "admin:generation_generationjob_changelist"
SCENES = "admin:generation_scenegeneration_changelist"


@pytest.fixture
def admin(client: Client, owner: User) -> Client:
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def job(ask: Ask) -> GenerationJob:
    """One scene saved, one running, one failed."""
    job = ask("A fox", "A boat", "A town")
    first, second, third = job.scenes.all()
    save(first)
    run(second)
    fail(third)
    return job


def page_of(row: GenerationJob | SceneGeneration | ProviderAccount, view: str = "change") -> str:
    return reverse(f"admin:generation_{row._meta.model_name}_{view}", args=[row.pk])


def act(admin: Client, action: str, address: str, *rows: Any) -> str:
    """What the list says after the action."""
    sent = {"action": action, "_selected_action": [row.pk for row in rows]}
    return admin.post(reverse(address), sent, follow=True).content.decode()


def statuses(job: GenerationJob) -> list[str]:
    return list(job.scenes.order_by("position").values_list("status", flat=True))


# ---- how things stand ---------------------------------------------------------------------------------


def test_a_job_shows_its_scenes_and_lets_nobody_change_them(admin: Client, job: GenerationJob) -> None:
    page = admin.get(page_of(job)).content.decode()
    assert "1 of 3, 1 being drawn, 1 failed" in page
    assert "The provider answered 503." in page
    assert page.index(">A town<") < page.index(">A boat<") < page.index(">A fox<"), "failed ones on top"
    assert reverse("admin:gallery_image_picture", args=[Image.objects.get().pk, "320"]) in page
    # Nothing of a job or its scenes is a field that could be written to.
    assert 'name="asked"' not in page
    assert 'name="_save"' not in page


def test_a_job_of_a_thousand_scenes_shows_the_first_hundred_and_links_to_all(
    admin: Client, ask: Ask, measured: Callable[[str], None]
) -> None:
    job = ask(*[f"Scene {number}" for number in range(1000)])
    fail(job.scenes.get(position=999))
    response = admin.get(page_of(job))
    page = response.content.decode()
    assert "the first 100 of 1000" in page
    assert page.count('<th scope="row"><a href="/admin/generation/scenegeneration/') == 100
    assert ">Scene 999<" in page
    assert f"{reverse(SCENES)}?job={job.pk}" in page
    measured(f"admin: the page of a job of 1,000 scenes has {len(response.content) / 1000:.0f} KB")
    assert len(response.content) < 150_000
    scenes = admin.get(reverse(SCENES), {"job": str(job.pk)})
    assert scenes.context["cl"].result_count == 1000


def test_the_lists_say_where_jobs_and_scenes_stand(admin: Client, job: GenerationJob, ask: Ask) -> None:
    ask("Somebody else's", owner=User.objects.create(username="other"))
    jobs = admin.get(reverse(JOBS), {"state": "failed"})
    assert [one.pk for one in jobs.context["cl"].result_list] == [job.pk]
    page = jobs.content.decode()
    assert '<span class="status is-running">Drawing</span>' in page
    assert "1 of 3, 1 being drawn, 1 failed" in page
    assert "The provider answered 503." in page
    scenes = admin.get(reverse(SCENES), {"status": "failed"})
    assert scenes.context["cl"].result_count == 1
    assert '<span class="status is-failed">Failed</span>' in scenes.content.decode()
    running = admin.get(reverse(SCENES), {"status": "running"}).content.decode()
    assert re.search(r"try 1 of 4, lease \d\d s more", running)


def test_reasons_are_counted_and_the_most_frequent_comes_first(admin: Client, ask: Ask) -> None:
    job = ask(*[f"Scene {number}" for number in range(6)])
    for row, reason in zip(job.scenes.all(), ["Refused.", *["No key."] * 3, "Late", "Away"], strict=True):
        fail(row, message=reason)
    page = admin.get(reverse(JOBS)).content.decode()
    assert "<span>No key. (3 scenes)</span>" in page
    assert "And 2 other reasons." in page


def test_an_account_says_in_words_whether_it_is_closed(admin: Client, job: GenerationJob) -> None:
    SceneGeneration.objects.filter(status=Status.RUNNING).update(slot_until=Now() + timedelta(minutes=1))
    ProviderAccount.objects.create(
        provider="comfyui", name="http://one:8188", allowance=1, ceiling=2, closed_until=Now() + timedelta(seconds=25.9)
    )
    page = admin.get(reverse("admin:generation_provideraccount_changelist")).content.decode()
    assert "closed for 25 s" in page
    assert ">open<" in page
    assert "1 of 2" in page
    account = ProviderAccount.objects.get(provider="sketch")
    assert f'<a href="{reverse(SCENES)}?account={account.pk}">1</a>' in page, "one call is open"
    assert "closed for 25 s" in admin.get(page_of(ProviderAccount.objects.get(provider="comfyui"))).content.decode()


# ---- what nobody writes by hand -----------------------------------------------------------------------


def test_status_and_lease_are_not_taken_from_a_sent_form(admin: Client, job: GenerationJob) -> None:
    scene = job.scenes.get(position=1)
    before = SceneGeneration.objects.filter(pk=scene.pk).values().get()
    admin.post(page_of(scene), {"status": "saved", "attempt": 0, "lease_until_0": "", "token": 9})
    assert SceneGeneration.objects.filter(pk=scene.pk).values().get() == before
    admin.post(page_of(job), {"owner": User.objects.get(username="root").pk, "asked": "{}"})
    assert GenerationJob.objects.get().owner == job.owner
    account = ProviderAccount.objects.get()
    assert admin.post(page_of(account), {"allowance": 99}).status_code == 403
    assert ProviderAccount.objects.get().allowance == 2


def test_a_scene_of_a_job_is_not_deleted_alone(admin: Client, job: GenerationJob) -> None:
    scene = job.scenes.get(position=0)
    assert admin.post(page_of(scene, "delete"), {"post": "yes"}).status_code == 403
    act(admin, "delete_selected", SCENES, scene)
    assert job.scenes.count() == 3


# ---- Retry and Cancel ---------------------------------------------------------------------------------


def test_failed_scenes_of_jobs_are_tried_again_and_workers_woken(
    admin: Client, job: GenerationJob, ask: Ask, valkey: str, django_capture_on_commit_callbacks: Any
) -> None:
    queue = django_rq.get_queue("default")
    queue.empty()
    other = ask("Another", "And another")
    for row in other.scenes.all():
        fail(row)
    with django_capture_on_commit_callbacks(execute=True):
        assert "3 failed scenes will be tried again." in act(admin, "retry_failed", JOBS, job, other)
    assert statuses(job) == ["saved", "running", "queued"]
    assert statuses(other) == ["queued", "queued"]
    assert queue.count == 1
    assert "Retry failed." in admin.get(page_of(job, "history")).content.decode()


def test_one_failed_scene_is_tried_again(admin: Client, job: GenerationJob, valkey: str) -> None:
    failed = job.scenes.get(position=2)
    assert "1 failed scene will be tried again." in act(admin, "retry_failed", SCENES, *job.scenes.all())
    failed.refresh_from_db()
    assert (failed.status, failed.attempt, failed.error_message) == (Status.QUEUED, 0, "")


def test_what_has_not_ended_is_cancelled(admin: Client, job: GenerationJob) -> None:
    assert "1 scene cancelled." in act(admin, "cancel", JOBS, job)
    assert statuses(job) == ["saved", "cancelled", "failed"]
    assert "there is nothing to cancel" in act(admin, "cancel", JOBS, job)


def test_where_nothing_failed_nothing_is_tried_again(admin: Client, ask: Ask) -> None:
    job = ask("A fox")
    save(job.scenes.get())
    for address, row in ((JOBS, job), (SCENES, job.scenes.get())):
        assert "so nothing is tried again" in act(admin, "retry_failed", address, row)
    assert statuses(job) == ["saved"]


def test_a_page_has_buttons_for_what_can_be_done(admin: Client, job: GenerationJob, valkey: str) -> None:
    page = admin.get(page_of(job)).content.decode()
    assert 'value="Retry 1 failed scene"' in page
    assert 'value="Cancel what has not ended"' in page
    answer = admin.post(page_of(job, "retry"), follow=True)
    assert answer.redirect_chain == [(page_of(job), 302)]
    assert "1 failed scene will be tried again." in answer.content.decode()
    scene = job.scenes.get(position=1)
    admin.post(page_of(scene, "cancel"))
    assert statuses(job) == ["saved", "cancelled", "queued"]
    assert "Retry 1" not in admin.get(page_of(job)).content.decode()


def test_buttons_want_a_post_and_the_permission(admin: Client, job: GenerationJob) -> None:
    assert admin.get(page_of(job, "retry")).status_code == 405
    staff = User.objects.create(username="staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    looking = Client()
    looking.force_login(staff)
    page = looking.get(page_of(job)).content.decode()
    assert "The provider answered 503." in page
    assert "Retry" not in page
    assert looking.post(page_of(job, "retry")).status_code == 403
    act(looking, "cancel", JOBS, job)
    assert statuses(job) == ["saved", "running", "failed"]
    assert Client().post(page_of(job, "retry")).status_code == 302


# ---- deletion beside workers --------------------------------------------------------------------------


def test_a_job_goes_and_its_pictures_stay(admin: Client, job: GenerationJob) -> None:
    page = admin.get(page_of(job, "delete")).content.decode()
    assert "3 scene generations" in page
    assert "Scenes and pictures stay." in page
    admin.post(page_of(job, "delete"), {"post": "yes"})
    assert (GenerationJob.objects.count(), SceneGeneration.objects.count()) == (0, 0)
    assert (Image.objects.count(), Scene.objects.count(), Upload.objects.count()) == (1, 3, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["job", "story", "person"])
def test_what_is_deleted_while_it_is_made_leaves_nothing_behind(
    what: str, admin: Client, owner: User, directed: Any, tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    """A real engine has its call open meanwhile; what comes of it is dropped, and the sweep clears up."""
    directed.GENERATION_DEADLINE = 60
    job = generate(
        owner, Asked(scenes=("[hang] A fox", "A boat"), story=Story(owner=owner, title="Gone"), width=64, height=64)
    )
    assert job.story is not None
    worker = threading.Thread(target=_work)
    worker.start()
    wait_for(lambda: providers.calls() == 2 and Image.objects.exists(), 30)
    row = {"job": job, "story": job.story, "person": owner}[what]
    name = f"{row._meta.app_label}_{row._meta.model_name}"
    admin.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"})
    (tmp_path / "calls.let-go").touch()
    worker.join(timeout=30)
    assert not SceneGeneration.objects.exists()
    assert Image.objects.count() == (1 if what == "job" else 0)
    objects.delete_unwanted()
    kept = {image.name for image in Image.objects.all()}
    assert {name for name in _stored() if "-320" not in name and "-640" not in name} == kept


def _work() -> None:
    try:
        assert work()
    finally:
        connection.close()


def _stored() -> set[str]:
    """Every object, whatever folder it is in."""
    return {
        f"{folder}/{name}" for folder in default_storage.listdir("")[0] for name in default_storage.listdir(folder)[1]
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False], ids=["locked", "without the lock"])
def test_a_picture_that_is_saved_during_a_deletion_waits_for_its_end(
    guarded: bool, owner: User, directed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between what a deletion has read and what it then deletes. Without the lock the picture comes in between, its
    scene goes, and the whole deletion fails."""
    if not guarded and connection.vendor == "sqlite":
        pytest.skip("SQLite lets one transaction write at a time, with or without a lock.")
    story = Story(owner=owner, title="Gone")
    job = generate(owner, Asked(scenes=("A fox", "A boat"), story=story, width=64, height=64))
    first, second = claim(2)
    assert _save(first)
    outcome: list[bool] = []
    saving = threading.Thread(target=lambda: outcome.append(_save(second)))

    def meanwhile(**_: object) -> None:
        saving.start()
        saving.join(timeout=1)

    if not guarded:
        monkeypatch.setattr(Deletion, "_lock", lambda _: None)
    pre_delete.connect(meanwhile, sender=Image)
    try:
        Deletion(Story.objects.filter(pk=story.pk)).carry_out()
        succeeded = True
    except Exception:  # noqa: BLE001 - whatever the database calls it
        succeeded = False
    finally:
        pre_delete.disconnect(meanwhile, sender=Image)
    saving.join(timeout=20)
    assert succeeded is guarded
    if guarded:
        assert outcome == [False]
        assert not Scene.objects.exists()
        assert {upload.generation_id for upload in Upload.objects.all()} == {first.pk, second.pk}
        assert GenerationJob.objects.get(pk=job.pk).story is None


def _save(scene: SceneGeneration) -> bool:
    content = providers.picture(scene.seed)
    variation = Variation(content=content, content_type="image/jpeg", model="directed-1", bytes_received=len(content))
    made = transitions.Made(variation, check_picture(content), 0.1)
    name = transitions.object_name(scene, made.picture)
    try:
        Upload.objects.get_or_create(name=name, defaults={"generation_id": scene.pk, "token": scene.token})
        return transitions.save(scene, made, name, save_seconds=0.1)
    finally:
        if threading.current_thread() is not threading.main_thread():
            connection.close()


# ---- in a browser -------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_an_administrator_finds_a_failed_scene_reads_why_retries_it_and_sees_it_saved(
    directed: Any, valkey: str, owner: User, live_server: LiveServer, browser: Browser
) -> None:
    directed.GENERATION_ATTEMPTS = 2
    job = generate(owner, Asked(scenes=("A fox", "[fail 2] A boat in the rain"), width=64, height=64))
    work()
    assert statuses(job) == ["saved", "failed"]
    queue = django_rq.get_queue("default")
    queue.empty()
    root = User.objects.create(username="root", is_superuser=True, is_staff=True)
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)

    page.goto(f"/sign-in/{SignInLink.objects.issue(root)}/")
    page.get_by_role("button").click()
    page.goto("/admin/")
    page.get_by_role("main").get_by_role("link", name="Scene generations").click()
    page.get_by_role("navigation", name="Filter").get_by_role("link", name="Failed").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator("#result_list")).to_contain_text("The provider answered 503.")
    page.get_by_role("link", name="A boat in the rain").click()
    expect(page.get_by_role("main")).to_contain_text("The provider answered 503.")

    page.get_by_role("button", name="Retry this scene").click()
    expect(page.get_by_text("1 failed scene will be tried again.")).to_be_visible()
    expect(page.locator(".status")).to_have_text("Waiting")
    assert queue.count == 1, "a worker is woken"
    work()

    page.reload()
    expect(page.locator(".status")).to_have_text("Saved")
    thumbnail = page.get_by_role("main").get_by_role("img", name="A boat in the rain")
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 64
    page.get_by_role("link", name="Pictures for the library").click()
    expect(page.locator(".field-pictures")).to_contain_text("2 of 2")
    assert not refused
    context.close()
