from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from generation.tests import providers
from generation.tests.attack.checker import Found, breaches, files_below, sweep_through
from generation.tests.attack.processes import Processes
from generation.tests.providers import Call

ALLOWANCE = 10


@pytest.fixture
def fast(directed: Any, transactional_db: None) -> Any:
    """Settings under which a dead worker's scenes are taken over after a second."""
    directed.GENERATION_LEASE = 1
    directed.GENERATION_THREADS = 2
    directed.GENERATION_CONCURRENCY = {"directed": ALLOWANCE}
    return directed


@pytest.fixture
def processes(tmp_path: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    monkeypatch.setenv("CALL_LOG", str(tmp_path / "calls"))
    started = Processes(tmp_path)
    yield started
    started.end()


def files() -> dict[str, bytes]:
    return files_below(Path(django_settings.MEDIA_ROOT))


@pytest.fixture
def check(processes: Processes) -> Callable[..., None]:
    """Sweep, and find no breach of the promise, by the objects on disk and the calls of the directed provider."""

    def check(
        *,
        objects: Callable[[], dict[str, bytes]] = files,
        calls: Callable[[], list[Call]] = providers.call_log,
        allowance: int = ALLOWANCE,
    ) -> None:
        sweep_through()
        found = Found(objects=objects(), calls=calls(), allowance=allowance)
        assert breaches(found) + processes.overruns == []

    return check
