"""Pictures from the command line: what is printed is what the rows say, and the exit code says how it went."""

import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from gallery.models import Character, Image, Scene
from generation.generate import SCENES_A_JOB
from generation.models import GenerationJob, SceneGeneration
from generation.shape import job_as_json
from storyapp.tests.installation import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
SUMMARY = re.compile(
    r"Generated (\d+)/(\d+) images in ([\d.]+) s \(([\d.]+) s an image; one at a time would have been ([\d.]+) s\)"
)
MANAGE = [sys.executable, str(ROOT / "manage.py")]


class Ran(SimpleNamespace):
    code: int
    output: str
    errors: str


Illustrate = Callable[..., Ran]


@pytest.fixture
def illustrate(directed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Illustrate:
    """`illustrate("a fox\\n", "--json")`: the text is put into a file, `stdin=` reaches the command through `-`."""

    def run(text: str | bytes, *options: str, stdin: bool = False) -> Ran:
        content = text if isinstance(text, bytes) else text.encode()
        file = tmp_path / "scenes.txt"
        file.write_bytes(content)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        output, errors, code = io.StringIO(), io.StringIO(), 0
        try:
            call_command("illustrate", "-" if stdin else str(file), *options, stdout=output, stderr=errors)
        except SystemExit as exc:
            code = int(exc.code or 0)
        return Ran(code=code, output=output.getvalue(), errors=errors.getvalue())

    return run


def test_each_line_of_a_file_becomes_a_picture_of_the_first_person(illustrate: Illustrate) -> None:
    ran = illustrate("\ufeff# A night at sea\r\nThe lighthouse at dusk\r\n\r\n  A boat comes in  \r\n#the end")
    assert (ran.code, ran.errors) == (0, "")
    assert list(Scene.objects.order_by("position").values_list("text", flat=True)) == [
        "The lighthouse at dusk",
        "A boat comes in",
    ]
    assert Image.objects.count() == 2
    owner = User.objects.get()
    assert (owner.username, owner.is_superuser, owner.has_usable_password()) == ("owner", True, False)
    assert {image.owner for image in Image.objects.select_related("owner")} == {owner}


def test_scenes_come_from_standard_input_too(illustrate: Illustrate) -> None:
    assert illustrate("a fox\na wolf\n", stdin=True).code == 0
    assert Image.objects.count() == 2


def test_every_scene_is_told_once_and_the_figures_are_those_of_the_rows(illustrate: Illustrate) -> None:
    ran = illustrate("".join(f"Scene {number} [slow 0.4]\n" for number in range(10)))
    *told, summary = ran.output.splitlines()
    assert [line.partition(" ")[0] for line in told] == [f"{number}/10" for number in range(1, 11)]
    assert all(re.search(r"^\d+/10 saved in \d+\.\d s: Scene \d \[slow 0\.4\]$", line) for line in told)
    assert len({line.partition(": ")[2] for line in told}) == 10

    figures = SUMMARY.fullmatch(summary)
    assert figures, summary
    job = GenerationJob.objects.get()
    last = max(row.finished_at for row in job.scenes.all() if row.finished_at)
    took = (last - job.created_at).total_seconds()
    calls = sum(image.receipt["call_seconds"] for image in Image.objects.all())
    assert figures.groups() == ("10", "10", f"{took:.1f}", f"{took / 10:.1f}", f"{calls:.1f}")
    assert calls >= 10 * 0.4


def test_a_scene_that_fails_is_told_with_its_reason_and_the_exit_code_is_1(illustrate: Illustrate) -> None:
    ran = illustrate("[refuse] a forbidden thing\na fox\n")
    assert ran.code == 1
    assert "failed: [refuse] a forbidden thing (The provider refused this prompt.)" in ran.output
    assert ran.output.splitlines()[-1].startswith("Generated 1/2 images in ")


def test_where_nothing_was_made_there_is_no_time_an_image(illustrate: Illustrate) -> None:
    ran = illustrate("[refuse] a forbidden thing\n")
    assert ran.code == 1
    assert re.fullmatch(r"Generated 0/1 images in [\d.]+ s", ran.output.splitlines()[-1])


def test_json_is_one_document_in_the_shape_of_the_api(illustrate: Illustrate) -> None:
    ran = illustrate("a fox\n[refuse] a forbidden thing\n", "--json")
    assert ran.code == 1
    told = json.loads(ran.output)
    job = GenerationJob.objects.get()
    assert told == job_as_json(job)
    assert (told["id"], told["status"]) == (str(job.pk), "partial")
    assert told["counts"] == {"total": 2, "queued": 0, "running": 0, "saved": 1, "failed": 1, "cancelled": 0}
    assert told["created_at"] <= told["started_at"] <= told["finished_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["created_at"])

    fox, forbidden = told["scenes"]
    row, image = job.scenes.get(position=0), Image.objects.get()
    assert fox == {
        "id": str(row.pk),
        "position": 0,
        "prompt": "a fox",
        "status": "saved",
        "phase": None,
        "attempt": 1,
        "error": None,
        "waiting_for": None,
        "waiting_until": None,
        "image": {
            "id": str(image.pk),
            "url": None,
            "prompt": "a fox.",
            "width": 64,
            "height": 64,
            "bytes": image.bytes,
            "sha256": image.sha256,
        },
        "seed": row.seed,
        "model": "directed-1",
        "provider": "directed",
        "variations_offered": 1,
        "bytes_received": image.bytes,
    }
    assert (forbidden["status"], forbidden["image"]) == ("failed", None)
    assert forbidden["error"] == {"code": "request_refused", "message": "The provider refused this prompt."}


def test_the_shape_of_a_job_that_waits(ask: Callable[..., GenerationJob]) -> None:
    job = ask("a fox")
    job.refresh_from_db()
    told = job_as_json(job)
    assert (told["status"], told["started_at"], told["finished_at"]) == ("queued", None, None)
    assert (told["scenes"][0]["phase"], told["scenes"][0]["waiting_until"]) == ("waiting", None)


def test_the_address_of_a_picture_needs_what_addresses_begin_with(illustrate: Illustrate) -> None:
    illustrate("a fox\n")
    [scene] = job_as_json(GenerationJob.objects.get(), base_address="https://stories.example/")["scenes"]
    assert scene["image"]
    assert scene["image"]["url"] == f"https://stories.example/media/{Image.objects.get().pk}/original"


def test_a_character_appears_in_every_picture_and_each_scene_is_made_so_often(illustrate: Illustrate) -> None:
    mira = User.objects.create_user("mira")
    fox = Character.objects.create(owner=mira, name="Fox", appearance="a small fox with a white tail")
    ran = illustrate("In the snow\n", "--character", fox.slug, "--quantity", "3", "--user", "mira")
    assert ran.code == 0
    assert [scene.owner for scene in Scene.objects.filter(cast=fox).select_related("owner")] == [mira] * 3
    assert all("a small fox with a white tail" in image.prompt for image in Image.objects.all())


def test_owner_is_the_first_person_whatever_their_name(illustrate: Illustrate) -> None:
    admin = User.objects.create_superuser("admin")
    assert illustrate("a fox\n").code == 0
    assert Image.objects.get().owner == admin
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", (), "Write at least one scene."),
        ("# nothing but this\n\n", (), "Write at least one scene."),
        (b"caf\xe9\n", (), "scenes.txt is not text in UTF-8."),
        ("a\0b\n", (), "Scene 1 holds a character that cannot be stored."),
        (f"a fox\n{'long ' * 801}\n", (), "Scene 2 has 4,004 characters; up to 4,000 fit in a scene."),
        ("a fox\n", ("--character", "nobody-k3f9"), "owner has no character 'nobody-k3f9'."),
        ("a fox\n", ("--character", "theirs"), "owner has no character 'theirs'."),
        ("a fox\n", ("--provider", "nope"), "There is no provider called nope."),
        ("a fox\n", ("--quantity", "0"), f"The quantity is 1 to {SCENES_A_JOB:,}."),
        ("a fox\n", ("--quantity", "1001"), f"One press of Generate makes at most {SCENES_A_JOB:,} pictures."),
        ("a fox\n", ("--user", "nobody"), "There is nobody called 'nobody'."),
        ("a fox\n", ("--user", "gone"), "There is nobody called 'gone'."),
        ("[unspeakable]\n", (), "This provider cannot draw that."),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence_with_exit_code_2(
    text: str | bytes, options: tuple[str, ...], said: str, illustrate: Illustrate
) -> None:
    other = User.objects.create_user("gone", is_active=False)
    Character.objects.create(owner=other, name="Fox", slug="theirs")
    ran = illustrate(text, *options)
    assert (ran.code, ran.output) == (2, "")
    assert said in ran.errors
    assert not SceneGeneration.objects.exists()
    assert not Scene.objects.exists()


def test_every_wrong_field_is_named(illustrate: Illustrate) -> None:
    ran = illustrate("a fox\n", "--provider", "nope", "--quantity", "0")
    assert ran.errors.splitlines() == ["The quantity is 1 to 1,000.", "There is no provider called nope."]


def test_a_file_that_is_not_there_is_bad_input(directed: Any, tmp_path: Path) -> None:
    errors = io.StringIO()
    with pytest.raises(SystemExit, match="2"):
        call_command("illustrate", str(tmp_path / "none.txt"), stderr=errors)
    assert errors.getvalue().endswith("none.txt cannot be read: No such file or directory.\n")


def test_a_provider_that_asks_for_more_patience_than_the_engine_has_gets_it(
    illustrate: Illustrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.engine.LINGER", 0.1)
    assert illustrate("[wait 1.5] a fox\n").code == 0


# ---- in a process of its own ----------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of an empty machine: no data, no queue server."""
    return {
        **os.environ,
        "STORYAPP_DATA": str(tmp_path / "data"),
        "DATABASE_URL": "",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CALL_LOG": str(tmp_path / "calls"),
    }


def rows_of(environment: dict[str, str], query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(Path(environment["STORYAPP_DATA"]) / "storyapp.sqlite3")) as database:
        return database.execute(query).fetchall()


def test_an_empty_machine_without_a_queue_server_is_enough(alone: dict[str, str]) -> None:
    command = [*MANAGE, "illustrate", "-", "--json"]
    scenes = "The lighthouse at dusk\nA fox in the snow\n"
    ran = subprocess.run(command, input=scenes, env=alone, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["status"], told["counts"]["saved"]) == ("succeeded", 2)
    images = {scene["image"]["id"].replace("-", ""): scene["image"]["sha256"] for scene in told["scenes"]}
    assert dict(rows_of(alone, "SELECT id, sha256 FROM gallery_image")) == images
    assert rows_of(alone, "SELECT username, is_superuser FROM accounts_user") == [("owner", 1)]


def test_ctrl_c_hands_back_and_cancels_nothing_and_a_second_one_hurries(
    alone: dict[str, str], wait_for: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "scenes.txt").write_text("[slow 60] a long night\na fox\n")
    alone["DJANGO_SETTINGS_MODULE"] = "generation.tests.settings"
    command = [*MANAGE, "illustrate", str(tmp_path / "scenes.txt"), "--provider", "directed"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=alone, text=True, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output, warnings = process.stdout, process.stderr
        try:
            assert "1/2 saved in" in output.readline()
            process.send_signal(signal.SIGINT)
            wait_for(lambda: "Ctrl-C again" in warnings.readline(), 30)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert said.startswith("Generated 1/2 images in ")
    assert errors == "Stopped. What is not made yet stays queued: ./run makes it.\n"
    left = rows_of(alone, "SELECT status, attempt FROM generation_scenegeneration ORDER BY position")
    assert left == [("queued", 0), ("saved", 1)]


def test_on_a_terminal_a_line_is_drawn_again_in_its_place(alone: dict[str, str]) -> None:
    alone |= {"DJANGO_SETTINGS_MODULE": "generation.tests.settings"}
    terminal, end = pty.openpty()
    command = [*MANAGE, "illustrate", "-", "--provider", "directed"]
    with subprocess.Popen(command, env=alone, stdin=subprocess.PIPE, stdout=end, stderr=end) as process:
        process.communicate(b"[slow 1] a fox\n", timeout=60)
    os.close(end)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert "\r\033[K0/1 saved, 1 being drawn, " in shown
    assert re.search(r"\r\x1b\[K1/1 saved in 1\.\d s: \[slow 1\] a fox\r\n", shown)
    assert "Generated 1/1 images in " in shown.splitlines()[-1]
