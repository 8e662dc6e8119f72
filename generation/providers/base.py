"""What every provider of pictures looks like from inside storyapp."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Embedding:
    """A textual-inversion embedding by the name its server lists, and how strongly it counts (1.0: as trained)."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """One call for one picture.

    `width` and `height` are pixels, `deadline` is a `time.monotonic()` moment that covers the call up to its
    last byte. `server` is the address of the claimed account, "" where a provider has only one. `key` stays the
    same until the server answered, through deaths and retries: a provider that can join a running call uses it.

    For a server with a queue of its own, `deadline` covers the wait there, too, and `call_seconds` the call alone,
    from the moment it has its turn. `is_new` says that nobody can have asked under this key before. `cancelled`
    tells that the scene is cancelled, or somebody else's by now; it is asked about once a second, in the call's thread.
    """

    prompt: str
    width: int
    height: int
    seed: int
    deadline: float
    key: UUID
    cast: tuple[str, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    references: tuple[str, ...] = ()
    server: str = ""
    call_seconds: float = float("inf")
    is_new: bool = False
    cancelled: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The one picture that was fetched.

    `offered` counts the pictures the provider made for the call, `bytes_received` the bytes of all picture
    bodies that were read for it, `request_id` is the provider's own name of the call, or "".
    """

    content: bytes
    content_type: str
    model: str
    offered: int = 1
    bytes_received: int = 0
    request_id: str = ""


class ImageProvider(ABC):
    """Stateless and safe in threads. Never touches the database."""

    name: ClassVar[str]

    def check(self, request: ImageRequest) -> None:  # noqa: B027 - most can express all of it
        """Raise RequestRefused for what this provider cannot express, so that it is refused before a row is made."""

    def describe(self) -> str:
        """What `manage.py check` says is in use: name, model, servers; a key as 8 hex of its SHA-256 at most.

        Asks nobody. Raises ProviderConfigurationError where a setting is missing or wrong.
        """
        return self.name

    def probe(self, deadline: float) -> None:  # noqa: B027 - most have nobody to ask
        """Ask for a sign of life that costs nothing, until `deadline` (`time.monotonic()`).

        Raises ProviderError, whose message names what does not answer. Who needs no network always answers.
        """

    @abstractmethod
    def first_variation(self, request: ImageRequest) -> Variation:
        """Make the picture and fetch its first variation only. Raises ProviderError and nothing else."""
