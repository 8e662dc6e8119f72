"""./test is red for what it is there to catch: each violation is planted in a copy, and its step run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storyapp.tests.installation import ROOT


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate") / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    # The steps look for their tools there; the copy needs no second installation.
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def step(copy: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(copy / ".venv/bin/python"), ".ci/steps.py", "--only", name],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "path", "text", "said"),
    [
        ("format", "gallery/prompts.py", "\nX = {  'a':1 }\n", "would be reformatted"),
        ("lint", "gallery/prompts.py", "\nimport os\n", "F401"),
        ("types", "gallery/prompts.py", '\nNUMBER: int = "one"\n', "Incompatible types in assignment"),
        (
            "migrations",
            "gallery/models.py",
            '\nStory.add_to_class("x", models.IntegerField(null=True))\n',
            "Add field x",
        ),
        ("rooms", "gallery/prompts.py", "\nfrom generation.models import GenerationJob\n", "does not know generation"),
    ],
)
def test_a_planted_violation_turns_its_step_red(copy: Path, name: str, path: str, text: str, said: str) -> None:
    clean = step(copy, name)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    before = (copy / path).read_text()
    (copy / path).write_text(before + text)
    try:
        planted = step(copy, name)
    finally:
        (copy / path).write_text(before)
    assert planted.returncode == 1
    assert said in planted.stdout + planted.stderr
    assert f"FAILED  {name}" in planted.stdout
