import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from generation.generate import Asked, generate
from generation.models import GenerationJob


@pytest.fixture
def directed(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The provider of the tests, with short deadlines. Gives the settings, for a test to change."""
    monkeypatch.setenv("CALL_LOG", str(tmp_path / "calls"))
    settings.GENERATION_PROVIDERS = {"directed": "generation.tests.providers.DirectedProvider"}
    settings.GENERATION_CONCURRENCY = {"directed": 10}
    settings.IMAGE_PROVIDER = "directed"
    settings.GENERATION_DEADLINE = 5
    settings.GENERATION_UPLOAD_DEADLINE = 1
    settings.GENERATION_LEASE = 2
    monkeypatch.setattr("generation.engine.LINGER", 1.5)
    monkeypatch.setattr("generation.transitions._pause", lambda attempt: 0.05)
    yield settings
    (tmp_path / "calls.let-go").touch()


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("mira")


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many scenes each press woke workers for. Nobody is woken."""
    calls: list[int] = []
    monkeypatch.setattr("generation.views.wake", calls.append)
    return calls


@pytest.fixture
def ask(owner: User) -> Callable[..., GenerationJob]:
    """Press Generate for scenes of these texts."""

    def ask(*scenes: str, **asked: Any) -> GenerationJob:
        return generate(asked.pop("owner", owner), Asked(scenes=scenes, **{"width": 64, "height": 64, **asked}))

    return ask


@pytest.fixture
def outside(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a process of its own that works on this test's database and media."""
    monkeypatch.setenv("CALL_LOG", str(tmp_path / "calls"))
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "generation.tests.settings",
        "DATABASE_URL": database_url(),
        "STORYAPP_DATA": str(tmp_path),
        "CALL_LOG": str(tmp_path / "calls"),
        "IMAGE_PROVIDER": "sketch",
    }


def database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    host = quote(str(database["HOST"]), safe="")
    return f"postgresql://{database['USER']}:{database['PASSWORD']}@{host}:{database['PORT']}/{database['NAME']}"
