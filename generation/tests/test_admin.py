from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from generation.models import GenerationJob, ProviderAccount, Status
from generation.tests.rows import fail, run, save


@pytest.fixture
def admin(client: Client, owner: User) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def job(ask: Callable[..., GenerationJob]) -> GenerationJob:
    job = ask("A fox", "A boat", "A town")
    first, second, third = job.scenes.all()
    save(first)
    run(second)
    fail(third)
    return job


def test_a_job_shows_its_scenes_and_lets_nobody_change_them(admin: Client, job: GenerationJob) -> None:
    page = admin.get(reverse("admin:generation_generationjob_change", args=[job.pk])).content.decode()
    assert "1 of 3" in page
    assert "The provider answered 503." in page
    # Nothing of a job or its scenes is a field that could be written to, but the forms' own bookkeeping.
    assert 'name="scenes-0-status"' not in page
    assert 'name="asked"' not in page


def test_the_lists_say_where_jobs_and_scenes_stand(admin: Client, job: GenerationJob) -> None:
    assert "running" in admin.get(reverse("admin:generation_generationjob_changelist")).content.decode()
    scenes = admin.get(reverse("admin:generation_scenegeneration_changelist"), {"status": "failed"})
    assert scenes.context["cl"].result_count == 1
    accounts = admin.get(reverse("admin:generation_provideraccount_changelist")).content.decode()
    assert "sketch" in accounts


def test_status_and_lease_are_not_taken_from_a_sent_form(admin: Client, job: GenerationJob) -> None:
    scene = job.scenes.get(position=1)
    admin.post(reverse("admin:generation_scenegeneration_change", args=[scene.pk]), {"status": "saved", "attempt": 0})
    scene.refresh_from_db()
    assert (scene.status, scene.attempt) == (Status.RUNNING, 1)
    account = ProviderAccount.objects.get()
    admin.post(reverse("admin:generation_provideraccount_change", args=[account.pk]), {"allowance": 99})
    account.refresh_from_db()
    assert account.allowance == 2


def test_the_lists_ask_the_same_number_of_queries_for_many_jobs(
    admin: Client, ask: Callable[..., GenerationJob], django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(12):
        ask(f"Scene {number}", f"Another {number}")
    with django_assert_max_num_queries(10):  # type: ignore[attr-defined]
        admin.get(reverse("admin:generation_generationjob_changelist"))
