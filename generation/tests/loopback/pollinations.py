"""Pollinations on loopback: what services and issue threads tell of gen.pollinations.ai and its older host.

`GET /image/{prompt}` and `POST /v1/images/generations` want a key, `GET /prompt/{prompt}` wants none. A prompt that
holds the word "forbidden" is refused as the vendor's content policy does. Pictures are JPEGs of a few
colours, other ones for another prompt, seed or size.
"""

import base64
import hashlib
import threading
import time
from argparse import ArgumentParser
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from generation.tests.loopback import faults
from generation.tests.loopback.server import Answer, Exchange, LoopbackServer, Request

KEY = "sk_loopback"
# The vendor makes nothing larger on a side, whatever is asked.
MOST = 2048
SIDE = 1024
CONTENT_TYPE = "image/jpeg"


@dataclass(eq=False)
class _Making:
    """One picture under way or made; who asks for the same waits for it."""

    done: threading.Event = field(default_factory=threading.Event)
    content: bytes = b""


class LoopbackPollinations(LoopbackServer):
    """`credit=False`: the key's account runs one call at a time. `broke=True`: it has nothing left at all.

    `made` counts the pictures that were made (and billed): joined and cached ones are not.
    """

    name = "pollinations"

    def __init__(
        self, *, port: int = 0, delay: float = 0.0, key: str = KEY, credit: bool = True, broke: bool = False
    ) -> None:
        super().__init__(port=port, delay=delay)
        self.key = key
        self.credit = credit
        self.broke = broke
        self.made = 0
        self._running = 0
        self._pictures: dict[tuple[str, ...], _Making] = {}

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--key", default=KEY, help=f"the key it accepts; default: {KEY}")
        parser.add_argument("--no-credit", dest="credit", action="store_false", help="one call at a time")
        parser.add_argument("--broke", action="store_true", help="answers 402 to every call with the key")

    def variables(self) -> dict[str, str]:
        return {"IMAGE_PROVIDER": self.name, "POLLINATIONS_URL": self.url, "POLLINATIONS_API_KEY": self.key}

    def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.method == "GET" and request.path.startswith("/prompt/"):
            self._answer_without_key(exchange)
        elif request.path.startswith("/image/") or request.path == "/v1/images/generations":
            self._answer_with_key(exchange)
        else:
            _refuse(exchange, 404, "NOT_FOUND", "Not found")

    def _answer_with_key(self, exchange: Exchange) -> None:
        request = exchange.request
        given = request.headers.get("Authorization")
        if given is None:
            return _refuse(exchange, 401, "UNAUTHORIZED", "Authentication required. Please provide an API key")
        if given != f"Bearer {self.key}":
            # A careless vendor repeats what it was given: our client must not show it.
            return _refuse(exchange, 401, "UNAUTHORIZED", f"Invalid API key: {given.removeprefix('Bearer ')}")
        if self.broke:
            return _refuse(exchange, 402, "PAYMENT_REQUIRED", "Insufficient pollen balance")
        asked = _asked(request)
        if asked is None:
            return _refuse(exchange, 400, "BAD_REQUEST", "Something was wrong with the input data")
        if "forbidden" in asked["prompt"].casefold():
            return _refuse(exchange, 422, "CONTENT_POLICY", "The prompt violates the content policy")
        content = self._picture(exchange, asked, at_once=100 if self.credit else 1)
        if content is None:
            message = "This account may run one generation at a time"
            body = {"error": "concurrency_limit_exceeded", "message": message}
            return exchange.send_json(body, status=429, headers={"Retry-After": "1"})
        if request.method == "POST":
            encoded = base64.b64encode(content).decode()
            return exchange.send_json({"created": int(time.time()), "data": [{"b64_json": encoded}], "usage": {}})
        return exchange.send(content, CONTENT_TYPE, headers={"x-request-id": f"r{self.made}"})

    def _answer_without_key(self, exchange: Exchange) -> None:
        asked = _asked(exchange.request)
        content = asked and self._picture(exchange, asked, at_once=1)
        if content:
            return exchange.send(content, CONTENT_TYPE)
        return queue_full()(exchange)

    def _picture(self, exchange: Exchange, asked: dict[str, str], *, at_once: int) -> bytes | None:
        """The cached one, the one under way or a new one; None where the account already has its calls running."""
        with self.lock:
            key = tuple(asked.values())
            making = self._pictures.get(key)
            if making is None:
                if self._running >= at_once:
                    return None
                self._running += 1
                making = self._pictures[key] = _Making()
                threading.Thread(target=self._make, args=(making, asked), daemon=True).start()
        exchange.wait(making.done)
        return making.content

    def _make(self, making: _Making, asked: dict[str, str]) -> None:
        """In a thread of its own: the vendor goes on although its client went away."""
        self.stopping.wait(self.delay)
        making.content = draw(asked["prompt"], int(asked["seed"]), int(asked["width"]), int(asked["height"]))
        with self.lock:
            self._running -= 1
            self.made += 1
        making.done.set()


def draw(prompt: str, seed: int, width: int = SIDE, height: int = SIDE) -> bytes:
    """A JPEG; the same arguments give the same bytes, within some 10 ms."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode()).digest()
    picture = Image.frombytes("RGB", (3, 3), digest[:27]).resize((width, height), Image.Resampling.BILINEAR)
    body = BytesIO()
    picture.save(body, "JPEG", quality=80)
    return body.getvalue()


def queue_full() -> Answer:
    """What the older host says where a paying client would be asked to pay."""
    error = "Queue full for IP 127.0.0.1: 1 requests already queued (max: 1)"
    return faults.json_body({"x402Version": 1, "error": error}, status=402)


def placeholder() -> Answer:
    """200 with a picture that is not the one that was asked for."""
    return faults.whole(PLACEHOLDER_PICTURE, CONTENT_TYPE)


def refusal(status: int, code: str, message: str) -> Answer:
    """An error in the vendor's own shape."""
    return lambda exchange: _refuse(exchange, status, code, message)


def _refuse(exchange: Exchange, status: int, code: str, message: str) -> None:
    error = {"code": code, "message": message, "timestamp": "2026-01-01T00:00:00.000Z"}
    exchange.send_json({"status": status, "success": False, "error": error}, status=status)


def _asked(request: Request) -> dict[str, str] | None:
    """Prompt, model, seed and clamped size; None for what the vendor's own check refuses."""
    try:
        if request.method == "POST":
            body = request.json
            width, height = map(int, body["size"].split("x"))
            asked = {"prompt": body["prompt"], "model": body["model"], "seed": body.get("seed", 42)}
            if not 1 <= len(body["prompt"]) <= 32_000 or body.get("n", 1) != 1:
                return None
        else:
            query = request.query
            width, height = int(query.get("width", SIDE)), int(query.get("height", SIDE))
            prompt = request.path.removeprefix("/image/").removeprefix("/prompt/")
            asked = {"prompt": prompt, "model": query.get("model", "zimage"), "seed": query.get("seed", 42)}
        if not 0 <= int(asked["seed"]) < 2**31:
            return None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    size = {"width": min(MOST, max(1, width)), "height": min(MOST, max(1, height))}
    return {name: str(value) for name, value in {**asked, **size}.items()}


PLACEHOLDER_PICTURE = draw("We have moved to a new address", seed=0, width=256, height=256)
PLACEHOLDER_MD5 = hashlib.md5(PLACEHOLDER_PICTURE).hexdigest()
