"""A provider for tests that does what the scene's text says, here and in worker processes.

Words in square brackets direct it: `[slow 1.0]` sleeps, `[slow once 1.0]` in the first call of a seed alone, `[late
0.5]` until so long after its deadline, `[fail 2]` fails the first two attempts of a seed, `[refuse]`, `[no key]`,
`[wait 0.5]` (429 once), `[gone]` is a server that does not answer any more, `[hang]` ignores its deadline, `[html]`
answers no picture, `[large]` one of many bytes, `[broken]` raises what no provider may raise, `[log]` writes a line of
its own into the log.

Calls are written to the file that CALL_LOG names, a line at their begin and one at their end, so that a test can count
how many were open at once over all processes. A process that is killed ends its calls: whoever kills it writes that
down, too (`note_death`).
"""

import hashlib
import io
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from threading import get_ident

from PIL import Image

from generation.providers.base import ImageProvider, ImageRequest, Variation
from generation.providers.exceptions import NotEntitled, ProviderUnavailable, RateLimited, RequestRefused, ServerGone

HANGS = 600.0
log = logging.getLogger("generation.providers.directed")
SMALL = (64, 64)
LARGE = (1024, 1024)


class DirectedProvider(ImageProvider):
    name = "directed"

    def check(self, request: ImageRequest) -> None:
        if "[unspeakable]" in request.prompt:
            raise RequestRefused("This provider cannot draw that.", provider=self.name)

    def first_variation(self, request: ImageRequest) -> Variation:
        with _logged(request):
            earlier = calls(request.seed) - 1
            directed = dict(re.findall(r"\[([a-z ]+?) ?([\d.]*)\]", request.prompt))
            if "log" in directed:
                log.info("directed.asked", extra={"seed": request.seed})
            if "slow" in directed:
                time.sleep(float(directed["slow"]))
            if "slow once" in directed and not earlier:
                time.sleep(float(directed["slow once"]))
            if "late" in directed:
                time.sleep(max(0.0, request.deadline + float(directed["late"]) - time.monotonic()))
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
            if "gone" in directed:
                raise ServerGone("The server does not answer.", provider=self.name)
            if "broken" in directed:
                raise KeyError("what no provider may raise")
            content = (
                b"<html>" if "html" in directed else picture(request.seed, LARGE if "large" in directed else SMALL)
            )
        return Variation(
            content=content, content_type="image/jpeg", model="directed-1", bytes_received=len(content), request_id="r1"
        )


def picture(seed: int, size: tuple[int, int] = SMALL) -> bytes:
    """A small JPEG of sixteen patches; another seed gives other bytes."""
    patches = hashlib.sha512(str(seed).encode()).digest()[:48]
    file = io.BytesIO()
    Image.frombytes("RGB", (4, 4), patches).resize(size, Image.Resampling.NEAREST).save(file, "JPEG")
    return file.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a provider for the scene with this seed. Times are seconds since 1970; infinite: still open."""

    seed: int
    begun: float
    ended: float


def call_log() -> list[Call]:
    """All calls so far, over all processes, in the order they began."""
    path = Path(os.environ["CALL_LOG"])
    found: list[Call] = []
    open_calls: dict[tuple[str, str], int] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        event, at, process, *thread_and_seed = line.split()
        if event == "begin":
            thread, seed = thread_and_seed
            open_calls[process, thread] = len(found)
            found.append(Call(seed=int(seed), begun=float(at), ended=float("inf")))
        else:
            # An end is one thread's, a death all of its process.
            ended = [key for key in open_calls if key[0] == process and key[1] in (thread_and_seed or [key[1]])]
            for key in ended:
                number = open_calls.pop(key)
                found[number] = replace(found[number], ended=float(at))
    return found


def calls(seed: int | None = None) -> int:
    """Calls begun so far, of one seed or of all."""
    return sum(1 for call in call_log() if seed in (call.seed, None))


def most_at_once() -> int:
    return most_open(call_log())


def most_open(calls: Iterable[Call]) -> int:
    """How many of these were open at the same moment, at the most."""
    calls = list(calls)
    begun = [(call.begun, 1) for call in calls]
    ended = [(call.ended, -1) for call in calls]
    return max(accumulate(change for _, change in sorted(begun + ended)), default=0)


def note_death(process: int) -> None:
    """Its calls have ended."""
    _write(os.environ["CALL_LOG"], f"death {time.time():.6f} {process}")


def _hang(let_go: Path) -> None:
    """Until the test is over: a process cannot end while one of its threads sleeps."""
    ends = time.monotonic() + HANGS
    while time.monotonic() < ends and not let_go.exists():
        time.sleep(0.05)


@contextmanager
def _logged(request: ImageRequest) -> Iterator[None]:
    # A call that hangs may end after its test.
    log, caller = os.environ["CALL_LOG"], f"{os.getpid()} {get_ident()}"
    _write(log, f"begin {time.time():.6f} {caller} {request.seed}")
    try:
        yield
    finally:
        _write(log, f"end {time.time():.6f} {caller}")


def _write(log: str, line: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)
