"""Scenes whose pictures go to Cloudinary: whatever it answers, one object, one picture and one call of the provider."""

import io
import logging
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
import urllib3
from asgiref.sync import async_to_sync
from django.core.files.storage import storages
from django.test import AsyncClient, Client

from accounts.models import User
from gallery.models import Image, Story, Upload
from generation.engine import work
from generation.models import GenerationJob
from generation.objects import delete_unwanted
from generation.tests import providers
from generation.tests.loopback import faults
from generation.tests.loopback.cloudinary import LoopbackCloudinary, error, keep_pictures_in

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]

KEY, SECRET = "834211956612345", "k9Canary-aPiSecret_77"


@pytest.fixture
def cloud(directed: Any) -> Iterator[LoopbackCloudinary]:
    directed.GENERATION_UPLOAD_DEADLINE = 4
    with LoopbackCloudinary(key=KEY, secret=SECRET) as server:
        keep_pictures_in(server, directed)
        yield server


def assert_one_of_each(cloud: LoopbackCloudinary, job: GenerationJob) -> None:
    saved, image = job.scenes.get(), Image.objects.get()
    assert (saved.status, saved.attempt, saved.token) == ("saved", 1, 1)
    assert providers.calls() == 1
    assert {name: one.content for name, one in cloud.objects.items()} == {image.name: providers.picture(saved.seed)}
    assert image.storage == "cloudinary"
    assert not Upload.objects.exists()


def test_a_scene_costs_one_call_and_one_upload(cloud: LoopbackCloudinary, ask: Ask) -> None:
    job = ask("A fox in the forest")
    work()
    assert_one_of_each(cloud, job)
    assert len(cloud.requests) == 1, "small sizes are addresses"


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([error(420, "Rate limited")], id="420"),
        pytest.param([error(429, "Too many")], id="429"),
        pytest.param([error(500, "General Error")], id="500"),
        pytest.param([error(503, "Busy"), faults.html(status=502), error(500, "General Error")], id="several"),
        pytest.param([faults.hang()], id="timeout"),
        pytest.param([faults.drop()], id="dropped"),
    ],
)
def test_the_upload_alone_is_tried_again(cloud: LoopbackCloudinary, ask: Ask, answers: list[Any]) -> None:
    cloud.answer_next(*answers)
    job = ask("A fox in the forest")
    work()
    assert_one_of_each(cloud, job)
    assert len(cloud.uploads) == len(answers) + 1


@pytest.mark.parametrize("lost", ["saved_and_lost", "saved_and_silent"])
def test_an_upload_whose_answer_was_lost_is_replaced(cloud: LoopbackCloudinary, ask: Ask, lost: str) -> None:
    cloud.answer_next(getattr(cloud, lost))
    job = ask("A fox in the forest")
    work()
    assert_one_of_each(cloud, job)
    assert len(cloud.uploads) == 2


def test_ten_scenes_are_ten_uploads(cloud: LoopbackCloudinary, ask: Ask) -> None:
    cloud.delay = 0.2
    job = ask(*["One and the same scene"] * 10)
    work()
    assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
    assert len(cloud.uploads) == len(cloud.objects) == 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [(error(401, f"Unknown API key {KEY}"), "does not accept the key"), (error(403, "No"), "does not allow")],
)
def test_wrong_settings_end_the_job_at_once(
    cloud: LoopbackCloudinary, ask: Ask, directed: Any, answer: Any, words: str
) -> None:
    directed.GENERATION_THREADS = 1
    cloud.answer_next(answer)
    job = ask(*["One and the same scene"] * 3)
    work()
    assert {(one.status, one.error_code) for one in job.scenes.all()} == {("failed", "storage_refused")}
    assert all(words in one.error_message for one in job.scenes.all())
    assert providers.calls() == 1, "nothing more is made that could not be kept"
    assert len(cloud.uploads) == 1
    first = job.scenes.get(position=0)
    assert first.bytes_received == len(providers.picture(first.seed))

    job.retry()
    work()
    assert set(job.scenes.values_list("status", flat=True)) == {"saved"}, "once the settings are right"


def test_a_picture_that_is_refused_fails_alone(cloud: LoopbackCloudinary, ask: Ask, directed: Any) -> None:
    directed.GENERATION_THREADS = 1
    cloud.answer_next(error(400, "File size too large. Got 12582912. Maximum is 10485760."))
    job = ask(*["One and the same scene"] * 2)
    work()
    assert list(job.scenes.order_by("position").values_list("status", "error_code")) == [
        ("failed", "storage_refused"),
        ("saved", ""),
    ]
    assert providers.calls() == 2


def test_a_cloud_that_stays_away_is_said(cloud: LoopbackCloudinary, ask: Ask, directed: Any) -> None:
    directed.GENERATION_ATTEMPTS = 1
    directed.GENERATION_UPLOAD_DEADLINE = 1
    cloud.answer_next(error(503, "Busy"), times=99)
    job = ask("A fox in the forest")
    work()
    failed = job.scenes.get()
    assert (failed.status, failed.error_code) == ("failed", "storage_unavailable")
    assert not Image.objects.exists()
    assert Upload.objects.filter(storage="cloudinary").exists(), "a late upload may still land"


def test_a_deleted_picture_goes_from_there(cloud: LoopbackCloudinary, ask: Ask) -> None:
    ask("A fox in the forest")
    work()
    Image.objects.get().delete()
    delete_unwanted()
    assert not cloud.objects
    assert len(cloud.asked("/v1_1/loopback/image/destroy")) == 1, "its small sizes are no objects"


def test_switching_storage_leaves_every_picture_readable(cloud: LoopbackCloudinary, ask: Ask, directed: Any) -> None:
    keep_pictures_in(None, directed)
    on_disk = ask("on disk")
    work()
    keep_pictures_in(cloud, directed)
    remote = ask("remote")
    work()
    keep_pictures_in(None, directed)
    for job, storage in ((on_disk, "local"), (remote, "cloudinary")):
        scene = job.scenes.get()
        image = Image.objects.get(generation_id=scene.pk)
        assert image.storage == storage
        with image.file_storage.open(image.name) as file:
            assert file.read() == providers.picture(scene.seed)


def test_the_reader_is_checked_and_then_sent_on(
    cloud: LoopbackCloudinary, ask: Ask, client: Client, owner: User
) -> None:
    ask("A fox in the forest")
    work()
    image = Image.objects.get()
    client.force_login(User.objects.create_user("stranger"))
    assert client.get(f"/media/{image.pk}/original").status_code == 404
    client.force_login(owner)
    answer = client.get(f"/media/{image.pk}/original")
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{cloud.url}/image/authenticated/s--")
    assert answer["Cache-Control"] == "private, max-age=3600"
    fetched = urllib3.request("GET", answer["Location"]).data
    assert sha256(fetched).hexdigest() == image.sha256
    small = urllib3.request("GET", client.get(f"/media/{image.pk}/320")["Location"])
    assert (small.status, small.headers["Content-Type"]) == (200, "image/webp")
    as_file = client.get(f"/media/{image.pk}/original?download=1")
    assert as_file.content == fetched
    assert as_file["Content-Disposition"] == 'attachment; filename="01 A fox in the forest.jpg"'


def test_without_the_account_its_pictures_are_missing_and_nothing_breaks(
    cloud: LoopbackCloudinary, ask: Ask, client: Client, owner: User, directed: Any
) -> None:
    ask("A fox in the forest")
    work()
    image = Image.objects.get()
    cloud.secret = ""
    keep_pictures_in(cloud, directed)
    keep_pictures_in(None, directed)
    client.force_login(owner)
    for address in (f"/media/{image.pk}/320", f"/media/{image.pk}/original?download=1"):
        assert client.get(address).status_code == 404
    image.refresh_from_db()
    assert image.missing_since is None, "with the account it is there again"


def test_no_key_in_any_row_or_log(cloud: LoopbackCloudinary, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    cloud.answer_next(faults.drop(), error(500, f"{KEY} {SECRET}"), error(401, f"Unknown API key {KEY}"))
    job = ask("A fox in the forest")
    with caplog.at_level(logging.DEBUG):
        work()
        job.retry()
        work()
        storages["cloudinary"].delete(Image.objects.get().name)
    rows = [*job.scenes.values(), *Image.objects.values(), *Upload.objects.values()]
    told = f"{caplog.text} {[vars(record) for record in caplog.records]} {rows}"
    assert "scene.storing_failed" in told
    assert "storing.again" in told
    assert KEY not in told
    assert SECRET not in told


def test_download_all_reads_from_there_and_from_disk(
    cloud: LoopbackCloudinary, directed: Any, ask: Ask, owner: User
) -> None:
    story = Story(owner=owner, title="Two storages")
    ask("In the cloud", story=story)
    work()
    keep_pictures_in(None, directed)
    ask("On the disk", story=story)
    work()

    client = AsyncClient()
    client.force_login(owner)
    archive = zipfile.ZipFile(io.BytesIO(downloaded(client, f"/stories/{story.slug}/download/")))
    assert archive.testzip() is None
    assert archive.namelist() == ["01 In the cloud.jpg", "02 On the disk.jpg"]
    kept = {image.sha256 for image in Image.objects.all()}
    assert {sha256(archive.read(name)).hexdigest() for name in archive.namelist()} == kept


@async_to_sync
async def downloaded(client: AsyncClient, path: str) -> bytes:
    response: Any = await client.get(path)
    return b"".join([part async for part in response])
