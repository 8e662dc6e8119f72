"""Pictures in Cloudinary, one layer below the engine: names, addresses, deadlines, and what each answer means."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3
from django.core.files.base import ContentFile

from gallery.storing import PictureRefused, StorageError, StorageRefused, StorageUnavailable
from gallery.tests.rows import jpeg
from generation.tests.loopback import faults
from generation.tests.loopback.cloudinary import LoopbackCloudinary, error
from generation.tests.loopback.server import most_at_once
from storyapp.cloud import CloudinaryStorage

NAME = "5f0c1f7e-6d53-4f0f-9d5c-1f1f5a0e8b11/1-1a2b3c4d"
KEY, SECRET = "834211956612345", "k9Canary-aPiSecret_77"


@pytest.fixture
def cloud() -> Iterator[LoopbackCloudinary]:
    with LoopbackCloudinary(key=KEY, secret=SECRET) as server:
        yield server


@pytest.fixture
def storage(cloud: LoopbackCloudinary) -> CloudinaryStorage:
    return of(cloud)


def of(cloud: LoopbackCloudinary, **other: str) -> CloudinaryStorage:
    account = {"cloud_name": cloud.cloud, "api_key": cloud.key, "api_secret": cloud.secret}
    addresses = {"upload_prefix": cloud.url, "delivery_url": cloud.url}
    return CloudinaryStorage(**{**account, **addresses, **other})


def fetched(address: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", address, retries=False)


def test_a_picture_is_stored_under_its_name_and_read_again(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary
) -> None:
    assert storage.save(NAME, ContentFile(jpeg())) == NAME
    assert cloud.objects[NAME].content == jpeg()
    assert cloud.objects[NAME].kind == "authenticated", "an `upload` stays readable by whoever has its address"
    assert storage.exists(NAME)
    assert storage.size(NAME) == len(jpeg())
    with storage.open(NAME) as file:
        assert file.read() == jpeg()


def test_the_same_name_is_replaced_and_never_doubled(storage: CloudinaryStorage, cloud: LoopbackCloudinary) -> None:
    for colour in ("#102030", "#405060"):
        storage.save(NAME, ContentFile(jpeg(colour)))
    assert {name: stored.content for name, stored in cloud.objects.items()} == {NAME: jpeg("#405060")}


def test_a_part_is_a_range_of_the_stored_bytes(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary, wait_for: Callable[..., Any]
) -> None:
    storage.save(NAME, ContentFile(jpeg()))
    assert storage.read_part(NAME, 100, 50) == jpeg()[100:150]
    wait_for(lambda: not cloud.in_flight)
    assert cloud.requests[-1].sent == 50
    cloud.answer_next(faults.whole(jpeg()))
    assert storage.read_part(NAME, 100, 50) == jpeg()[100:150], "a server that ignores the range"


def test_a_signed_address_gives_the_original_and_small_sizes(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary
) -> None:
    storage.save(NAME, ContentFile(jpeg(side=700)))
    assert fetched(storage.signed_url(NAME)).data == jpeg(side=700)
    small = fetched(storage.signed_url(NAME, 320))
    assert small.headers["Content-Type"] == "image/webp"
    assert len(small.data) < len(jpeg(side=700))
    assert storage.signed_url(NAME).startswith(f"{cloud.url}/image/authenticated/s--")
    for part in ("c_limit", "w_320", "f_auto", "q_auto"):
        assert part in storage.signed_url(NAME, 320)


def test_without_the_signature_nothing_is_readable(storage: CloudinaryStorage, cloud: LoopbackCloudinary) -> None:
    storage.save(NAME, ContentFile(jpeg()))
    of_small, of_original = storage.signed_url(NAME, 320), storage.signed_url(NAME)
    signature = of_small.split("/")[5]
    stolen = of_original.replace(of_original.split("/")[5], signature)
    assert fetched(stolen).status == 401
    assert fetched(of_small.replace("w_320", "w_640")).status == 401
    assert fetched(f"{cloud.url}/image/upload/v1/{NAME}").status == 404


def test_addresses_begin_as_the_settings_say() -> None:
    account = {"cloud_name": "demo", "api_key": KEY, "api_secret": SECRET, "upload_prefix": "https://up.example"}
    ours = CloudinaryStorage(**account, delivery_url="https://pictures.example.org/gallery")
    assert ours.signed_url(NAME).startswith("https://pictures.example.org/gallery/image/authenticated/s--")
    assert SECRET not in ours.signed_url(NAME)


def test_a_deleted_picture_is_gone_and_deleting_it_again_is_fine(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary
) -> None:
    storage.save(NAME, ContentFile(jpeg()))
    for _ in range(2):
        storage.delete(NAME)
    assert not cloud.objects
    assert not storage.exists(NAME)
    with pytest.raises(FileNotFoundError):
        storage.open(NAME)


def test_small_sizes_are_no_objects_to_delete(storage: CloudinaryStorage, cloud: LoopbackCloudinary) -> None:
    storage.delete(f"{NAME}-320")
    storage.delete(f"{NAME}-640")
    assert not cloud.requests


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "File size too large."), PictureRefused),
        (error(401, "Unknown API key"), StorageRefused),
        (error(403, "Not allowed"), StorageRefused),
        (error(404, "Nothing here"), StorageRefused),
        (error(409, "Exists"), StorageUnavailable),
        (error(420, "Rate limited"), StorageUnavailable),
        (error(423, "Locked"), StorageUnavailable),
        (error(429, "Too many"), StorageUnavailable),
        (error(500, "General Error"), StorageUnavailable),
        (faults.html(status=502), StorageUnavailable),
        (error(503, "Service Unavailable"), StorageUnavailable),
        (faults.html(), StorageUnavailable),
        (faults.empty(), StorageUnavailable),
        (faults.json_body([]), StorageUnavailable),
        (faults.json_body({"error": "what"}, status=500), StorageUnavailable),
        (faults.redirect("http://127.0.0.1:1/"), StorageUnavailable),
        (faults.drop(), StorageUnavailable),
        (faults.garbage(), StorageUnavailable),
        (faults.huge(2 * faults.MEGABYTE), StorageUnavailable),
    ],
)
def test_what_an_upload_is_answered_says_whether_to_try_again(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary, answer: Any, kind: type[StorageError]
) -> None:
    cloud.answer_next(answer)
    with pytest.raises(StorageError) as failed:
        storage.save(NAME, ContentFile(jpeg()))
    assert type(failed.value) is kind
    assert failed.value.message
    assert len(cloud.requests) == 1, "whoever stores tries again, and nobody else"


def test_a_picture_that_landed_elsewhere_is_refused(storage: CloudinaryStorage, cloud: LoopbackCloudinary) -> None:
    cloud.answer_next(faults.json_body({"public_id": f"preset/{NAME}"}))
    with pytest.raises(StorageRefused):
        storage.save(NAME, ContentFile(jpeg()))


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        *[
            pytest.param(call, faults.hang(), id=f"{call}-hangs")
            for call in ("save", "delete", "open", "exists", "size")
        ],
        # A look has no body that could drip.
        *[pytest.param(call, faults.drip(b"{" * 1000), id=f"{call}-drips") for call in ("save", "delete", "open")],
    ],
)
def test_every_call_has_an_end(
    storage: CloudinaryStorage,
    cloud: LoopbackCloudinary,
    settings: Any,
    monkeypatch: Any,
    answer: Any,
    call: str,
) -> None:
    settings.GENERATION_UPLOAD_DEADLINE = 0.8
    monkeypatch.setattr("storyapp.cloud.CALL_DEADLINE", 0.4)
    cloud.answer_next(answer)
    calls: dict[str, Callable[[], object]] = {
        "save": lambda: storage.save(NAME, ContentFile(jpeg())),
        "delete": lambda: storage.delete(NAME),
        "open": lambda: storage.open(NAME),
        "exists": lambda: storage.exists(NAME),
        "size": lambda: storage.size(NAME),
    }
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        calls[call]()
    assert time.monotonic() - began < 2


def test_a_dead_host_is_tried_once(cloud: LoopbackCloudinary) -> None:
    dead = of(cloud, upload_prefix="http://127.0.0.1:1", delivery_url="http://127.0.0.1:1")
    for call in (lambda: dead.save(NAME, ContentFile(jpeg())), lambda: dead.open(NAME), lambda: dead.delete(NAME)):
        with pytest.raises(StorageUnavailable):
            call()


def test_what_is_read_stays_in_bounds(storage: CloudinaryStorage, cloud: LoopbackCloudinary) -> None:
    cloud.answer_next(faults.huge())
    with pytest.raises(StorageUnavailable):
        storage.open(NAME)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_read_is_no_missing_picture(
    storage: CloudinaryStorage, cloud: LoopbackCloudinary, status: int
) -> None:
    cloud.answer_next(faults.status(status))
    with pytest.raises(StorageRefused):
        storage.exists(NAME)


def test_ten_threads_share_ten_connections(cloud: LoopbackCloudinary, caplog: pytest.LogCaptureFixture) -> None:
    cloud.delay = 0.2
    storage = of(cloud)
    names = [f"{NAME[:-1]}{digit}" for digit in range(10)]
    with caplog.at_level(logging.WARNING, "urllib3"), ThreadPoolExecutor(10) as threads:
        for _ in range(2):
            list(threads.map(lambda name: storage.save(name, ContentFile(jpeg())), names))
    assert set(cloud.objects) == set(names)
    assert most_at_once(cloud.requests) == 10
    assert not caplog.records, "no connection is thrown away"


def test_without_an_account_every_call_says_so(cloud: LoopbackCloudinary) -> None:
    nobody = of(cloud, api_secret="")
    calls: list[Callable[[], object]] = [
        lambda: nobody.save(NAME, ContentFile(jpeg())),
        lambda: nobody.open(NAME),
        lambda: nobody.delete(NAME),
        lambda: nobody.signed_url(NAME),
    ]
    for call in calls:
        with pytest.raises(StorageRefused, match="CLOUDINARY_URL"):
            call()
    assert not cloud.requests


@pytest.mark.parametrize("secret", [SECRET, "another secret"])
def test_no_key_is_in_an_error(cloud: LoopbackCloudinary, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    storage = of(cloud, api_secret=secret)
    if secret == SECRET:
        cloud.answer_next(error(401, f"Unknown API key {KEY}"))
    with caplog.at_level(logging.DEBUG):
        try:
            storage.save(NAME, ContentFile(jpeg()))
        except StorageRefused:
            logging.getLogger("storyapp").exception("storing.failed")
    assert "storing.failed" in caplog.text
    assert "does not accept the key" in caplog.text
    for hidden in (KEY, SECRET, secret, "String to sign"):
        assert hidden not in caplog.text
