"""A provider for tests that does what the scene's text says, here and in worker processes.

Words in square brackets direct it: `[slow 1.0]` sleeps, `[fail 2]` fails the first two attempts of a seed,
`[refuse]`, `[no key]`, `[wait 0.5]` (429 once), `[hang]` ignores its deadline, `[html]` answers no picture,
`[broken]` raises what no provider may raise. Calls are written to the file that CALL_LOG names, a line at their
begin and one at their end, so that a test can count how many were open at once over all processes.
"""

import hashlib
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from generation.providers.base import ImageProvider, ImageRequest, Variation
from generation.providers.exceptions import NotEntitled, ProviderUnavailable, RateLimited, RequestRefused

HANGS = 600.0


class DirectedProvider(ImageProvider):
    name = "directed"

    def check(self, request: ImageRequest) -> None:
        if "[unspeakable]" in request.prompt:
            raise RequestRefused("This provider cannot draw that.", provider=self.name)

    def first_variation(self, request: ImageRequest) -> Variation:
        with _logged(request):
            earlier = calls(request.seed) - 1
            directed = dict(re.findall(r"\[([a-z ]+?) ?([\d.]*)\]", request.prompt))
            if "slow" in directed:
                time.sleep(float(directed["slow"]))
            if "hang" in directed:
                _hang(Path(os.environ["CALL_LOG"] + ".let-go"))
            if earlier < int(directed.get("fail", 0)):
                raise ProviderUnavailable("The provider answered 503.", provider=self.name)
            if "refuse" in directed:
                raise RequestRefused("The provider refused this prompt.", provider=self.name)
            if "no key" in directed:
                raise NotEntitled("The provider needs a key.", provider=self.name)
            if "wait" in directed and not earlier:
                raise RateLimited("Too many at once.", provider=self.name, retry_after=float(directed["wait"]))
            if "broken" in directed:
                raise KeyError("what no provider may raise")
            content = b"<html>" if "html" in directed else picture(request.seed)
        return Variation(
            content=content, content_type="image/jpeg", model="directed-1", bytes_received=len(content), request_id="r1"
        )


def picture(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A small JPEG of sixteen patches; another seed gives other bytes."""
    patches = hashlib.sha512(str(seed).encode()).digest()[:48]
    file = io.BytesIO()
    Image.frombytes("RGB", (4, 4), patches).resize(size, Image.Resampling.NEAREST).save(file, "JPEG")
    return file.getvalue()


def calls(seed: int | None = None) -> int:
    """Calls begun so far, of one seed or of all."""
    return sum(1 for event, at in _events() if event == "begin" and seed in (at, None))


def most_at_once() -> int:
    most = current = 0
    for event, _ in _events():
        current += 1 if event == "begin" else -1
        most = max(most, current)
    return most


def _events() -> list[tuple[str, int]]:
    path = Path(os.environ["CALL_LOG"])
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def _hang(let_go: Path) -> None:
    """Until the test is over: a process cannot end while one of its threads sleeps."""
    ends = time.monotonic() + HANGS
    while time.monotonic() < ends and not let_go.exists():
        time.sleep(0.05)


@contextmanager
def _logged(request: ImageRequest) -> Iterator[None]:
    _write(f"begin {request.seed}\n")
    try:
        yield
    finally:
        _write(f"end {request.seed}\n")


def _write(line: str) -> None:
    file = os.open(os.environ["CALL_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
