"""Whatever a server answers, `fetch` ends in time, with bounded memory and a sentence that tells no secret."""

import logging
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from generation.providers.exceptions import (
    InvalidResponse,
    NotEntitled,
    ProviderConfigurationError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from generation.providers.http import PIECE, Answer, fetch, plain_words, raise_for_status, retry_after
from generation.tests.loopback import faults
from generation.tests.loopback.pollinations import draw
from generation.tests.loopback.server import LoopbackServer

PICTURE = draw("a lighthouse", seed=1, width=64, height=64)
KEY = "sk_canary_0123456789"


@pytest.fixture
def vendor() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


def get(vendor: LoopbackServer, *, seconds: float = 5, **options: Any) -> Answer:
    return fetch("GET", f"{vendor.url}/a", provider="test", deadline=time.monotonic() + seconds, **options)


@pytest.mark.parametrize(
    "answer",
    [
        faults.whole(PICTURE),
        faults.absent_length(PICTURE),
        faults.chunked(PICTURE),
        faults.whole(PICTURE, "text/html"),
        faults.drip(PICTURE, every=0.0001),
        faults.after(0.2, faults.whole(PICTURE)),
    ],
    ids=["whole", "absent length", "chunked", "wrong content type", "drip in time", "late"],
)
def test_a_whole_body_comes_as_it_was_sent(vendor: LoopbackServer, answer: Any) -> None:
    vendor.answer_next(answer)
    got = get(vendor)
    assert (got.status, got.content, got.bytes_received) == (200, PICTURE, len(PICTURE))


def test_what_is_asked_arrives_at_the_server(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.json_body({"fine": True}), times=2)
    get(vendor, params={"seed": "7"}, headers={"Authorization": f"Bearer {KEY}"})
    answer = fetch("POST", f"{vendor.url}/b", provider="test", deadline=time.monotonic() + 5, body={"n": 1})

    asked, posted = vendor.requests
    assert asked.query == {"seed": "7"}
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["Accept-Encoding"] == "identity"
    assert (posted.method, posted.json, posted.headers["Content-Type"]) == ("POST", {"n": 1}, "application/json")
    assert answer.content_type == "application/json"
    assert answer.headers["content-TYPE"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (faults.drop(), ProviderUnavailable, "broke off"),
        (faults.drop_in_the_middle(PICTURE), ProviderUnavailable, "broke off"),
        (faults.lying_length(PICTURE, by=1000), ProviderUnavailable, "broke off"),
        (faults.hang(), ProviderUnavailable, "did not answer in time"),
        (faults.hang(after=PICTURE[:100]), ProviderUnavailable, "did not answer in time"),
        (faults.drip(PICTURE), ProviderUnavailable, "did not answer in time"),
        (faults.drip(PICTURE, says_length=False), ProviderUnavailable, "did not answer in time"),
        (faults.drip_headers(), ProviderUnavailable, "did not answer in time"),
        (faults.many_headers(PICTURE), InvalidResponse, "Bad provider response"),
        (faults.garbage(), InvalidResponse, "Bad provider response"),
        (faults.gzip_bomb(faults.MEGABYTE), InvalidResponse, "Bad provider response: packed"),
        (faults.huge(2 * faults.MEGABYTE), InvalidResponse, "too large: more than 1 MB"),
        (faults.huge(2 * faults.MEGABYTE, says_length=False), InvalidResponse, "too large: more than 1 MB"),
    ],
    ids=[
        "drop",
        "drop in the middle",
        "too large a length",
        "hang",
        "hang in the middle",
        "drip",
        "drip without a length",
        "drip of headers",
        "30,000 headers",
        "no HTTP",
        "gzip bomb",
        "large",
        "large without a length",
    ],
)
def test_what_is_no_whole_answer_ends_in_time_and_may_be_tried_again(
    vendor: LoopbackServer, answer: Any, error: type[ProviderError], words: str
) -> None:
    vendor.answer_next(answer)
    began = time.monotonic()
    # Short where it is all about the deadline; a busy machine takes its time for 30,000 headers.
    seconds = 0.4 if "in time" in words else 4
    with pytest.raises(error, match=words) as raised:
        get(vendor, seconds=seconds, max_bytes=faults.MEGABYTE)
    assert time.monotonic() - began < seconds + 1.6
    assert raised.value.retryable
    assert "127.0.0.1" not in raised.value.message
    assert len(vendor.requests) == 1, "nothing is tried twice here"


def test_a_length_that_is_too_small_gives_the_bytes_it_promised(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.lying_length(PICTURE, by=-100))
    assert get(vendor).content == PICTURE[:-100]


def test_what_was_read_before_a_failure_is_counted(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.drop_in_the_middle(PICTURE))
    with pytest.raises(ProviderUnavailable) as raised:
        get(vendor)
    assert raised.value.bytes_received == len(PICTURE) // 2


@pytest.mark.parametrize("says_length", [True, False])
def test_a_body_of_100_mb_is_given_up_at_the_cap(vendor: LoopbackServer, says_length: bool) -> None:
    vendor.answer_next(faults.huge(says_length=says_length))
    with memory_within(8 * faults.MEGABYTE), pytest.raises(InvalidResponse, match="too large") as raised:
        get(vendor, max_bytes=faults.MEGABYTE)
    assert raised.value.bytes_received <= faults.MEGABYTE + PIECE
    assert vendor.requests[0].sent < 20 * faults.MEGABYTE


def test_a_gzip_bomb_is_not_unpacked(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.gzip_bomb())
    with memory_within(4 * faults.MEGABYTE), pytest.raises(InvalidResponse):
        get(vendor)


def test_a_redirect_is_neither_followed_nor_read(vendor: LoopbackServer) -> None:
    with LoopbackServer() as elsewhere:
        vendor.answer_next(faults.redirect(elsewhere.url))
        answer = get(vendor)
        vendor.answer_next(faults.huge(status=302, Location=elsewhere.url))
        with memory_within(4 * faults.MEGABYTE):
            get(vendor)
        assert not elsewhere.requests
    with pytest.raises(InvalidResponse, match=r"Bad provider response: a redirect \(302\)"):
        raise_for_status(answer, provider="test")


def test_a_cookie_is_not_carried_to_the_next_call(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.whole(b"", headers={"Set-Cookie": "who=you"}), times=2)
    get(vendor)
    get(vendor)
    assert vendor.requests[1].headers["Cookie"] is None


def test_the_environment_of_the_machine_changes_no_call(
    vendor: LoopbackServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    vendor.answer_next(faults.whole(PICTURE))
    get(vendor, headers={"Authorization": f"Bearer {KEY}"})
    assert vendor.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_nothing_listens_there(vendor: LoopbackServer) -> None:
    with pytest.raises(ProviderUnavailable, match="could not be reached"):
        fetch("GET", "http://127.0.0.1:1/", provider="test", deadline=time.monotonic() + 5)


def test_a_deadline_that_is_over_makes_no_call(vendor: LoopbackServer) -> None:
    with pytest.raises(ProviderUnavailable, match="in time"):
        get(vendor, seconds=0)
    assert not vendor.requests


def test_no_thread_and_no_connection_is_left_behind(vendor: LoopbackServer, wait_for: Callable[..., Any]) -> None:
    vendor.answer_next(faults.whole(PICTURE), faults.drip(PICTURE), faults.drop())
    before = threading.active_count()
    get(vendor)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            get(vendor, seconds=0.3)
    wait_for(lambda: threading.active_count() == before)
    wait_for(lambda: vendor.in_flight == 0)


@pytest.mark.parametrize("key", [f"{KEY}\nX-Injected: 1", f"{KEY}é…"])
def test_a_key_that_is_no_header_is_a_wrong_setting_and_not_shown(vendor: LoopbackServer, key: str) -> None:
    with pytest.raises(ProviderConfigurationError) as raised:
        get(vendor, headers={"Authorization": f"Bearer {key}"})
    assert KEY not in repr(raised.value)
    assert raised.value.__suppress_context__
    assert not vendor.requests


STATUSES = [
    (401, NotEntitled, "needs a key"),
    (403, NotEntitled, "needs a key"),
    (402, NotEntitled, "needs credit"),
    (400, RequestRefused, r"The prompt was refused \(400\)"),
    (414, RequestRefused, r"The prompt was refused \(414\)"),
    (422, RequestRefused, r"The prompt was refused \(422\)"),
    (451, RequestRefused, r"The prompt was refused \(451\)"),
    (429, RateLimited, "no more calls at the moment"),
    *[(code, ProviderUnavailable, f"answered {code}") for code in (500, 502, 503, 504, 520, 524, 530)],
    (204, InvalidResponse, "status 204"),
    (404, InvalidResponse, "status 404"),
    (418, InvalidResponse, "status 418"),
]


@pytest.mark.parametrize(("code", "error", "words"), STATUSES, ids=[str(code) for code, *_ in STATUSES])
def test_a_status_becomes_the_error_it_means(
    vendor: LoopbackServer, code: int, error: type[ProviderError], words: str
) -> None:
    vendor.answer_next(faults.status(code, "error code: 1033"))
    with pytest.raises(error, match=words) as raised:
        raise_for_status(get(vendor), provider="test")
    assert type(raised.value) is error
    assert raised.value.provider == "test"


def test_a_full_queue_is_no_missing_credit(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.json_body({"error": "Queue full for IP ::1: 1 requests already queued"}, status=402))
    with pytest.raises(RateLimited):
        raise_for_status(get(vendor), provider="test")


@pytest.mark.parametrize(
    "answer", [faults.hang(after=b"{", status=401), faults.drip(PICTURE, status=401)], ids=["hang", "drip"]
)
def test_a_refusal_whose_body_never_ends_is_still_that_refusal(vendor: LoopbackServer, answer: Any) -> None:
    vendor.answer_next(answer)
    with pytest.raises(NotEntitled):
        raise_for_status(get(vendor, seconds=0.3), provider="test")


def test_the_body_of_an_error_is_cut(vendor: LoopbackServer) -> None:
    vendor.answer_next(faults.status(500, "x" * faults.MEGABYTE))
    assert len(get(vendor, max_bytes=100).content) == 64 * 1024


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1", 1.0),
        ("2.5", 2.5),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("1e9", None),
        ("86400", 600.0),
        ("9" * 400, 600.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", None),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 600.0),
        ("Fri, 99 Nov 9999999 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(said: str, seconds: Any) -> None:
    assert retry_after(answer(429, headers={"Retry-After": said})) == seconds


def test_a_date_counts_on_the_clock_of_who_said_it() -> None:
    slow = {"Date": "Thu, 01 Jan 1970 00:01:00 GMT", "Retry-After": "Thu, 01 Jan 1970 00:01:20 GMT"}
    assert retry_after(answer(429, headers=slow)) == 20
    ours = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after(answer(429, headers={"Retry-After": ours})) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "No people, please"}}', "The prompt was refused: No people, please"),
        (b'{"error": "No people"}', "The prompt was refused: No people"),
        (b'{"message": "No\\n\\u0007people"}', "The prompt was refused: No people"),
        (b'{"detail": "No <script>alert(1)</script>"}', "The prompt was refused: No"),
        (b'{"error": {"message": "Bad: {\\"prompt\\": 1}"}}', "The prompt was refused: Bad:"),
        (b'{"error": {"message": 5}}', "The prompt was refused (422)."),
        (b"<html>", "The prompt was refused (422)."),
        (b"[" * 60_000, "The prompt was refused (422)."),
        (b"\xff\xfe\x00", "The prompt was refused (422)."),
        (f'{{"error": "the key {KEY} may not"}}'.encode(), "The prompt was refused: the key … may not"),
        (b'{"error": "see sk_another_persons_key_9876543210"}', "The prompt was refused: see …"),
        (b'{"error": "%s"}' % (b"no " * 500), "The prompt was refused: " + "no " * 66 + "n…"),
    ],
)
def test_a_refusal_is_told_in_plain_words(body: bytes, message: str) -> None:
    with pytest.raises(RequestRefused) as raised:
        raise_for_status(answer(422, body), provider="test", secrets=[KEY])
    assert raised.value.message == message


def test_plain_words_of_another_script_stay() -> None:
    assert plain_words("内容が拒否されました") == "内容が拒否されました"


def test_no_failure_shows_the_key_or_the_prompt(vendor: LoopbackServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in (faults.drop(), faults.hang(), faults.many_headers(PICTURE), faults.drop_in_the_middle(PICTURE)):
        vendor.answer_next(fault)
        with pytest.raises(ProviderError) as raised:
            get(vendor, seconds=0.3, params={"q": "a-canary-prompt"}, headers={"Authorization": f"Bearer {KEY}"})
        shown = repr(raised.value) + repr(raised.value.__cause__)
        assert raised.value.__suppress_context__
        assert "canary" not in shown
    assert KEY not in caplog.text


def answer(status: int, body: bytes = b"", *, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status=status, headers=CaseInsensitiveDict(headers or {}), content=body, content_type="")


@contextmanager
def memory_within(limit: int) -> Iterator[None]:
    """The Python objects of the block, those of the loopback server among them, never take more than so many bytes."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit
