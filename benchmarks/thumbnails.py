"""What checking a picture and making its small sizes costs, in milliseconds of one core.

    .venv/bin/python -m benchmarks.thumbnails --size 1024

Measured against plainly decoding the same bytes in the same run, so that the ratios hold on any machine.
"""

import argparse
import random
import time
from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageChops

from gallery.picture import check_picture
from gallery.thumbnails import make_thumbnails


def main() -> None:
    options = parsed()
    picture = painted(options.size)
    for form in ("JPEG", "PNG", "WEBP"):
        report(form, saved(picture, form), options.rounds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of checking a picture and of its small sizes.")
    parser.add_argument("--size", type=int, default=1024, help="side of the picture in pixels (default: 1024)")
    parser.add_argument("--rounds", type=int, default=15, help="the best of so many counts (default: 15)")
    return parser.parse_args()


def painted(size: int) -> Image.Image:
    """Large soft shapes under a fine grain, which compress about as generated pictures do."""
    dice = random.Random(1)
    shapes = Image.frombytes("RGB", (32, 32), dice.randbytes(32 * 32 * 3))
    grain = Image.effect_noise((size, size), 8).convert("RGB")
    return ImageChops.add(shapes.resize((size, size), Image.Resampling.BICUBIC), grain, offset=-128)


def saved(picture: Image.Image, form: str) -> bytes:
    file = BytesIO()
    picture.save(file, form, quality=88)
    return file.getvalue()


def report(form: str, content: bytes, rounds: int) -> None:
    decode = milliseconds(decoded, content, rounds=rounds)
    print(f"{form}, {len(content) / 1000:.0f} kB: plain decode {decode:.1f} ms")
    for work in (check_picture, make_thumbnails):
        spent = milliseconds(work, content, rounds=rounds)
        print(f"  {work.__name__:16}{spent:6.1f} ms, {spent / decode:5.2f} × the decode")


def decoded(content: bytes) -> None:
    with Image.open(BytesIO(content)) as image:
        image.load()


def milliseconds(work: Callable[[bytes], object], content: bytes, *, rounds: int) -> float:
    """The shortest of all rounds."""
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        work(content)
        spent.append(time.perf_counter() - start)
    return min(spent) * 1000


if __name__ == "__main__":
    main()
