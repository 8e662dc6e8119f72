"""Textual-inversion embeddings: how they are written into a prompt, and which of them a server has.

ComfyUI drops one that it does not have with nothing but a line in its own log.
"""

import time
from collections.abc import Iterable, Sequence

from generation.providers.base import Embedding
from generation.providers.comfyui.server import Server
from generation.providers.exceptions import ProviderError

KNOWN_FOR = 60.0
SILENT_FOR = 10.0


def with_embeddings(prompt: str, embeddings: Iterable[Embedding]) -> str:
    """`(embedding:mira:1.2) A fox`: they are recognised at the start of a prompt or after a space only.

    They stand in front, because one bracket too many in the words before them would hide them.
    """
    return " ".join([*(f"(embedding:{one.name}:{one.weight:g})" for one in embeddings), prompt])


class KnownEmbeddings:
    """What each server has. A yes is believed for a minute; before a no the server is asked afresh."""

    def __init__(self) -> None:
        self._lists: dict[str, tuple[float, frozenset[str]]] = {}
        self._silent: dict[str, float] = {}

    def missing(self, server: Server, wanted: Sequence[Embedding], *, deadline: float) -> list[str]:
        """The names that this server does not have. Raises ProviderError where it cannot be asked."""
        names = {embedding.name for embedding in wanted}
        asked_at, known = self._lists.get(server.url, (0.0, frozenset()))
        if names - known or time.monotonic() > asked_at + KNOWN_FOR:
            known = server.embeddings(deadline=deadline)
            self._lists[server.url] = (time.monotonic(), known)
        return sorted(names - known)

    def known_to_be_missing(self, server: Server, wanted: Sequence[Embedding], *, deadline: float) -> list[str]:
        """The same, and nothing where the server cannot be asked: a thousand scenes ask a silent one once."""
        if time.monotonic() < self._silent.get(server.url, 0.0):
            return []
        try:
            return self.missing(server, wanted, deadline=deadline)
        except ProviderError:
            self._silent[server.url] = time.monotonic() + SILENT_FOR
            return []
