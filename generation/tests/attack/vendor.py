"""A vendor that is badly off: every fifth call goes wrong, in every way that one can."""

import random
import time
from collections import Counter

from generation.tests.loopback import faults
from generation.tests.loopback.pollinations import LoopbackPollinations, draw, placeholder, queue_full, refusal
from generation.tests.loopback.server import Answer, Exchange, Request
from generation.tests.providers import Call

# Between the clock of the requests and the one of rows.
EPOCH = time.time() - time.monotonic()
SHARE = 0.2
# Among the first calls with the seeds 1000 to 1299 are faults of every kind, and six among the first thirty.
SALT = 35
PICTURE = draw("somebody else's", seed=1, width=64, height=64)
FAULTS: dict[str, Answer] = {
    "429": faults.status(429, Retry_After="1"),
    "429 without a time": refusal(429, "RATE_LIMITED", "Too many requests"),
    "402 queue full": queue_full(),
    "500": faults.status(500),
    "503": faults.status(503, Retry_After="1"),
    "524": faults.html(status=524),
    "HTML": faults.html(),
    "JSON": faults.json_body({"error": "busy"}),
    "nothing": faults.empty(),
    "half a picture": faults.half(PICTURE),
    "half a body": faults.drop_in_the_middle(PICTURE),
    "hang": faults.hang(),
    "hang in the middle": faults.hang(after=PICTURE[:100]),
    "drip": faults.drip(PICTURE),
    "drop": faults.drop(),
    "garbage": faults.garbage(),
    "redirect": faults.redirect("http://127.0.0.1:9/"),
    "animation": faults.animation(),
    "refused prompt": refusal(422, "CONTENT_POLICY", "The prompt violates the content policy"),
    "placeholder": placeholder(),
}


class FaultyPollinations(LoopbackPollinations):
    """What a call meets follows from its seed and how many calls this seed had before: every run is the same."""

    def __init__(self, *, delay: float = 0.0) -> None:
        super().__init__(delay=delay)
        self.played: Counter[str] = Counter()
        self._asked: Counter[int] = Counter()

    def answer(self, exchange: Exchange) -> None:
        with self.lock:
            fault = self._fault(_seed(exchange.request))
        if fault is None:
            super().answer(exchange)
        else:
            exchange.pause(self.delay / 2)
            FAULTS[fault](exchange)

    @property
    def calls(self) -> list[Call]:
        with self.lock:
            return [_call(request) for request in self.requests]

    def _fault(self, seed: int) -> str | None:
        self._asked[seed] += 1
        chance = random.Random(f"{SALT} {seed} {self._asked[seed]}")
        if chance.random() >= SHARE:
            return None
        fault = chance.choice(list(FAULTS))
        self.played[fault] += 1
        return fault


def _call(request: Request) -> Call:
    ended = float("inf") if request.ended is None else request.ended + EPOCH
    return Call(seed=_seed(request), begun=request.begun + EPOCH, ended=ended)


def _seed(request: Request) -> int:
    return int(request.query["seed"])
