"""The one place where a prompt is put together. Pure."""

from collections.abc import Iterable
from typing import Protocol


class Described(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def appearance(self) -> str: ...
    @property
    def style(self) -> str: ...


def compose(text: str, cast: Iterable[Described], style: str = "") -> str:
    """The scene's text, then `name: appearance` of each of the cast, then the style.

    Without a style of the story's own, the first character's is taken. Each part ends with a full stop, so
    that a model reads them as sentences of their own.
    """
    cast = list(cast)
    style = style or next((character.style for character in cast if character.style), "")
    described = [f"{character.name}: {character.appearance}" for character in cast if character.appearance]
    named = [character.name for character in cast if not character.appearance and character.name not in text]
    return " ".join(_sentence(part) for part in [text, *named, *described, style] if part.strip())


def _sentence(part: str) -> str:
    part = " ".join(part.split())
    return part if part[-1] in ".!?…" else f"{part}."
