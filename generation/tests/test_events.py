"""The event stream over a real server: what changes arrives, read once for all who look."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import requests
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import User
from generation import events
from generation.models import GenerationJob, SceneGeneration
from generation.tests.rows import change, fail, run, save
from generation.tests.served import served

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
WaitFor = Callable[..., Any]


class Event(NamedTuple):
    name: str
    data: dict[str, str]
    id: str


class Server(NamedTuple):
    address: str
    watchers: Callable[[], list[events.Watcher]]


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A site whose streams are quick."""
    monkeypatch.setattr(events, "SECONDS_BETWEEN_READS", 0.1)
    with served() as address:
        yield Server(address, lambda: list(events._watchers.values()))


@pytest.fixture
def cookies(client: Client, owner: User) -> dict[str, str]:
    client.force_login(owner)
    return {"sessionid": client.cookies["sessionid"].value}


@pytest.fixture
def listen(server: Server, cookies: dict[str, str]) -> Callable[..., Any]:
    """`with listen(job) as news:` opens a stream; `next(news)` is its next event."""

    @contextmanager
    def listen(*jobs: GenerationJob, **parameters: str) -> Iterator[Iterator[Event]]:
        asked = {"job": [str(job.pk) for job in jobs], **parameters}
        address = f"{server.address}/events/"
        with requests.get(address, params=asked, cookies=cookies, stream=True, timeout=10) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["X-Accel-Buffering"] == "no"
            assert answer.headers["Cache-Control"] == "no-store"
            yield _events(answer)

    return listen


def _events(answer: requests.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
            fields = {}


def until(news: Iterator[Event], name: str) -> list[Event]:
    found = []
    for event in news:
        found.append(event)
        if event.name == name:
            break
    return found


# ---- what arrives ---------------------------------------------------------------------------------


def test_the_whole_state_comes_first_and_then_what_changes(ask: Ask, listen: Any) -> None:
    job = ask("A fox", "A boat")
    first, second = job.scenes.all()
    with listen(job) as news:
        whole = until(news, "summary")
        assert [event.data.get("id") for event in whole[:-1]] == [f"scene-{first.pk}", f"scene-{second.pk}"]
        run(second)
        change, totals = until(news, "summary")
        assert change.data["id"] == f"scene-{second.pk}"
        assert "is-drawing" in change.data["html"]
        assert "1 being drawn, 1 waiting" in totals.data["html"]
        assert totals.id


def test_a_stream_ends_with_its_job(ask: Ask, listen: Any) -> None:
    job = ask("A fox")
    row = job.scenes.get()
    with listen(job) as news:
        until(news, "summary")
        image = save(row)
        names = [event.name for event in news]
        assert names == ["slot", "summary", "done"]
    with listen(job) as news:
        slot, *_, done = list(news)
        assert str(image.pk) in slot.data["html"]
        assert done.data == {"job": str(job.pk)}


def test_a_stream_of_two_jobs_ends_with_the_second(ask: Ask, listen: Any) -> None:
    jobs = ask("A fox"), ask("A boat")
    with listen(*jobs) as news:
        until(news, "summary")
        until(news, "summary")
        for job in jobs:
            fail(job.scenes.get())
            assert until(news, "done")[-1].data == {"job": str(job.pk)}
        assert list(news) == []


def test_who_comes_back_gets_what_changed_meanwhile_only(ask: Ask, listen: Any) -> None:
    job = ask("A fox", "A boat", "A town")
    rows = list(job.scenes.all())
    for row in rows:
        change(row, changed_at=Now() - timedelta(hours=1))
    run(rows[1])
    with listen(job, since=(timezone.now() - timedelta(minutes=1)).isoformat()) as news:
        assert [event.data.get("id") for event in until(news, "summary")] == [f"scene-{rows[1].pk}", None]
    with listen(job, since="yesterday or so") as news:
        assert len(until(news, "summary")) == 4


def test_a_lease_that_runs_out_changes_no_row_and_is_seen(ask: Ask, listen: Any) -> None:
    job = ask("A fox")
    row = job.scenes.get()
    run(row, lease=0.5)
    with listen(job) as news:
        assert "is-drawing" in until(news, "summary")[0].data["html"]
        assert "is-resuming" in until(news, "summary")[0].data["html"]


def test_a_change_that_is_seen_late_is_not_missed(ask: Ask) -> None:
    """A transaction writes its time first and is seen when it commits: after one that began later."""
    job = ask("A fox", "A boat")
    first, second = job.scenes.all()
    run(first)
    before = events.read_marks([job.pk])[job.pk]
    _, sent = events._changes(job.pk, before, {})
    run(second, changed_at=Now() - timedelta(seconds=3))
    assert events.read_marks([job.pk])[job.pk] != before
    news, _ = events._changes(job.pk, before, sent)
    assert f"scene-{second.pk}" in news.text
    assert f"scene-{first.pk}" not in news.text


def test_a_job_that_is_deleted_is_done(ask: Ask, listen: Any) -> None:
    job = ask("A fox")
    with listen(job) as news:
        until(news, "summary")
        GenerationJob.objects.filter(pk=job.pk).delete()
        assert [event.name for event in news] == ["done"]


# ---- what it costs --------------------------------------------------------------------------------


def test_one_read_a_second_serves_any_number_of_viewers(ask: Ask, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SECONDS_BETWEEN_READS", 1.0)
    monkeypatch.setattr(events, "SECONDS_BETWEEN_READS_OF_THE_LINE", 60.0)
    jobs = ask("A fox"), ask("A boat")
    asked: list[str] = []
    execute = CursorWrapper.execute

    def counted(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        asked.append(sql)
        return execute(self, sql, params)

    def idle_reads(viewers: int) -> list[str]:
        open_streams = [listen(*jobs) for _ in range(viewers)]
        for one in open_streams:
            news = one.__enter__()
            until(news, "summary")
            until(news, "summary")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CursorWrapper, "execute", counted)
            threading.Event().wait(3.5)
        for one in open_streams:
            one.__exit__(None, None, None)
        reads, asked[:] = [sql for sql in asked if not sql.startswith("PRAGMA")], []
        return reads

    for viewers in (1, 12):
        reads = idle_reads(viewers)
        assert 3 <= len(reads) <= 4, reads
        assert all("GROUP BY" in sql for sql in reads)


def test_a_change_is_read_and_rendered_once_for_all_viewers(
    ask: Ask, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask("A fox")
    rendered: list[object] = []
    changes = events._changes

    def counted(*given: Any) -> Any:
        rendered.append(given)
        return changes(*given)

    monkeypatch.setattr(events, "_changes", counted)
    with listen(job) as first, listen(job) as second:
        until(first, "summary")
        until(second, "summary")
        run(job.scenes.get())
        assert until(first, "summary") == until(second, "summary")
    assert len(rendered) == 1


def test_who_leaves_is_no_longer_read_for(ask: Ask, listen: Any, server: Server, wait_for: WaitFor) -> None:
    job = ask("A fox")

    def watched() -> int:
        return sum(len(one.queues) for watcher in server.watchers() for one in watcher.watched.values())

    with listen(job) as first, listen(job) as second:
        until(first, "summary")
        until(second, "summary")
        assert watched() == 2
    wait_for(lambda: watched() == 0, 5)
    assert not any(watcher.watched for watcher in server.watchers())


def test_a_database_that_is_away_for_a_moment_ends_no_stream(
    ask: Ask, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask("A fox")
    read_marks, failures = events.read_marks, [OperationalError("away")] * 3

    def away(jobs: list[Any]) -> Any:
        if failures:
            raise failures.pop()
        return read_marks(jobs)

    with listen(job) as news:
        until(news, "summary")
        monkeypatch.setattr(events, "read_marks", away)
        run(job.scenes.get())
        assert "is-drawing" in until(news, "summary")[0].data["html"]


def test_a_stream_ends_after_a_while_and_shows_signs_of_life_before(
    ask: Ask, server: Server, cookies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SECONDS_BETWEEN_SIGNS_OF_LIFE", 0.2)
    monkeypatch.setattr(events, "STREAM_LASTS", 1.0)
    job = ask("A fox")
    answer = requests.get(f"{server.address}/events/", {"job": str(job.pk)}, cookies=cookies, timeout=10)
    assert answer.text.count(": still here") >= 3
    assert "event: done" not in answer.text


def test_a_reader_that_falls_behind_is_sent_away() -> None:
    async def fall_behind() -> list[events.News | None]:
        queue: events.Queue = asyncio.Queue(2)
        for text in "abc":
            events._put(queue, events.News(uuid4(), text, is_last=False))
        return [queue.get_nowait() for _ in range(queue.qsize())]

    assert asyncio.run(fall_behind()) == [None]


# ---- who may look ---------------------------------------------------------------------------------


def test_a_job_of_somebody_else_is_not_there(ask: Ask, server: Server, cookies: dict[str, str]) -> None:
    mine, theirs = ask("A fox"), ask("A boat", owner=User.objects.create_user("stranger"))
    for asked in ([theirs.pk], [mine.pk, theirs.pk], [uuid4()], ["nonsense"], [], [mine.pk] + [uuid4()] * 30):
        address, jobs = f"{server.address}/events/", [("job", str(one)) for one in asked]
        assert requests.get(address, jobs, cookies=cookies, timeout=10, stream=True).status_code == 404
    signed_out = requests.get(f"{server.address}/events/", {"job": str(mine.pk)}, allow_redirects=False, timeout=10)
    assert signed_out.status_code == 302


# ---- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def browser_page(page: Any, server: Server, cookies: dict[str, str]) -> Any:
    page.context.add_cookies([{"name": "sessionid", "value": cookies["sessionid"], "url": server.address}])
    page.wrong = []
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    return page


def rows_of(job: GenerationJob) -> list[SceneGeneration]:
    return list(job.scenes.order_by("position"))


@pytest.mark.browser
def test_the_job_page_follows_without_a_reload_and_keeps_focus(
    ask: Ask, server: Server, browser_page: Any, wait_for: WaitFor
) -> None:
    page, job = browser_page, ask("A fox", "A boat", "A town")
    first, second, third = rows_of(job)
    page.goto(f"{server.address}{job.get_absolute_url()}")
    page.evaluate("window.sameDocument = true")
    page.focus("#job-cancel")
    run(first)
    page.wait_for_selector(f"#scene-{first.pk}.is-drawing")
    assert "Drawing, 1" in page.inner_text(f"#scene-{first.pk}")
    before = page.inner_text(f"#scene-{first.pk} time")
    wait_for(lambda: page.inner_text(f"#scene-{first.pk} time") != before)
    save(first)
    fail(second)
    page.wait_for_selector(f"#scene-{first.pk} .slot-new")
    page.wait_for_selector(f"#scene-{second.pk}.is-failed")
    assert "1 of 3 pictures" in page.inner_text("#job-summary")
    assert "Scene 1 saved in 9.0 s" in page.inner_text("#job-happened")
    wait_for(lambda: "1 of 3 pictures" in page.inner_text("#status"))
    assert page.evaluate("window.sameDocument && document.activeElement.id") == "job-cancel"
    # The button of a slot that came with the stream sends the page's own form.
    page.click(f"#slot-step-{second.pk}")
    page.wait_for_selector(f"#scene-{second.pk}.is-waiting")
    save(second)
    save(third)
    page.wait_for_selector("#job-cancel", state="detached")
    assert "Finished" in page.inner_text("#job-summary")
    # The rows of these pictures have no files; nothing else may go wrong.
    assert [text for text in page.wrong if "404" not in text] == []


@pytest.mark.browser
def test_without_an_event_stream_the_page_is_asked_again(
    ask: Ask, server: Server, browser_page: Any, wait_for: WaitFor
) -> None:
    page, job = browser_page, ask("A fox", "A boat")
    first, second = rows_of(job)
    page.route("**/events/**", lambda route: route.fulfill(status=503, body=""))
    page.goto(f"{server.address}{job.get_absolute_url()}")
    page.evaluate("window.sameDocument = true")
    page.focus("#job-cancel")
    run(first)
    page.wait_for_selector(f"#scene-{first.pk}.is-drawing", timeout=8000)
    assert page.evaluate("window.sameDocument && document.activeElement.id") == "job-cancel"
    save(first)
    save(second)
    page.wait_for_selector("#job-cancel", state="detached", timeout=8000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3500)
    assert [url for url in asked if "/jobs/" in url] == []


@pytest.mark.browser
def test_a_hidden_tab_holds_no_stream(ask: Ask, server: Server, browser_page: Any, wait_for: WaitFor) -> None:
    page, job = browser_page, ask("A fox")

    def watched() -> int:
        return sum(len(watcher.watched) for watcher in server.watchers())

    def show(hidden: str) -> None:
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    page.goto(f"{server.address}{job.get_absolute_url()}")
    wait_for(lambda: watched() == 1, 5)
    show("true")
    wait_for(lambda: watched() == 0, 5)
    run(job.scenes.get())
    show("false")
    page.wait_for_selector(f"#scene-{job.scenes.get().pk}.is-drawing")
