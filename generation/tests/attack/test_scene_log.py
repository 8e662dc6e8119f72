"""One scene can be followed through the log of all workers: each of its lines says whose it is."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from generation.models import GenerationJob, SceneGeneration
from generation.tests.attack.processes import Armed, Processes, make_all

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]
LINE = re.compile(r"\S+ \S+ [A-Z]+ (?P<event>[a-z_.]+)(?P<fields>( [a-z_]+=\S*)*)")


CLAIMED, CALLED, SAVED = "scene.claimed", "scene.called", "scene.saved"
CALL_FAILED, AGAIN, FAILED = "scene.call_failed", "scene.queued_again", "scene.failed"


def test_a_scene_is_followed_through_two_workers(fast: Any, ask: Ask, processes: Processes) -> None:
    job = ask("a fox")
    processes.wait(processes.start(make_all, armed=Armed("upload.original")))
    processes.wait(processes.start(make_all))
    assert _told(job.scenes.get(), processes) == [
        (CLAIMED, 1, 1, ""),
        (CALLED, 1, 1, ""),
        (CLAIMED, 2, 2, ""),
        (CALLED, 2, 2, ""),
        (SAVED, 2, 2, ""),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "[fail 1] it fails once",
            [
                (CLAIMED, 1, 1, ""),
                (CALL_FAILED, 1, 1, "provider_unavailable"),
                (AGAIN, 1, 1, "provider_unavailable"),
                (CLAIMED, 2, 2, ""),
                (CALLED, 2, 2, ""),
                (SAVED, 2, 2, ""),
            ],
        ),
        (
            "[wait 0.2] an attempt is given back",
            [
                (CLAIMED, 1, 1, ""),
                (CALL_FAILED, 1, 1, "rate_limited"),
                (AGAIN, 1, 1, "rate_limited"),
                (CLAIMED, 1, 2, ""),
                (CALLED, 1, 2, ""),
                (SAVED, 1, 2, ""),
            ],
        ),
        (
            "[refuse] it is refused",
            [(CLAIMED, 1, 1, ""), (CALL_FAILED, 1, 1, "request_refused"), (FAILED, 1, 1, "request_refused")],
        ),
    ],
)
def test_what_goes_wrong_is_told_with_what_follows(
    fast: Any, ask: Ask, processes: Processes, text: str, lines: list[tuple[str, int, int, str]]
) -> None:
    job = ask(text, seed=1)
    processes.wait(processes.start(make_all))
    assert _told(job.scenes.get(), processes) == lines


def test_what_a_provider_logs_of_a_call_says_whose_it_is(fast: Any, ask: Ask, processes: Processes) -> None:
    scenes = ask("[log] [slow 0.5] a fox", "[log] [slow 0.5] an owl", seed=1).scenes.all()
    processes.wait(processes.start(make_all))
    for scene in scenes:
        (line,) = [line for line in _lines_of(scene, processes.log) if line["event"] == "directed.asked"]
        assert (line["seed"], line["attempt"], line["token"]) == (str(scene.seed), "1", "1")


def _told(scene: SceneGeneration, processes: Processes) -> list[tuple[str, int, int, str]]:
    """Event, attempt, token and code of each of its lines."""
    lines = _lines_of(scene, processes.log)
    return [(line["event"], int(line["attempt"]), int(line["token"]), line.get("code", "")) for line in lines]


def _lines_of(scene: SceneGeneration, log: str) -> list[dict[str, str]]:
    """The lines that name it, each as its event and fields."""
    found = []
    for line in log.splitlines():
        parts = LINE.fullmatch(line)
        assert parts, f"no event with fields: {line}"
        fields = dict(field.split("=", 1) for field in parts["fields"].split())
        if fields.get("scene") == str(scene.pk):
            assert fields["job"] == str(scene.job_id)
            found.append({"event": parts["event"], **fields})
    return found
