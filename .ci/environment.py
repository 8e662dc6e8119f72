"""Makes and keeps `.venv/`: the shell around ./run and ./test starts it with the first Python that will do.

    python .ci/environment.py [--dev]

Runs before anything is installed, so it uses the standard library alone.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
# uv in the environment itself, where there is none on PATH. Pinned like everything else.
UV = "uv==0.13.8"
# Compiled at once, on all cores: else the first start compiles everything in seven processes at the same time.
UV_INSTALL = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON))
PIP_INSTALL = ("install", "--quiet", "--disable-pip-version-check")


class CannotInstall(Exception):
    """One sentence for a person."""


def main(arguments: Sequence[str]) -> int:
    try:
        ensure("run", "requirements.txt", optional="requirements-queue.txt")
        if "--dev" in arguments:
            ensure("test", "requirements-dev.txt")
    except CannotInstall as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def ensure(stamp_name: str, requirements: str, *, optional: str = "") -> None:
    """Install what the file lists, unless the stamp says that just this was done. The stamp is written last."""
    stamp, wanted = ENVIRONMENT / f"installed-for-{stamp_name}", _wanted(requirements, optional)
    if _is(stamp, wanted):
        return
    with (ROOT / requirements).open() as lock:
        # Two fresh starts at the same time: the second finds the work done. The lock ends with its process.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _go_on_in_environment_made_meanwhile()
        if _is(stamp, wanted):
            return
        _say(f"Installing {requirements} into .venv/ (the first time, and whenever that file changes) …")
        installer = _installer() or _installer_of_new_environment()
        if _call(*installer, "-r", requirements):
            raise CannotInstall(f"{requirements} could not be installed: the reason stands above. Is there a network?")
        if optional and _call(*installer, "--only-binary", ":all:", "-r", optional, quietly=True):
            _say("No embedded queue server for this platform; one on PATH will do.")
        stamp.write_text(wanted)


def _go_on_in_environment_made_meanwhile() -> None:
    if not _runs_here() and _works(str(PYTHON), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"):
        os.execv(PYTHON, [str(PYTHON), "-I", "-S", __file__, *sys.argv[1:]])  # noqa: S606 - no shell is wanted


def _wanted(*files: str) -> str:
    texts = [(ROOT / name).read_text() for name in files if name]
    return "\n".join([f"{sys.version_info.major}.{sys.version_info.minor} {sysconfig.get_platform()}", *texts])


def _is(stamp: Path, wanted: str) -> bool:
    with suppress(OSError):
        return _runs_here() and stamp.read_text() == wanted
    return False


def _runs_here() -> bool:
    """Whether this is the environment's own Python: the shell takes another one where that does not run."""
    return Path(sys.executable).parent == PYTHON.parent


def _installer() -> list[str] | None:
    """The command that installs into the environment. None where it cannot take anything: it is made again then."""
    if not _runs_here():
        return None
    for uv in (shutil.which("uv"), str(ENVIRONMENT / "bin" / "uv")):
        if uv and _works(uv, "--version"):
            return [uv, *UV_INSTALL]
    if _works(str(PYTHON), "-m", "pip", "--version"):
        return [str(PYTHON), "-m", "pip", *PIP_INSTALL]
    return None


def _installer_of_new_environment() -> list[str]:
    """Make the environment: by uv, else with a pip of its own that fetches uv, else with the pip around it."""
    base = getattr(sys, "_base_executable", sys.executable)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    if (uv := shutil.which("uv")) and not _call(uv, "venv", "--quiet", "--python", base, str(ENVIRONMENT)):
        return [uv, *UV_INSTALL]
    if not _call(base, "-m", "venv", "--clear", str(ENVIRONMENT), quietly=True):
        pip = [str(PYTHON), "-m", "pip", *PIP_INSTALL]
        if _call(*pip, UV, quietly=True):
            return pip
        return [str(ENVIRONMENT / "bin" / "uv"), *UV_INSTALL]
    if _works(base, "-m", "pip", "--version") and not _call(
        base, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT)
    ):
        return [base, "-m", "pip", "--python", str(PYTHON), *PIP_INSTALL]
    raise CannotInstall(
        "This Python cannot make an environment. Install python3-venv (apt-get install python3-venv) or uv "
        "(https://docs.astral.sh/uv/), and start again."
    )


def _works(*command: str) -> bool:
    return _call(*command, quietly=True) == 0


def _call(*command: str, quietly: bool = False) -> int:
    sink = subprocess.DEVNULL if quietly else None
    try:
        return subprocess.run(command, cwd=ROOT, stdout=sink, stderr=sink, check=False).returncode  # noqa: S603
    except OSError:
        return 1


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
