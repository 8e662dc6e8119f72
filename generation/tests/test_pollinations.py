"""Pollinations as its API page and its issues describe it: one call a scene, and every answer read for what it is."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as project
from django.core.files.storage import default_storage
from django.db.models import Model

from accounts.models import User
from gallery.models import Image, Upload
from generation.engine import work
from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.providers import get_provider
from generation.providers.base import Embedding, ImageRequest
from generation.providers.exceptions import InvalidResponse, NotEntitled, ProviderError, RateLimited, RequestRefused
from generation.providers.pollinations import WITH_KEY, WITHOUT_KEY, PollinationsProvider
from generation.tests.loopback import faults
from generation.tests.loopback.pollinations import (
    PLACEHOLDER_MD5,
    LoopbackPollinations,
    draw,
    placeholder,
    queue_full,
    refusal,
)
from generation.tests.loopback.server import Answer, most_at_once

Ask = Callable[..., GenerationJob]
Use = Callable[..., LoopbackPollinations]
KEY = "sk_canary_0123456789abcdef"
PICTURE = draw("whole", seed=1, width=64, height=64)


@pytest.fixture
def vendor() -> Iterator[LoopbackPollinations]:
    with LoopbackPollinations(key=KEY) as server:
        yield server


def provider(vendor: LoopbackPollinations, **options: Any) -> PollinationsProvider:
    options = {"url": vendor.url, "key": KEY, "placeholders": [PLACEHOLDER_MD5], **options}
    return PollinationsProvider(**options)


def request(prompt: str = "A fox / a moon? 50% & 月", **asked: Any) -> ImageRequest:
    values = {"width": 64, "height": 64, "seed": 7, "deadline": time.monotonic() + 5, "key": uuid4(), **asked}
    return ImageRequest(prompt=prompt, **values)


# ---- one call


def test_with_a_key_the_picture_is_asked_for_by_its_address(vendor: LoopbackPollinations) -> None:
    variation = provider(vendor).first_variation(request())
    [asked] = vendor.requests
    assert (asked.method, asked.path) == ("GET", "/image/A fox / a moon? 50% & 月")
    assert asked.query == {"model": "flux", "seed": "7", "width": "64", "height": "64", "enhance": "true"}
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in asked.target
    assert variation.content == draw("A fox / a moon? 50% & 月", 7, 64, 64)
    assert (variation.content_type, variation.model, variation.offered) == ("image/jpeg", "flux", 1)
    assert variation.bytes_received == len(variation.content) == asked.sent
    assert variation.request_id == "r1"


def test_without_a_key_the_older_service_is_asked_and_leaves_its_logo_out(vendor: LoopbackPollinations) -> None:
    provider(vendor, key="").first_variation(request("A fox", seed=0))
    [asked] = vendor.requests
    assert asked.path == "/prompt/A fox"
    assert asked.query["nologo"] == asked.query["enhance"] == "true"
    assert (asked.query["model"], asked.query["seed"]) == ("flux", "0")
    assert asked.headers["Authorization"] is None


@pytest.mark.parametrize(("length", "method"), [(2_000, "GET"), (2_001, "POST"), (32_000, "POST")])
def test_a_prompt_that_is_too_long_for_an_address_is_posted(
    vendor: LoopbackPollinations, length: int, method: str
) -> None:
    prompt = ("A fox " * 6_000)[:length]
    variation = provider(vendor, model="turbo").first_variation(request(prompt))
    [asked] = vendor.requests
    assert asked.method == method
    assert variation.content == draw(prompt, 7, 64, 64)
    assert variation.model == "turbo"
    assert variation.bytes_received == asked.sent
    if method == "POST":
        assert asked.path == "/v1/images/generations"
        assert asked.json == {
            "prompt": prompt,
            "model": "turbo",
            "n": 1,
            "size": "64x64",
            "seed": 7,
            "enhance": True,
            "response_format": "b64_json",
        }


def test_a_longest_prompt_in_another_script_fits_into_an_address(vendor: LoopbackPollinations) -> None:
    assert provider(vendor).first_variation(request("月" * 2_000)).content == draw("月" * 2_000, 7, 64, 64)


def test_the_vendors_own_hosts_are_asked_where_no_address_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(method: str, url: str, **_: object) -> None:
        asked.append(url)
        raise RateLimited("", provider="pollinations")

    monkeypatch.setattr("generation.providers.pollinations.fetch", refuse)
    for key in (KEY, ""):
        with pytest.raises(RateLimited):
            PollinationsProvider(key=key).first_variation(request("fox"))
    assert asked == [f"{WITH_KEY}/image/fox", f"{WITHOUT_KEY}/prompt/fox"]


def test_the_model_is_the_one_that_the_answer_names(vendor: LoopbackPollinations) -> None:
    for said, model in [("FLUX.1-schnell", "FLUX.1-schnell"), ("x" * 500, "flux"), (f"flux-{KEY}", "flux")]:
        vendor.answer_next(faults.whole(PICTURE, headers={"X-Model-Used": said}))
        assert provider(vendor).first_variation(request()).model == model


def test_what_it_cannot_express_is_refused_beforehand(vendor: LoopbackPollinations) -> None:
    with pytest.raises(RequestRefused, match="mira-v2"):
        provider(vendor).check(request(embeddings=(Embedding("mira-v2"),)))
    with pytest.raises(RequestRefused, match="32,001 characters"):
        provider(vendor).check(request("x" * 32_001))
    provider(vendor).check(request("x" * 32_000))
    assert not vendor.requests


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refusal(400, "BAD_REQUEST", "Bad size"), RequestRefused, "The prompt was refused: Bad size"),
        (refusal(422, "POLICY", "Against the policy"), RequestRefused, "The prompt was refused: Against the policy"),
        (refusal(401, "UNAUTHORIZED", "No"), NotEntitled, "needs a key"),
        (refusal(403, "FORBIDDEN", "No"), NotEntitled, "needs a key"),
        (refusal(402, "PAYMENT_REQUIRED", "No pollen"), NotEntitled, "needs credit"),
        (queue_full(), RateLimited, "no more calls at the moment"),
        (placeholder(), RateLimited, "its placeholder"),
    ],
)
def test_each_answer_of_its_table_becomes_the_error_it_means(
    vendor: LoopbackPollinations, answer: Answer, error: type[ProviderError], words: str
) -> None:
    vendor.answer_next(answer)
    with pytest.raises(error, match=words) as raised:
        provider(vendor).first_variation(request())
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 100_000, b'{"data": [{"url": "http://elsewhere/"}]}', b'{"b64_json": "/9j/4AAQ"']
)
def test_a_posted_answer_without_a_picture_gives_bytes_that_are_none(vendor: LoopbackPollinations, body: bytes) -> None:
    vendor.answer_next(faults.whole(body, "application/json"))
    assert len(provider(vendor).first_variation(request("x" * 3_000)).content) <= 6


def test_a_posted_answer_with_damaged_base64_is_told(vendor: LoopbackPollinations) -> None:
    vendor.answer_next(faults.json_body({"data": [{"b64_json": "AAAAA"}]}))
    with pytest.raises(InvalidResponse) as raised:
        provider(vendor).first_variation(request("x" * 3_000))
    assert raised.value.bytes_received == vendor.requests[0].sent


def test_changed_settings_make_another_provider(settings: Any) -> None:
    settings.GENERATION_PROVIDER_OPTIONS = {"pollinations": {"key": "a"}}
    first = get_provider("pollinations")
    assert get_provider("pollinations") is first
    settings.GENERATION_PROVIDER_OPTIONS = {"pollinations": {"key": "b"}}
    assert get_provider("pollinations") is not first


# ---- from the press of Generate to what is left behind


@pytest.fixture
def use(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, vendor: LoopbackPollinations) -> Use:
    """Pollinations on loopback as the provider, with short deadlines. With a key ten at once, without one."""

    def use(*, key: str = KEY, delay: float = 0.0, at_once: int = 10) -> LoopbackPollinations:
        vendor.delay = delay
        options = {"url": vendor.url, "key": key, "placeholders": [PLACEHOLDER_MD5]}
        settings.GENERATION_PROVIDER_OPTIONS = {"pollinations": options}
        settings.GENERATION_CONCURRENCY = {"pollinations": at_once if key else 1}
        settings.GENERATION_ACCOUNTS = {"pollinations": ["0123abcd" if key else ""]}
        return vendor

    settings.GENERATION_PROVIDERS = {"pollinations": project.GENERATION_PROVIDERS["pollinations"]}
    settings.IMAGE_PROVIDER = "pollinations"
    settings.GENERATION_DEADLINE = 5
    settings.GENERATION_UPLOAD_DEADLINE = 1
    settings.GENERATION_LEASE = 2
    monkeypatch.setattr("generation.engine.LINGER", 1.5)
    monkeypatch.setattr("generation.transitions._pause", lambda attempt: 0.05)
    return use


@pytest.fixture
def owner(transactional_db: None) -> User:
    return User.objects.create_user("mira")


def scene(job: GenerationJob) -> SceneGeneration:
    return job.scenes.get(position=0)


def test_with_a_key_ten_are_in_flight_and_each_scene_is_one_call(use: Use, ask: Ask) -> None:
    vendor = use(delay=2)
    job = ask(*[f"Scene {number}" for number in range(10)], seed=1)
    work()
    assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
    assert len(vendor.requests) == vendor.made == 10
    assert most_at_once(vendor.requests) == 10
    assert {one.account.name for one in job.scenes.all() if one.account} == {"0123abcd"}
    assert Image.objects.values("sha256").distinct().count() == 10


def test_without_a_key_one_is_in_flight(use: Use, ask: Ask) -> None:
    vendor = use(key="", delay=0.1)
    job = ask("one", "two", "three")
    work()
    assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
    assert len(vendor.requests) == 3
    assert most_at_once(vendor.requests) == 1


def test_a_saved_picture_says_where_it_comes_from(use: Use, ask: Ask) -> None:
    vendor = use()
    ask("A fox", seed=7)
    work()
    image = Image.objects.get()
    content = default_storage.open(image.name).read()
    assert content == draw(image.prompt, 7, 64, 64)
    assert (image.provider, image.model, image.seed, image.content_type) == ("pollinations", "flux", 7, "image/jpeg")
    assert image.receipt["bytes_received"] == len(content) == vendor.requests[0].sent
    assert image.receipt["request_id"] == "r1"


HOSTILE: dict[str, tuple[Answer, str]] = {
    "500": (refusal(500, "INTERNAL", "Oh snap"), "The provider answered 500."),
    "502": (faults.html(status=502), "The provider answered 502."),
    "503": (faults.status(503), "The provider answered 503."),
    "504": (faults.status(504), "The provider answered 504."),
    "530": (faults.status(530, "error code: 1033"), "The provider answered 530."),
    "html": (faults.html(), "This is not a JPEG, PNG or WebP picture."),
    "json": (faults.json_body({"error": "busy"}), "This is not a JPEG, PNG or WebP picture."),
    "empty": (faults.empty(), "This is not a JPEG, PNG or WebP picture."),
    "half": (faults.half(PICTURE), "The JPEG picture is incomplete or damaged."),
    "length too small": (faults.lying_length(PICTURE, by=-50), "The JPEG picture is incomplete or damaged."),
    "length too large": (faults.lying_length(PICTURE, by=50), "The provider broke off its answer."),
    "100 MB": (faults.huge(), "The provider's answer is too large: more than 25 MB."),
    "100 MB without a length": (
        faults.huge(says_length=False),
        "The provider's answer is too large: more than 25 MB.",
    ),
    "gzip bomb": (faults.gzip_bomb(), "Bad provider response: packed, which was not asked for."),
    "pixel bomb": (faults.pixel_bomb(), "The picture has too many pixels."),
    "large picture": (
        faults.pixel_bomb(side=6_000),
        "The picture has 6000 × 6000 pixels; up to 24 million pixels are accepted.",
    ),
    "animation": (faults.animation(), "The file holds 3 pictures or frames; up to 1 are accepted."),
    "svg": (faults.svg(), "This is not a JPEG, PNG or WebP picture."),
    "redirect": (
        faults.redirect("http://localhost:1/"),
        "Bad provider response: a redirect (302), which is not followed.",
    ),
    "drip": (faults.drip(PICTURE), "The provider did not answer in time."),
    "hang": (faults.hang(), "The provider did not answer in time."),
    "drop": (faults.drop(), "The provider broke off its answer."),
    "30,000 headers": (faults.many_headers(PICTURE), "Bad provider response: not the HTTP that was asked for."),
}


@pytest.mark.parametrize(("answer", "words"), HOSTILE.values(), ids=HOSTILE)
def test_no_hostile_answer_is_kept_and_the_next_try_saves_the_scene(
    use: Use, ask: Ask, settings: Any, answer: Answer, words: str
) -> None:
    """At first the attempts are used up, which leaves the reason and nothing else; Retry then makes the picture."""
    vendor = use()
    settings.GENERATION_DEADLINE = 0.5 if "in time" in words else 5
    settings.GENERATION_ATTEMPTS = 1
    vendor.answer_next(answer)
    job = ask("A fox", seed=7)
    work()
    failed = scene(job)
    assert (failed.status, failed.error_message) == ("failed", words)
    assert (failed.lease_until, failed.slot_until) == (None, None)
    assert not Image.objects.exists()
    assert not Upload.objects.exists()
    assert len(vendor.requests) == 1

    settings.GENERATION_DEADLINE = 5
    job.retry()
    work()
    assert scene(job).status == "saved"
    assert [asked.query["seed"] for asked in vendor.requests] == ["7", "7"]
    assert Image.objects.get().sha256


@pytest.mark.parametrize(
    "answer",
    [faults.absent_length(PICTURE), faults.whole(PICTURE, "text/html"), faults.whole(PICTURE, "image/svg+xml")],
    ids=["absent length", "wrong type", "called SVG"],
)
def test_a_whole_picture_is_kept_as_what_its_bytes_are(use: Use, ask: Ask, answer: Answer) -> None:
    use().answer_next(answer)
    ask("A fox")
    work()
    image = Image.objects.get()
    assert (image.content_type, image.bytes) == ("image/jpeg", len(PICTURE))


def test_a_passing_fault_is_tried_again_with_the_same_seed(use: Use, ask: Ask) -> None:
    vendor = use()
    vendor.answer_next(faults.status(502), faults.html(), faults.drop())
    job = ask("A fox", seed=7)
    work()
    saved = scene(job)
    assert (saved.status, saved.attempt, len(vendor.requests)) == ("saved", 4, 4)
    assert {asked.target for asked in vendor.requests} == {vendor.requests[0].target}


@pytest.mark.parametrize(
    "answer",
    [faults.status(429, Retry_After="1"), queue_full(), placeholder()],
    ids=["429", "queue full", "placeholder"],
)
def test_not_now_is_waited_out_and_lowers_the_concurrency(use: Use, ask: Ask, answer: Answer) -> None:
    vendor = use()
    vendor.answer_next(answer)
    job = ask("A fox", seed=7)
    work()
    saved = scene(job)
    assert (saved.status, saved.attempt, saved.waits, len(vendor.requests)) == ("saved", 1, 1, 2)
    assert ProviderAccount.objects.get(provider="pollinations").allowance == 6, "halved from ten, and one more"
    assert default_storage.open(Image.objects.get().name).read() == draw(Image.objects.get().prompt, 7, 64, 64)


def test_no_request_goes_out_before_the_moment_that_the_provider_named(use: Use, ask: Ask) -> None:
    vendor = use()
    vendor.answer_next(faults.status(429, Retry_After="1"))
    ask("A fox", "A hen", "An owl")
    work()
    refused = next(asked for asked in vendor.requests if asked.status == 429)
    assert refused.ended is not None
    # Those begun with it may end; the next one comes after the pause.
    later = [asked.begun for asked in vendor.requests if asked.begun > refused.ended + 0.3]
    assert later
    assert min(later) >= refused.ended + 0.99


def test_an_account_without_credit_for_several_calls_gets_all_its_pictures(use: Use, ask: Ask) -> None:
    vendor = use(delay=0.2)
    vendor.credit = False
    job = ask("A fox", "A hen", "An owl")
    work()
    assert set(job.scenes.values_list("status", "attempt")) == {("saved", 1)}
    assert vendor.made == 3


@pytest.mark.parametrize("code", [401, 403, 402])
def test_without_a_right_to_call_the_job_stops_after_the_first_answer(use: Use, ask: Ask, code: int) -> None:
    vendor = use(at_once=1)
    vendor.answer_next(refusal(code, "NO", f"{KEY} is not entitled"), times=9)
    job = ask("A fox", "A hen", "An owl")
    work()
    assert set(job.scenes.values_list("status", "error_code")) == {("failed", "not_entitled")}
    assert len(vendor.requests) == 1
    assert not Image.objects.exists()


def test_a_refused_prompt_fails_at_once_and_may_be_written_anew(use: Use, ask: Ask) -> None:
    vendor = use()
    job = ask("A forbidden fox", "A fox")
    work()
    failed = scene(job)
    assert (failed.status, failed.error_code, failed.attempt) == ("failed", "request_refused", 1)
    assert failed.error_message == "The prompt was refused: The prompt violates the content policy"
    assert len(vendor.requests) == 2


def test_the_key_is_nowhere_but_in_its_header(use: Use, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    vendor = use()
    careless = {"X-Model-Used": f"flux-{KEY}", "X-Request-Id": KEY}
    vendor.answer_next(
        faults.drop(),
        faults.many_headers(PICTURE),
        refusal(429, "SLOW", f"Too many calls of {KEY}"),
        faults.whole(PICTURE, headers=careless),
    )
    ask("A fox")
    work()
    assert Image.objects.exists()
    for code in (422, 401):
        vendor.answer_next(refusal(code, "NO", f"{KEY} may not"))
        ask("A hen")
        work()

    rows: list[Model] = [
        *SceneGeneration.objects.all(),
        *GenerationJob.objects.all(),
        *ProviderAccount.objects.all(),
        *Image.objects.all(),
    ]
    told = str([vars(row) for row in rows])
    assert "may not" in told, "what the vendor says is shown"
    assert KEY not in told
    assert "urllib3" in caplog.text, "its debug lines are among what was looked at"
    assert KEY not in caplog.text + str([vars(record) for record in caplog.records])
    assert not [asked for asked in vendor.requests if KEY in asked.target]
    assert all(asked.headers["Authorization"] == f"Bearer {KEY}" for asked in vendor.requests)


def test_the_loopback_service_can_be_tried_by_hand() -> None:
    command = [sys.executable, "-m", "generation.tests.loopback", "pollinations", "--key", "sk_mine", "--delay", "0"]
    with subprocess.Popen(command, cwd=project.BASE_DIR, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        told = [server.stdout.readline().strip() for _ in range(4)]
        variables = dict(line.split("=") for line in told[1:])
        assert variables.pop("IMAGE_PROVIDER") == "pollinations"
        vendors = PollinationsProvider(url=variables["POLLINATIONS_URL"], key=variables["POLLINATIONS_API_KEY"])
        assert vendors.first_variation(request("A fox")).content == draw("A fox", 7, 64, 64)
        server.terminate()
        assert server.stdout.readline().strip() == "1 requests."
    assert server.returncode == 0
