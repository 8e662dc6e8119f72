"""How .venv/ is made and kept, with a stand-in for uv that writes down what it was asked for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storyapp.tests.installation import ROOT

UV = f"""#!/bin/sh
echo "$@" >> "$UV_ASKED"
case "$1" in
    venv) mkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python ;;
    pip) case "$*" in *"${{UV_REFUSES:-nothing}}"*) exit 1 ;; esac; sleep "${{UV_TAKES:-0}}" ;;
esac
"""


class Clone:
    """A folder with what the environment is made from, as after a fresh clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self._tools = folder / "tools"
        self._asked = folder / "asked"
        self._asked.touch()
        shutil.copytree(ROOT / ".ci", self.folder / ".ci")
        for name in ("requirements.txt", "requirements-queue.txt", "requirements-dev.txt"):
            (self.folder / name).write_text(f"{name}==1\n")
        (self._tools).mkdir()
        (self._tools / "uv").write_text(UV)
        (self._tools / "uv").chmod(0o755)

    def start(self, *options: str, **variables: str) -> "subprocess.Popen[str]":
        """As the shell around ./run does it: by the environment's own Python where there is one."""
        own = self.folder / ".venv" / "bin" / "python"
        return subprocess.Popen(
            [str(own if own.exists() else sys.executable), "-I", "-S", ".ci/environment.py", *options],
            cwd=self.folder,
            env={"PATH": f"{self._tools}:/usr/bin:/bin", "UV_ASKED": str(self._asked), **variables},
            stderr=subprocess.PIPE,
            text=True,
        )

    def prepare(self, *options: str, **variables: str) -> tuple[int, str]:
        process = self.start(*options, **variables)
        said = process.communicate(timeout=30)[1]
        return process.returncode, said

    @property
    def installed(self) -> list[str]:
        """The requirement files that were installed, in order."""
        return [line.split()[-1] for line in self._asked.read_text().splitlines() if line.startswith("pip install")]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_second_start_installs_nothing(clone: Clone) -> None:
    assert clone.prepare()[0] == 0
    assert clone.installed == ["requirements.txt", "requirements-queue.txt"]
    assert clone.prepare() == (0, "")
    assert len(clone.installed) == 2


def test_tests_need_more_on_top(clone: Clone) -> None:
    clone.prepare()
    clone.prepare("--dev")
    assert clone.installed[2:] == ["requirements-dev.txt"]


def test_changed_requirements_are_installed(clone: Clone) -> None:
    clone.prepare()
    (clone.folder / "requirements.txt").write_text("requirements.txt==2\n")
    clone.prepare()
    assert clone.installed[2:] == ["requirements.txt", "requirements-queue.txt"]


def test_no_queue_server_for_this_platform_is_no_failure(clone: Clone) -> None:
    code, said = clone.prepare(UV_REFUSES="requirements-queue")
    assert code == 0
    assert "one on PATH will do" in said
    assert clone.prepare() == (0, "")


def test_a_failed_installation_is_tried_again_at_the_next_start(clone: Clone) -> None:
    code, said = clone.prepare(UV_REFUSES="-r requirements.txt")
    assert code == 2
    assert "requirements.txt could not be installed" in said
    assert clone.prepare()[0] == 0


def test_two_first_starts_at_once_install_once(clone: Clone) -> None:
    both = [clone.start(UV_TAKES="0.5"), clone.start(UV_TAKES="0.5")]
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert clone.installed == ["requirements.txt", "requirements-queue.txt"]
