"""The whole program against servers that speak the vendors' protocols: what it costs there, and what it leaks."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import requests

from generation.tests.loopback import faults
from generation.tests.loopback.cloudinary import LoopbackCloudinary
from generation.tests.loopback.comfyui import LoopbackComfyUI
from generation.tests.loopback.pollinations import LoopbackPollinations, draw
from storyapp.tests.installation import Installation, command_of, wait_until

Start = Callable[..., Installation]
QUICK = {"GENERATION_LEASE": "2", "GENERATION_SWEEP": "0.5"}
KEY, SECRET = "sk_Canary4711pollinations", "Canary4711-cloudinary"


@pytest.fixture
def cloud() -> Iterator[LoopbackCloudinary]:
    with LoopbackCloudinary(secret=SECRET) as server:
        yield server


def all_saved(here: Installation, count: int) -> bool:
    return here.rows("SELECT status FROM generation_scenegeneration") == [("saved",)] * count


def test_of_thirty_variations_one_is_downloaded_and_uploaded(installation: Start, cloud: LoopbackCloudinary) -> None:
    with LoopbackComfyUI() as comfyui:
        here = installation("--workers", "1", **comfyui.variables(), **cloud.variables())
        here.generate(here.session(), "A fox in the forest", quantity="4")
        wait_until(lambda: all_saved(here, 4), 60)

        assert len(comfyui.asked("/view")) == len(comfyui.runs) == len(cloud.uploads) == 4
    rows = here.rows("SELECT bytes, sha256, storage FROM gallery_image")
    assert len({sha256 for _, sha256, _ in rows}) == 4
    assert {storage for *_, storage in rows} == {"cloudinary"}
    assert sum(request.sent for request in comfyui.asked("/view")) == sum(size for size, *_ in rows)
    assert here.log("worker-1").count("variations_offered=30 downloaded=1 uploaded=1") == 4


@pytest.mark.slow
def test_a_kill_between_submit_and_fetch_collects_what_the_server_made(installation: Start) -> None:
    with LoopbackComfyUI(delay=3, variations=2) as comfyui:
        here = installation("--workers", "1", **comfyui.variables(), **QUICK)
        here.generate(here.session(), "A fox in the forest")
        wait_until(lambda: comfyui.prompts, 20)
        horses = [child for one in here.processes if "rqworker" in command_of(one) for child in one.children()]
        assert horses
        for horse in horses:
            horse.send_signal(signal.SIGKILL)
        wait_until(lambda: all_saved(here, 1), 60)

        assert len(comfyui.prompts) == len(comfyui.runs) == len(comfyui.asked("/view")) == 1
    assert here.rows("SELECT token, attempt FROM generation_scenegeneration") == [(2, 2)]
    assert here.rows("SELECT count(*) FROM gallery_image") == [(1,)]


def test_no_key_is_in_a_page_a_log_a_row_or_the_process_list(installation: Start, cloud: LoopbackCloudinary) -> None:
    with LoopbackPollinations(key=KEY) as pollinations:
        here = installation("--workers", "1", **pollinations.variables(), **cloud.variables())
        session = here.session()
        job = here.generate(session, "A fox in the forest", "This is forbidden", "The sea")
        ended = "SELECT count(*) FROM generation_scenegeneration WHERE status IN ('saved', 'failed')"
        wait_until(lambda: here.rows(ended) == [(3,)], 60)
        assert all(request.headers.get("Authorization") == f"Bearer {KEY}" for request in pollinations.requests)

        shown = [page.text for page in pages(here, session, job)]
        listed = [" ".join(command_of(process)) for process in psutil.process_iter()]
    assert any("rqworker" in command for command in listed)
    kept = [path.read_bytes().decode("latin-1") for path in files(here.data) if path.name != "secret_key"]
    for text in [*shown, *listed, *kept, here.said]:
        assert "Canary4711" not in text


@pytest.mark.slow
def test_hostile_answers_do_not_fill_a_workers_memory(installation: Start, measured: Callable[[str], None]) -> None:
    picture = draw("a fox", seed=1)
    hostile = [
        *(faults.huge(), faults.huge(says_length=False), faults.gzip_bomb(), faults.pixel_bomb(), faults.animation()),
        *(faults.svg(), faults.many_headers(picture), faults.lying_length(picture, by=10_000), faults.half(picture)),
    ]
    with LoopbackPollinations(key=KEY) as pollinations:
        variables = {"GENERATION_ATTEMPTS": "1", "GENERATION_DEADLINE": "20", "POLLINATIONS_CONCURRENCY": "1"}
        here = installation("--workers", "1", **pollinations.variables(), **variables)
        pollinations.answer_next(*hostile)
        (worker,) = [one for one in here.processes if "rqworker" in command_of(one)]
        idle = worker.memory_info().rss
        here.generate(here.session(), *(f"Scene {number}" for number in range(len(hostile))))
        most = idle
        while here.rows("SELECT count(*) FROM generation_scenegeneration WHERE status = 'failed'") < [(len(hostile),)]:
            for process in [worker, *worker.children()]:
                with suppress(psutil.Error):
                    most = max(most, process.memory_info().rss)
            time.sleep(0.02)
        measured(f"nine hostile answers raised a worker's memory by {(most - idle) / 2**20:.0f} MiB")
    assert most - idle <= 128 * 2**20
    assert here.rows("SELECT count(*) FROM gallery_image") == here.rows("SELECT count(*) FROM gallery_upload") == [(0,)]


def pages(here: Installation, session: requests.Session, job: str) -> Iterator[requests.Response]:
    (image,), (story,) = here.rows("SELECT id FROM gallery_image LIMIT 1"), here.rows("SELECT slug FROM gallery_story")
    admin = ("generation/sceneGeneration/", "generation/provideraccount/", "gallery/image/")
    paths = ["/", "/library/", "/jobs/", f"/stories/{story[0]}/", f"/images/{UUID(image[0])}/", "/stories/new/"]
    for address in [job, *(here.address + path for path in [*paths, *(f"/admin/{one.lower()}" for one in admin)])]:
        page = session.get(address, timeout=10)
        assert page.ok, address
        yield page


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
