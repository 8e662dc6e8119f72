"""The queue server loses everything, restarts, or is away: work goes on from the database, without help."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import django_rq
import psutil
import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from rq import Worker

from accounts.models import User
from gallery.models import Image, Upload
from generation import tasks
from generation.models import GenerationJob, SceneGeneration
from generation.tests import providers
from generation.tests.attack.processes import Processes
from generation.tests.loopback.pollinations import LoopbackPollinations
from storyapp import queue_server
from storyapp.tests.installation import Installation, wait_until

Ask = Callable[..., GenerationJob]
# Seconds on a machine that is busy with much else.
PATIENCE = 90
SCENES = 50
SERVERS = {"valkey-server", "redis-server"}
AWAY = pytest.mark.parametrize("away", [2.0, pytest.param(60.0, marks=pytest.mark.slow)])


class QueueServer:
    """A queue server that a test can take away. Its folder stays, and with it what it had been told to keep."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.address = f"unix://{queue_server.socket_path(data)}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self._process = subprocess.Popen(queue_server.command(self.data), stdout=subprocess.DEVNULL)
        wait_until(lambda: queue_server.answers(self.data))
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget_everything(self) -> None:
        forget_everything(self.data)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def forget_everything(data: Path) -> None:
    with redis.Redis(unix_socket_path=str(queue_server.socket_path(data))) as server:
        server.flushall()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueServer]:
    """A queue server of this test's own, under whose address this process and its children find it."""
    with tempfile.TemporaryDirectory(prefix="storyapp-queue-") as folder:
        server = QueueServer(Path(folder))
        monkeypatch.setitem(django_settings.RQ_QUEUES["default"], "URL", server.address)
        monkeypatch.setattr(django_settings, "REDIS_URL", server.address)
        yield server.start()
        server.kill()


@pytest.fixture
def processes(
    directed: Any, transactional_db: None, tmp_path: Path, queue: QueueServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Processes]:
    """Before the queue server, which they would miss."""
    started = Processes(tmp_path)
    # A worker looks at its horse, and tells the queue server so, every second instead of every half a minute.
    every_second = property(lambda worker: 1, lambda worker, seconds: None)
    monkeypatch.setattr(tasks.SceneWorker, "job_monitoring_interval", every_second, raising=False)
    yield started
    started.end()


def saved(*jobs: GenerationJob) -> bool:
    rows = SceneGeneration.objects.filter(job__in=jobs)
    return rows.exists() and set(rows.values_list("status", flat=True)) == {"saved"}


def check_each_was_made_once(*jobs: GenerationJob) -> None:
    rows = list(SceneGeneration.objects.filter(job__in=jobs))
    assert Image.objects.filter(generation_id__in=[row.pk for row in rows]).count() == len(rows)
    assert {row.token for row in rows} == {1}, "what ran went on without the queue server"
    assert providers.calls() == SceneGeneration.objects.count()
    assert not Upload.objects.exists()


@AWAY
@pytest.mark.django_db(transaction=True)
def test_fifty_scenes_are_saved_whatever_becomes_of_the_queue(
    processes: Processes, queue: QueueServer, directed: Any, ask: Ask, client: Client, owner: User, away: float
) -> None:
    directed.GENERATION_THREADS = 5
    workers = [processes.worker(), processes.worker()]
    processes.sweep(every=0.5)
    job = ask(*[f"[slow 0.6] scene {number}" for number in range(SCENES)])
    tasks.wake(SCENES)

    wait_until(lambda: providers.calls() >= 10, PATIENCE)
    queue.forget_everything()
    wait_until(lambda: providers.calls() >= 20, PATIENCE)
    queue.kill()
    queue.start()
    wait_until(lambda: providers.calls() >= 30, PATIENCE)
    queue.kill()
    asked_meanwhile = press_generate(client, owner)
    time.sleep(away)
    queue.start()

    wait_until(lambda: saved(job, asked_meanwhile), PATIENCE)
    check_each_was_made_once(job, asked_meanwhile)
    assert all(is_alive(worker) for worker in workers)


@AWAY
@pytest.mark.django_db(transaction=True)
def test_idle_workers_outlast_an_outage_and_take_up_what_was_asked_in_it(
    processes: Processes, queue: QueueServer, ask: Ask, client: Client, owner: User, away: float
) -> None:
    """One waits for a task, one ends its task meanwhile, and one begins when nobody answers."""
    workers = [processes.worker(), processes.worker()]
    processes.sweep(every=0.5)
    job = ask("[slow 0.5] a fox")
    wait_until(lambda: providers.calls() == 1, PATIENCE)
    queue.kill()
    workers.append(processes.worker())
    wait_until(lambda: saved(job) and not any(psutil.Process(worker).children() for worker in workers), PATIENCE)
    asked_meanwhile = press_generate(client, owner)
    time.sleep(away)
    assert providers.calls() == 1

    queue.start()
    wait_until(lambda: saved(asked_meanwhile), PATIENCE)
    check_each_was_made_once(job, asked_meanwhile)
    assert all(is_alive(worker) for worker in workers)


def is_alive(process: int) -> bool:
    return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)


@pytest.mark.django_db(transaction=True)
def test_a_queue_server_that_forgot_its_workers_counts_them_again(
    processes: Processes, queue: QueueServer, ask: Ask
) -> None:
    """Else one worker alone would be woken, however much there is to do."""
    workers = [processes.worker(), processes.worker()]
    processes.sweep(every=0.5)
    wait_until(lambda: known_workers() == 2, PATIENCE)
    queue.forget_everything()
    job = ask(*[f"[slow 0.2] scene {number}" for number in range(20)])
    wait_until(lambda: saved(job), PATIENCE)
    wait_until(lambda: known_workers() == 2, PATIENCE)
    assert all(is_alive(worker) for worker in workers)


@pytest.mark.django_db(transaction=True)
def test_a_queue_server_that_hangs_holds_up_no_press_of_generate(
    queue: QueueServer, directed: Any, client: Client, owner: User
) -> None:
    with queue.hanging():
        press_generate(client, owner)


@pytest.mark.slow
def test_an_installation_whose_queue_server_fails_in_every_way(
    installation: Callable[..., Installation], measured: Callable[[str], None]
) -> None:
    """It forgets everything, is killed, which the supervisor sees, and hangs for a minute."""
    with LoopbackPollinations(delay=10) as pollinations:
        here = installation("--workers", "2", **pollinations.variables(), POLLINATIONS_CONCURRENCY="10")
        session = here.session()
        here.generate(session, *(f"Scene {number}" for number in range(SCENES)))
        wait_until(lambda: len(pollinations.requests) >= 10, PATIENCE)
        forget_everything(here.data)
        wait_until(lambda: len(pollinations.requests) >= 20, PATIENCE)
        queue_server_of(here).kill()
        wait_until(lambda: len(pollinations.requests) >= 30, PATIENCE)
        hanging = queue_server_of(here)
        wait_until(lambda: queue_server.answers(here.data), PATIENCE)
        hanging.suspend()
        began = time.monotonic()
        here.generate(session, "Asked meanwhile")
        measured(f"Generate while the queue server hangs: {time.monotonic() - began:.1f} s")
        time.sleep(60)
        hanging.resume()

        unsaved = "SELECT count(*) FROM generation_scenegeneration WHERE status != 'saved'"
        wait_until(lambda: here.rows(unsaved) == [(0,)], PATIENCE)
        assert len(pollinations.requests) == SCENES + 1
    assert here.rows("SELECT count(*) FROM gallery_image") == [(SCENES + 1,)]
    assert here.rows("SELECT DISTINCT token FROM generation_scenegeneration") == [(1,)]


def queue_server_of(here: Installation) -> psutil.Process:
    """Where it has just died, the next one. It is known by its name: it writes over what else tells whose it is."""
    supervisor = psutil.Process(here.process.pid)
    (server,) = wait_until(lambda: [one for one in supervisor.children() if one.name() in SERVERS], PATIENCE)
    assert isinstance(server, psutil.Process)
    return server


def known_workers() -> int:
    return Worker.count(queue=django_rq.get_queue(tasks.QUEUE))


def press_generate(client: Client, owner: User) -> GenerationJob:
    """While the queue server is away: accepted at once, as ever."""
    client.force_login(owner)
    began = time.monotonic()
    form = {"title": "Asked meanwhile", "scenes": "A boat", "provider": "directed"}
    answer = client.post(reverse("generation:generate"), form)
    assert answer.status_code == 303, answer.content
    assert time.monotonic() - began < 10
    return GenerationJob.objects.get(story__title="Asked meanwhile")
