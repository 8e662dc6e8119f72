"""Several servers share the work, one may die, and comes back by itself."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from generation.engine import work
from generation.models import GenerationJob
from generation.tests.loopback.comfyui import LoopbackComfyUI, Prompt
from generation.tests.loopback.server import most_at_once
from storyapp import env

Ask = Callable[..., GenerationJob]


@pytest.mark.django_db(transaction=True)
def test_two_servers_share_the_work(server: LoopbackComfyUI, comfyui: Any, ask: Ask) -> None:
    with LoopbackComfyUI() as second:
        server.delay = second.delay = 0.2
        comfyui(server, second)
        job = ask(*[f"Scene {number}" for number in range(20)])
        work()
        assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
        assert len(server.runs) >= 8
        assert len(second.runs) >= 8
        assert overlap(server.runs, second.runs)
        for one in (server, second):
            assert one.most_in_hand <= 2
            assert most_at_once(one.asked("/view")) <= 2


@pytest.mark.django_db(transaction=True)
def test_one_of_two_servers_dies_and_comes_back(server: LoopbackComfyUI, comfyui: Any, ask: Ask, wait_for: Any) -> None:
    with LoopbackComfyUI() as second:
        server.delay = second.delay = 0.2
        comfyui(server, second)
        job = ask(*[f"Scene {number}" for number in range(20)])
        threading.Timer(0.7, second.stop).start()
        work()
        assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
        before = len(second.runs)
        second.start()
        again = ask(*[f"Scene {number}" for number in range(6)])
        work()
        assert set(again.scenes.values_list("status", flat=True)) == {"saved"}
        assert len(second.runs) > before


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8188", "ftp://one", "http://", "http://me:secret@one", "http://one?a=b"]
)
def test_an_address_that_cannot_be_shown_or_asked_is_no_server(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_URLS", f"http://two, {address}")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.servers("COMFYUI_URLS", "")
    assert "secret" not in str(caught.value)


def test_addresses_are_counted_once_and_without_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_URLS", "http://two:8188/, http://two:8188,https://three/comfy")
    assert env.servers("COMFYUI_URLS", "") == ["http://two:8188", "https://three/comfy"]


def overlap(some: list[Prompt], others: list[Prompt]) -> bool:
    return any(one.begun < other.ended and other.begun < one.ended for one in some for other in others)
