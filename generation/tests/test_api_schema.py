"""Schemathesis over the API's own document: whatever is sent, every answer is one that the document tells of.

Cases come from the document alone and are the same in every run, and each of them finds the same rows: what it makes is
taken back.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.configuration
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis.checks import ignored_auth
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from accounts.models import ApiToken, User
from gallery.models import Character, Story
from generation.models import GenerationJob
from generation.tests import rows

# Of each operation, how many cases there are at least. What takes a body has more that can be wrong.
OPERATIONS = {
    "POST /api/image-generation/generate": 260,
    "GET /api/image-generation/jobs": 80,
    "GET /api/image-generation/jobs/{id}": 50,
    "POST /api/image-generation/jobs/{id}/cancel": 50,
    "POST /api/image-generation/jobs/{id}/retry": 50,
    "GET /api/characters": 80,
    "POST /api/characters": 110,
    "GET /api/characters/{slug}": 50,
    "GET /api/characters/{slug}/images": 80,
    "GET /api/stories": 80,
    "POST /api/stories": 90,
    "GET /api/stories/{slug}": 50,
    "GET /api/stories/{slug}/images": 80,
}
CONFIG = {
    "generation": {
        "deterministic": True,
        "database": "none",
        "no-shrink": True,
        "max-examples": 40,
        # One of the checks sends each request without a token and with a wrong one. Drawn as well, wrong tokens would
        # leave few cases to get past the door.
        "with-security-parameters": False,
    },
}
COMFYUI = {
    "workflow": str(Path(__file__).parent / "recordings" / "comfyui" / "workflow_30_with_prompt_node.json"),
    "servers": ["http://127.0.0.1:9"],
}

Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]


@dataclass(frozen=True)
class Existing:
    """What stands for rows in addresses and bodies, and in `cursor`. The job has a scene in every status."""

    names: dict[str, str]
    cursors: dict[str, str]


@pytest.fixture(autouse=True)
def _the_same_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis would draw from the constants of our modules, those that happen to be loaded."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    # All that it keeps are tables of Unicode, which take seconds to make: beside the packages, for the next run.
    hypothesis.configuration.set_hypothesis_home_dir(Path(sys.prefix, "hypothesis"))


@pytest.fixture(autouse=True)
def _connections_stay_open() -> Iterator[None]:
    """A request closes a connection that it finds inside a transaction. Django's own test client prevents that, too."""
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


@pytest.fixture
def token(owner: User) -> str:
    return ApiToken.objects.issue(owner, "tests")


@pytest.fixture
def existing(
    owner: User, ask: Callable[..., GenerationJob], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Existing:
    settings.GENERATION_PROVIDER_OPTIONS = {**settings.GENERATION_PROVIDER_OPTIONS, "comfyui": COMFYUI}
    # Nobody is to be woken up, whoever waits in this process for another test.
    monkeypatch.setitem(settings.RQ_QUEUES["default"], "URL", "unix:///nowhere")
    mira = Character.objects.create(owner=owner, name="Mira")
    lantern = Story.objects.create(owner=owner, title="The lantern")
    job = ask("one", "two", "three", "four", "five", characters=(mira,), story=lantern)
    _, running, saved, failed, cancelled = job.scenes.all()
    rows.run(running)
    image = rows.save(saved)
    rows.fail(failed)
    rows.change(cancelled, status="cancelled")
    found = {"jobs": job, "characters": mira, "stories": lantern, "images": image}
    return Existing(
        names={"jobs": str(job.pk), "characters": mira.slug, "stories": lantern.slug},
        cursors={kind: str(row.pk) for kind, row in found.items()},
    )


def test_every_operation_of_the_document_is_tried() -> None:
    assert {operation.label for operation in _operations().values()} == OPERATIONS.keys()
    assert sum(OPERATIONS.values()) >= 1_000


@pytest.mark.django_db
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_answer_leaves_the_document(
    label: str, token: str, existing: Existing, measured: Callable[[str], None]
) -> None:
    answers: Counter[int] = Counter()

    def test(case: Case) -> None:
        _of_what_exists(case, existing)
        # It asks twice more for each answer that is a success. Once for an operation is enough.
        shown = [ignored_auth] if any(status < 300 for status in answers) else []
        with transaction.atomic():
            answer = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=shown)
            transaction.set_rollback(True)
        answers[answer.status_code] += 1

    _test_of(label, test)()
    measured(f"{label}: {answers.total()} cases, {dict(sorted(answers.items()))}")
    assert answers.total() >= OPERATIONS[label]


@pytest.mark.django_db
def test_a_job_with_a_scene_in_every_status_fits_the_document(token: str, existing: Existing) -> None:
    case = _operations()["GET /api/image-generation/jobs/{id}"].Case(path_parameters={"id": existing.names["jobs"]})
    job = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}).json()
    assert [scene["status"] for scene in job["scenes"]] == ["queued", "running", "saved", "failed", "cancelled"]
    for name, value in {"JobJson": job, "SceneJson": job["scenes"][2], "ImageJson": job["scenes"][2]["image"]}.items():
        assert set(case.operation.schema.raw_schema["components"]["schemas"][name]["required"]) == value.keys()


def _test_of(label: str, test: Callable[[Case], None]) -> Callable[[], None]:
    """What `schema.parametrize()` makes of it, without the plugin, which costs every process of the tests a second."""
    operation = _operations()[label]
    made: Callable[[], None] = build_operation_test(
        config=operation.schema.config,
        operation=operation,
        test_func=test,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    return made


@cache
def _operations() -> dict[str, Operation]:
    config = SchemathesisConfig.from_dict(CONFIG)
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler(), config=config)
    found = [operation.ok() for operation in schema.get_all_operations() if isinstance(operation, Ok)]
    return {operation.label: operation for operation in found}


def _of_what_exists(case: Case, existing: Existing) -> None:
    """Puts what finds a row where drawn values would find none. What is drawn to be wrong stays as it is."""
    meta = case.meta
    assert meta is not None
    if (place := re.search(r"(\w+)/{(\w+)}", case.path)) and not meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters[place[2]] = existing.names[place[1]]
    if "cursor" in case.query and not meta.is_negative_at(ParameterLocation.QUERY):
        case.query["cursor"] = existing.cursors[case.path.rpartition("/")[2]]
    if isinstance(case.body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        for field, kind in (("character", "characters"), ("story", "stories")):
            if isinstance(case.body.get(field), str):
                case.body[field] = existing.names[kind]
