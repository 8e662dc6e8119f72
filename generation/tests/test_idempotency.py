"""One Idempotency-Key twenty times at once: one job, because the database itself lets no second one in."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import cycle, islice
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations import RemoveConstraint
from django.db.migrations.state import ProjectState

from accounts.models import ApiToken, User
from gallery.models import Scene
from generation.generate import Asked, KeyReused, generate
from generation.models import GenerationJob, SceneGeneration

PRESSES = 20
CONSTRAINT = "idempotency_key_once_a_person"

# Presses Generate for scenes of these texts, once everybody is ready, all with one key. Gives the job, or None where
# the key was already used for another request.
Press = Callable[[Sequence[str], Barrier], UUID | None]


@pytest.fixture(params=["by function", "over HTTP"])
def press(request: pytest.FixtureRequest, directed: Any, owner: User) -> Press:
    if request.param == "by function":
        return _by_function(owner)
    return _over_http(owner, request.getfixturevalue("live_server").url)


@pytest.mark.django_db(transaction=True)
def test_one_key_pressed_twenty_times_at_once_makes_one_job(press: Press) -> None:
    _makes_one_job(press)


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_with_one_key_only_one_is_made(press: Press) -> None:
    asked = (("one", "two"), ("three", "four", "five"))
    jobs = _at_once(press, *asked)
    made = GenerationJob.objects.get()
    won = asked.index(_texts(made))
    assert set(jobs[won::2]) == {made.pk}
    assert set(jobs[1 - won :: 2]) == {None}
    assert Scene.objects.count() == SceneGeneration.objects.count() == len(asked[won])


@pytest.mark.django_db(transaction=True)
def test_without_the_constraint_the_same_presses_make_more_than_one(press: Press) -> None:
    """The control: what makes it one job is the constraint, and the check above would see it gone."""
    with _without_the_constraint():
        with pytest.raises(AssertionError, match="jobs of one key"):
            _makes_one_job(press)
        assert GenerationJob.objects.count() > 1
    assert CONSTRAINT in _constraints()


def _makes_one_job(press: Press) -> None:
    jobs = Counter(_at_once(press, ("one", "two")))
    assert len(jobs) == 1, f"{len(jobs)} jobs of one key"
    made = GenerationJob.objects.get()
    assert jobs == {made.pk: PRESSES}
    assert _texts(made) == ("one", "two")
    assert Scene.objects.count() == SceneGeneration.objects.count() == 2


def _at_once(press: Press, *asked: Sequence[str]) -> list[UUID | None]:
    """As many presses as there are threads, in turn for each of what is asked; each has a connection of its own."""
    ready = Barrier(PRESSES, timeout=20)

    def one(texts: Sequence[str]) -> UUID | None:
        try:
            return press(texts, ready)
        finally:
            connection.close()

    with ThreadPoolExecutor(PRESSES) as threads:
        return list(threads.map(one, islice(cycle(asked), PRESSES)))


def _by_function(owner: User) -> Press:
    def press(texts: Sequence[str], ready: Barrier) -> UUID | None:
        connection.ensure_connection()
        ready.wait()
        try:
            return generate(owner, Asked(scenes=tuple(texts)), idempotency_key="k").pk
        except KeyReused:
            return None

    return press


def _over_http(owner: User, url: str) -> Press:
    headers = {
        "Authorization": f"Bearer {ApiToken.objects.issue(owner, 'press')}",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
    }

    def press(texts: Sequence[str], ready: Barrier) -> UUID | None:
        server = HTTPConnection(urlsplit(url).netloc, timeout=30)
        server.connect()
        ready.wait()
        try:
            server.request("POST", "/api/image-generation/generate", json.dumps({"scenes": texts}), headers)
            answer = server.getresponse()
            body = json.loads(answer.read())
        finally:
            server.close()
        if answer.status == 422:
            return None
        assert answer.status == 202, body
        return UUID(body["id"])

    return press


def _texts(job: GenerationJob) -> tuple[str, ...]:
    return tuple(job.scenes.order_by("position").values_list("scene__text", flat=True))


@contextmanager
def _without_the_constraint() -> Iterator[None]:
    """Takes it out as a migration would, since SQLite makes the table anew for it, and puts it back in any case."""
    with_it = ProjectState.from_apps(apps)
    without = with_it.clone()
    removal = RemoveConstraint("generationjob", CONSTRAINT)
    removal.state_forwards("generation", without)
    with connection.schema_editor() as editor:
        removal.database_forwards("generation", editor, with_it, without)
    try:
        assert CONSTRAINT not in _constraints()
        yield
    finally:
        # Jobs that share a key would keep the constraint out.
        GenerationJob.objects.all().delete()
        with connection.schema_editor() as editor:
            removal.database_backwards("generation", editor, without, with_it)


def _constraints() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, GenerationJob._meta.db_table))
