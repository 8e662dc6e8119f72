"""One of many variations is fetched, the others are counted, and little else is read."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage

from gallery.models import Image
from gallery.picture import check_picture
from generation.engine import work
from generation.models import GenerationJob
from generation.providers.comfyui import ComfyUIProvider
from generation.tests.loopback.comfyui import LoopbackComfyUI
from generation.tests.loopback.server import Request

Ask = Callable[..., GenerationJob]

BODIES_AT_MOST = 64 * 1024


def test_one_of_thirty_variations_is_fetched_and_the_others_are_counted(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, caplog: Any
) -> None:
    server.delay = 0.5
    with caplog.at_level(logging.INFO, "generation"):
        variation = provider.first_variation(request_of(width=1024, height=1024, is_new=True))
    assert variation.offered == 30
    assert 2_200_000 < len(variation.content) < 2_500_000
    assert check_picture(variation.content).width == 1024
    (view,) = server.asked("/view")
    assert view.sent == variation.bytes_received == len(variation.content)
    assert other_bodies(server.requests) <= BODIES_AT_MOST
    line = next(record for record in caplog.records if record.getMessage() == "scene.first_variation")
    assert (vars(line)["variations_offered"], vars(line)["downloaded"]) == (30, 1)


@pytest.mark.django_db(transaction=True)
def test_four_scenes_are_four_downloads_of_what_is_kept(server: LoopbackComfyUI, comfyui: Any, ask: Ask) -> None:
    server.delay = 0.3
    comfyui(server)
    job = ask("A fox in the snow", quantity=4, width=1024, height=1024)
    work()

    assert set(job.scenes.values_list("status", flat=True)) == {"saved"}
    images = list(Image.objects.all())
    assert len({image.sha256 for image in images}) == 4
    views = server.asked("/view")
    assert sorted(view.sent for view in views) == sorted(image.bytes for image in images)
    assert other_bodies(server.requests) <= 4 * BODIES_AT_MOST
    assert len(server.runs) == 4
    for scene, image in zip(job.scenes.all(), sorted(images, key=lambda image: image.seed), strict=True):
        assert (scene.variations_offered, scene.bytes_received) == (30, image.bytes)
        assert default_storage.open(image.name).read() == server_picture(server, image.receipt["request_id"])


def test_the_queue_is_asked_rarely(
    server: LoopbackComfyUI, provider: ComfyUIProvider, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred others' graphs are 100 kB a time."""
    monkeypatch.setattr("generation.providers.comfyui.run.FIRST_LOOK", 1.0)
    server.delay = 0.8
    provider.first_variation(request_of(is_new=True))
    assert not server.asked("/queue")


def other_bodies(requests: list[Request]) -> int:
    return sum(one.sent for one in requests if one.path != "/view")


def server_picture(server: LoopbackComfyUI, prompt_id: str) -> bytes:
    picture = server.files["storyapp", f"{prompt_id}_00001_.png"]
    return picture if isinstance(picture, bytes) else picture.content
