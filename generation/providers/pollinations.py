"""The `pollinations` provider: FLUX pictures by gen.pollinations.ai with a key, by its older host without one.

What the service does is known from its published source and its issues (enter.pollinations.ai's API page for the
first host, image.pollinations.ai's for the second); where both are silent the settings can differ from what
stands here.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterable
from typing import ClassVar
from urllib.parse import quote

from generation.providers.base import ImageProvider, ImageRequest, Variation
from generation.providers.exceptions import InvalidResponse, RateLimited, RequestRefused
from generation.providers.http import MAX_BYTES, Answer, fetch, raise_for_status

WITH_KEY = "https://gen.pollinations.ai"
WITHOUT_KEY = "https://image.pollinations.ai"
MODEL = "flux"
# What a limited caller gets with a 200, by the MD5 of its bytes (reported in the service's issues).
PLACEHOLDERS = ("2090a5dc21c32952cbf8496339752bd1",)

# Longer prompts do not go into an address.
ADDRESS_HOLDS = 2_000
PROMPT_HOLDS = 32_000
# A body of JSON around the base64 of a picture: four bytes for three.
MAX_JSON_BYTES = MAX_BYTES * 4 // 3 + 64 * 1024


class PollinationsProvider(ImageProvider):
    """`url` is scheme and host, "" for the vendor's own; without `key` the older host is asked, a call at a time.

    `placeholders` are MD5 sums in hex of pictures that stand for "not now".
    """

    name: ClassVar[str] = "pollinations"

    def __init__(
        self, *, url: str = "", key: str = "", model: str = MODEL, placeholders: Iterable[str] = PLACEHOLDERS
    ) -> None:
        self._url = url or (WITH_KEY if key else WITHOUT_KEY)
        self._key = key
        self._model = model
        self._placeholders: Collection[str] = frozenset(md5.lower() for md5 in placeholders)

    def check(self, request: ImageRequest) -> None:
        if request.embeddings:
            names = ", ".join(embedding.name for embedding in request.embeddings)
            raise RequestRefused(f"Pollinations knows no embeddings ({names}): only ComfyUI does.", provider=self.name)
        if len(request.prompt) > PROMPT_HOLDS:
            length = f"{len(request.prompt):,} characters; Pollinations takes {PROMPT_HOLDS:,}"
            raise RequestRefused(f"The prompt with its characters and style has {length}.", provider=self.name)

    def describe(self) -> str:
        return f"{self.name} ({self._model}) at {self._url}, {'with a key' if self._key else 'without a key'}"

    def probe(self, deadline: float) -> None:
        """Any answer at all is a sign of life; nothing is asked that could cost credit."""
        fetch("GET", f"{self._url}/", provider=self.name, deadline=deadline)

    def first_variation(self, request: ImageRequest) -> Variation:
        """Repeating it with the same prompt and seed joins what the service is making, and is billed once."""
        is_long = bool(self._key) and len(request.prompt) > ADDRESS_HOLDS
        answer = self._post(request) if is_long else self._get(request)
        raise_for_status(answer, provider=self.name, secrets=[self._key])
        content = self._picture_in(answer) if is_long else answer.content
        self._refuse_placeholder(content, answer)
        return Variation(
            content=content,
            content_type="" if is_long else answer.content_type,
            model=self._said(answer, "x-model-used") or self._model,
            bytes_received=answer.bytes_received,
            request_id=self._said(answer, "x-request-id"),
        )

    def _get(self, request: ImageRequest) -> Answer:
        path = "image" if self._key else "prompt"
        # Booleans that are false are left out: the service reads every text as true.
        params = {
            "model": self._model,
            "seed": str(request.seed),
            "width": str(request.width),
            "height": str(request.height),
            "enhance": "true",
            **({} if self._key else {"nologo": "true"}),
        }
        return fetch(
            "GET",
            f"{self._url}/{path}/{quote(request.prompt, safe='')}",
            provider=self.name,
            deadline=request.deadline,
            headers=self._headers(),
            params=params,
        )

    def _post(self, request: ImageRequest) -> Answer:
        return fetch(
            "POST",
            f"{self._url}/v1/images/generations",
            provider=self.name,
            deadline=request.deadline,
            max_bytes=MAX_JSON_BYTES,
            headers=self._headers(),
            body={
                "prompt": request.prompt,
                "model": self._model,
                "n": 1,
                "size": f"{request.width}x{request.height}",
                "seed": request.seed,
                "enhance": True,
                "response_format": "b64_json",
            },
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def _picture_in(self, answer: Answer) -> bytes:
        # Not json.loads: it makes a gigabyte of Python's objects of 30 MB of "[],[],[],…".
        found = re.search(rb'"b64_json"\s*:\s*"([A-Za-z0-9+/=]*)"', answer.content)
        try:
            return base64.b64decode(memoryview(answer.content)[slice(*found.span(1))] if found else b"")
        except binascii.Error:
            message = "The provider's answer holds a damaged picture."
            raise InvalidResponse(message, provider=self.name, bytes_received=answer.bytes_received) from None

    def _refuse_placeholder(self, content: bytes, answer: Answer) -> None:
        if hashlib.md5(content, usedforsecurity=False).hexdigest() in self._placeholders:
            message = "The provider sent its placeholder instead of a picture."
            raise RateLimited(message, provider=self.name, bytes_received=answer.bytes_received)

    def _said(self, answer: Answer, header: str) -> str:
        """A name or a number out of the answer's head; "" for what is neither, or repeats our key."""
        said = answer.headers.get(header, "")
        is_a_name = re.fullmatch(r"[!-~]{1,120}", said) and not (self._key and self._key in said)
        return said if is_a_name else ""
