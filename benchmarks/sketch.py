"""How long one sketched picture of 1024 x 1024 takes, beside encoding one such picture as JPEG on the same machine.

    python -m benchmarks.sketch

The ratio is what to compare between machines and commits; the milliseconds are this machine's, on one core.
"""

import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from PIL import Image

from gallery.sample import SAMPLE_CHARACTER, SAMPLE_SCENES, SAMPLE_STYLE
from generation.providers.base import ImageRequest
from generation.providers.sketch import QUALITY, SketchProvider

ROUNDS = 3


def main() -> None:
    picture = Image.open(io.BytesIO(_draw(SAMPLE_SCENES[0], 1024))).convert("RGB")
    baseline = _milliseconds(partial(_encode, picture))
    print(f"baseline: JPEG of 1024 x 1024       {baseline:7.1f} ms")
    everything = []
    for scene in SAMPLE_SCENES:
        taken = _milliseconds(partial(_draw, scene, 1024))
        everything.append(taken)
        print(f"{taken:7.1f} ms  {taken / baseline:5.1f} x  {scene}")
    middle = statistics.median(everything)
    small = statistics.median(_milliseconds(partial(_draw, scene, 128)) for scene in SAMPLE_SCENES)
    print(f"median at 1024: {middle:.0f} ms, {middle / baseline:.1f} x the baseline; at 128: {small:.1f} ms")


def _draw(scene: str, side: int) -> bytes:
    name, appearance = SAMPLE_CHARACTER
    request = ImageRequest(
        prompt=f"{scene} {name}: {appearance}. {SAMPLE_STYLE}",
        width=side,
        height=side,
        seed=1,
        deadline=time.monotonic() + 60,
        key=UUID(int=1),
        cast=(name,),
    )
    return SketchProvider().first_variation(request).content


def _encode(picture: Image.Image) -> None:
    picture.save(io.BytesIO(), "JPEG", quality=QUALITY)


def _milliseconds(work: Callable[[], object]) -> float:
    """The best of a few rounds, in this thread's own time: what other processes do does not count."""
    taken = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
    return min(taken) * 1000


if __name__ == "__main__":
    main()
