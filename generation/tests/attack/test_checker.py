"""The checker of the attack: it finds nothing where all is well, and names every breach that is planted."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now

from gallery.models import Image, Upload
from generation.engine import work
from generation.models import GenerationJob, ProviderAccount, SceneGeneration
from generation.tests import providers
from generation.tests.attack.checker import Found, breaches, files_below, sweep_through
from generation.tests.attack.processes import Processes

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., GenerationJob]


@pytest.fixture
def job(fast: Any, ask: Ask) -> GenerationJob:
    """Three scenes that are saved as they should be, two at once."""
    job = ask("[slow 0.1] one", "[slow 0.1] two", "three", seed=1)
    work()
    return job


def found(*, allowance: int = 2) -> list[str]:
    objects = files_below(Path(django_settings.MEDIA_ROOT))
    return breaches(Found(objects=objects, calls=providers.call_log(), allowance=allowance))


def call_again(seed: int, *, ago: float) -> None:
    at = time.time() - ago
    with Path(os.environ["CALL_LOG"]).open("a") as file:
        file.write(f"begin {at} 1 1 {seed}\nend {at} 1 1\n")


def test_of_what_is_well_it_says_nothing(job: GenerationJob) -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"status": "queued"}, "Scene 1 of job {job} is lost", id="lost"),
        pytest.param(
            {"status": "running", "lease_until": Now(), "tag": uuid4()},
            "Scene 1 of job {job} is running, and nobody works on it",
            id="running for ever",
        ),
        pytest.param(
            {"status": "failed", "error_code": "unknown", "error_message": " "},
            "Scene 1 of job {job} failed without a reason",
            id="no reason",
        ),
        pytest.param({"attempt": 5}, "Scene 1 of job {job} was tried 5 times", id="attempts"),
        pytest.param(
            {"slot_until": Now() + timedelta(seconds=60)}, "Scene 1 of job {job} has ended and still holds", id="slot"
        ),
        pytest.param({"status": "cancelled"}, "Scene 1 of job {job} is cancelled and has 1 pictures", id="cancelled"),
        pytest.param({"token": 0}, "Scene 1 of job {job} was called 1 times in 0 claims", id="calls"),
        pytest.param({"seed": 99}, "A call was made for seed 1, which no scene has", id="nobody's call"),
        pytest.param({"seed": 99}, "Scene 1 of job {job} is saved and was never called", id="no call"),
    ],
)
def test_a_row_that_is_wrong_is_named(job: GenerationJob, change: dict[str, Any], sentence: str) -> None:
    SceneGeneration.objects.filter(job=job, position=0).update(**change)
    assert _has(found(), sentence.format(job=job.pk))


def test_a_doubled_picture_is_named(job: GenerationJob) -> None:
    double = Image.objects.get(generation_id=job.scenes.get(position=0).pk)
    double.pk, double.generation_id, double.name, double.is_chosen = uuid4(), uuid4(), "double/1-00000000", False
    double.save(force_insert=True)
    assert _has(found(), "The picture double/1-00000000 is of no scene")


def test_a_scene_without_its_picture_is_named(job: GenerationJob) -> None:
    Image.objects.get(generation_id=job.scenes.get(position=0).pk).delete()
    sweep_through()
    assert found() == [
        f"Scene 1 of job {job.pk} is saved and has 0 pictures.",
        f"Scene 1 of job {job.pk} has 0 chosen pictures.",
    ]


@pytest.mark.parametrize("name", ["left/1-00000000", "left/.1-00000000-abcdef01.part"])
def test_an_object_without_a_row_is_named(job: GenerationJob, name: str) -> None:
    default_storage.save(name, ContentFile(b"bytes"))
    assert found() == [f"The object {name} belongs to no picture."]


def test_a_note_that_is_left_is_named(job: GenerationJob) -> None:
    Upload.objects.create(name="left/1-00000000", generation_id=uuid4(), token=1)
    assert found() == ["The note of the object left/1-00000000 is left."]


@pytest.mark.parametrize("size", ["", "-320", "-640"])
def test_a_missing_object_is_named(job: GenerationJob, size: str) -> None:
    name = f"{Image.objects.all()[0].name}{size}"
    default_storage.delete(name)
    assert found() == [f"The object {name} is missing."]


def test_other_bytes_are_named(job: GenerationJob) -> None:
    name = Image.objects.all()[0].name
    default_storage.save(name, ContentFile(b"bytes"))
    assert found() == [f"The object {name} has other bytes than its picture."]


def test_a_call_after_the_scene_was_saved_is_named(job: GenerationJob) -> None:
    job.scenes.update(token=2)
    call_again(2, ago=-1)
    assert found() == [f"Scene 2 of job {job.pk} was called again after it was saved."]


def test_one_call_more_than_claims_is_named(job: GenerationJob) -> None:
    call_again(2, ago=60)
    assert found() == [f"Scene 2 of job {job.pk} was called 2 times in 1 claims."]


def test_an_overrun_allowance_is_named(job: GenerationJob) -> None:
    assert found(allowance=1) == ["2 calls were open at once, where 1 are allowed."]


def test_a_claim_that_takes_too_much_is_named(
    fast: Any, ask: Ask, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each claim is held against what the account allows at that moment, which may be less than ever before."""
    job = ask("one", "two")
    account = ProviderAccount.objects.create(provider="directed", allowance=1, ceiling=10)
    both = list(job.scenes.values_list("pk", flat=True))
    monkeypatch.setattr("generation.claim._choose", lambda accounts, free, job: {accounts[0]: both})
    assert processes.wait(processes.start(work)) == 0
    assert processes.overruns == [f"A claim took slot 2 of account {account.pk}, which allowed 1."]


def _has(sentences: list[str], words: str) -> bool:
    return any(words in sentence for sentence in sentences)
