"""`kill -9` at every point of a scene's life, and of the sweep's: one picture, one object and no call too many."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection

from gallery.models import Upload, object_names
from generation.engine import work
from generation.kill_points import POINTS, Point
from generation.models import GenerationJob
from generation.objects import delete_unwanted
from generation.tests.attack.checker import sweep_through
from generation.tests.attack.conftest import files
from generation.tests.attack.processes import Armed, Processes, make_all
from generation.tests.loopback.cloudinary import LoopbackCloudinary, keep_pictures_in
from generation.tests.providers import picture

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]

OF_THE_SWEEP = [point for point in POINTS if point.startswith(("object.", "entry."))]
OF_A_SCENE = [point for point in POINTS if point not in OF_THE_SWEEP]
SCENES_A_JOB = 4
JOBS_AT_ONCE = 5
PICTURE = picture(seed=0)


@dataclass(frozen=True)
class Fire:
    """How often a process is killed at the point, and what the storage holds afterwards."""

    times: int
    objects: Callable[[], dict[str, bytes]]


@pytest.fixture(
    params=[
        pytest.param(("local", 3), id="3 on disk"),
        pytest.param(("local", 50), id="50 on disk", marks=pytest.mark.slow),
        pytest.param(("cloudinary", 50), id="50 in Cloudinary", marks=pytest.mark.slow),
    ]
)
def fire(request: pytest.FixtureRequest, fast: Any) -> Iterator[Fire]:
    storage, times = request.param
    # Where the machine is busy with much else, leases of a second are lost without any kill, too.
    fast.GENERATION_ATTEMPTS = 20
    if storage == "cloudinary":
        with LoopbackCloudinary() as cloud:
            keep_pictures_in(cloud, fast)
            fast.GENERATION_UPLOAD_DEADLINE = 4
            yield Fire(times, lambda: {name: stored.content for name, stored in cloud.objects.items()})
    else:
        # The third time says nothing new on another database.
        yield Fire(1 if times == 3 and connection.vendor == "postgresql" else times, files)


@pytest.mark.parametrize("point", OF_A_SCENE)
def test_killed_in_the_life_of_a_scene(
    point: Point, fire: Fire, ask: Ask, processes: Processes, check: Callable[..., None]
) -> None:
    """Half of the kills hit a fresh worker, the first or the second time it gets there; half hit its rescuer."""
    kills = 0
    while kills < fire.times:
        jobs = [_story(ask) for _ in range(min(JOBS_AT_ONCE, (fire.times - kills + 1) // 2))]
        fresh = [_kill(processes, job, Armed(point, passes=number % 2)) for number, job in enumerate(jobs)]
        _wait_for_deaths(processes, fresh)
        rescuers = [_kill(processes, job, Armed(point)) for job in jobs[: fire.times - kills - len(fresh)]]
        _wait_for_deaths(processes, rescuers)
        kills += len(fresh) + len(rescuers)
    assert processes.wait(processes.start(make_all)) == 0
    check(objects=fire.objects)
    assert set(GenerationJob.objects.values_list("scenes__status", flat=True)) == {"saved"}


@pytest.mark.parametrize("point", OF_THE_SWEEP)
def test_killed_in_the_sweep(
    point: Point, fire: Fire, ask: Ask, processes: Processes, check: Callable[..., None], settings: Any
) -> None:
    _story(ask)
    work()
    for _ in range(fire.times + 1):
        _leave_behind(settings.MEDIA_STORAGE)
    for number in range(fire.times):
        passes = number % 3 if point.startswith("object.") else 0
        killed = processes.start(sweep_through, armed=Armed(point, passes))
        assert processes.wait(killed) == -signal.SIGKILL
    assert Upload.objects.exists()
    assert processes.wait(processes.start(delete_unwanted)) == 0
    check(objects=fire.objects)


def _kill(processes: Processes, job: GenerationJob, armed: Armed) -> int:
    return processes.start(partial(make_all, job.pk), armed=armed)


def _wait_for_deaths(processes: Processes, killed: list[int]) -> None:
    assert [processes.wait(process) for process in killed] == [-signal.SIGKILL] * len(killed)


def _story(ask: Ask) -> GenerationJob:
    """Its scenes have seeds of their own."""
    seed = SCENES_A_JOB * GenerationJob.objects.count()
    return ask(*["[slow 0.05] a scene"] * SCENES_A_JOB, seed=seed)


def _leave_behind(storage: str) -> None:
    """What a scene that was deleted meanwhile has in storage."""
    name = f"{uuid4()}/1-00000000"
    Upload.objects.create(name=name, storage=storage, generation_id=uuid4(), token=1)
    for one in object_names(name) if storage == "local" else (name,):
        storages[storage].save(one, ContentFile(PICTURE))
