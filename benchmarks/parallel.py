"""How long a story takes against its slowest call, and what a claim costs while many scenes wait.

`python -m benchmarks.parallel --scenes 10 --seconds 1` works on a database and a media folder of its own.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from uuid import UUID


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a call takes")
    parser.add_argument("--waiting", type=int, default=1000, help="scenes that wait while ten are claimed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyapp-benchmark-") as folder:
        _set_up(Path(folder))
        _story(options.scenes, options.seconds)
        _claims(options.waiting)


def _set_up(folder: Path) -> None:
    os.environ |= {
        "STORYAPP_DATA": str(folder),
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "generation.tests.settings",
        "CALL_LOG": str(folder / "calls"),
        "IMAGE_PROVIDER": "sketch",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _story(count: int, seconds: float) -> None:
    from gallery.models import Image
    from generation.engine import work

    job = _ask([f"[slow {seconds}] scene {number}" for number in range(count)])
    began = time.monotonic()
    work(job=job)
    wall = time.monotonic() - began
    calls = [receipt["call_seconds"] for receipt in Image.objects.values_list("receipt", flat=True)]
    print(f"{len(calls)} scenes: {wall:.2f} s, {wall / max(calls):.2f} × the slowest call")
    print(f"one at a time: {sum(calls):.1f} s, {sum(calls) / wall:.1f} × as long")


def _claims(waiting: int) -> None:
    from generation.claim import claim

    _ask([f"scene {number}" for number in range(waiting)])
    began = time.perf_counter()
    claimed = claim(10)
    took = time.perf_counter() - began
    began = time.perf_counter()
    claim(10)
    empty = time.perf_counter() - began
    print(f"a claim of {len(claimed)} while {waiting} wait: {took * 1000:.1f} ms")
    print(f"one that finds no free slot: {empty * 1000:.1f} ms")


def _ask(scenes: list[str]) -> UUID:
    from accounts.models import User
    from generation.generate import Asked, generate

    owner, _ = User.objects.get_or_create(username="owner")
    return generate(owner, Asked(scenes=tuple(scenes), provider="directed")).pk


if __name__ == "__main__":
    main()
