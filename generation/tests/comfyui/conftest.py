"""A loopback ComfyUI, our provider on it, and the engine with that provider."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from generation.providers.base import ImageRequest
from generation.providers.comfyui import ComfyUIProvider
from generation.providers.exceptions import ProviderError
from generation.tests.loopback.comfyui import WORKFLOW, LoopbackComfyUI


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of a real server would be most of these tests."""
    monkeypatch.setattr("generation.providers.comfyui.run.FIRST_LOOK", 0.1)
    monkeypatch.setattr("generation.providers.comfyui.run.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("generation.providers.comfyui.run.LONGEST_PAUSE", 0.1)


@pytest.fixture
def server() -> Iterator[LoopbackComfyUI]:
    with LoopbackComfyUI() as server:
        yield server


@pytest.fixture
def provider(server: LoopbackComfyUI) -> ComfyUIProvider:
    return ComfyUIProvider(workflow=str(WORKFLOW), servers=[server.url], gone_after=0.5)


@pytest.fixture
def request_of(server: LoopbackComfyUI) -> Callable[..., ImageRequest]:
    def request_of(**asked: Any) -> ImageRequest:
        usual = {"prompt": "a fox", "width": 64, "height": 64, "seed": 7, "key": uuid.uuid4(), "server": server.url}
        return ImageRequest(**{**usual, "deadline": time.monotonic() + 10, **asked})

    return request_of


@pytest.fixture
def comfyui(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`comfyui(server, …)` lets the engine work with these servers. Gives the settings, for a test to change."""

    def comfyui(*servers: LoopbackComfyUI) -> Any:
        urls = [server.url for server in servers]
        settings.GENERATION_PROVIDERS = {"comfyui": "generation.providers.comfyui.ComfyUIProvider"}
        options = {"workflow": str(WORKFLOW), "servers": urls, "gone_after": 0.5}
        settings.GENERATION_PROVIDER_OPTIONS = {"comfyui": options}
        settings.GENERATION_ACCOUNTS = {"comfyui": urls}
        settings.GENERATION_CONCURRENCY = {"comfyui": 2}
        settings.IMAGE_PROVIDER = "comfyui"
        settings.GENERATION_DEADLINE = 10
        monkeypatch.setattr("generation.engine.LINGER", 0.45)
        monkeypatch.setattr("generation.transitions._pause", lambda attempt: 0.05)
        monkeypatch.setattr("generation.transitions.A_GONE_SERVER_RESTS", 0.4)
        return settings

    return comfyui


def failure(provider: ComfyUIProvider, request: ImageRequest) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        provider.first_variation(request)
    return caught.value
