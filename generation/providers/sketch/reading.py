"""What the words of a prompt ask for: a place, an hour, a weather, things and figures. Pure; no picture is made."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .characters import Look, look_of
from .words import FIGURES, HOURS_SAID, PEOPLE, PLACES, THINGS, WEATHERS, mentioned, tokens

MOST_FIGURES = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, read. `looks` begins with the cast in its order; `weather` is "", "snow" or "rain"."""

    place: str
    hour: str
    weather: str
    things: tuple[str, ...]
    looks: tuple[Look, ...]


def read(prompt: str, cast: Sequence[str] = ()) -> Reading:
    """Read a prompt as `compose` writes it: the scene's text, "Name: appearance" for each of the cast, the style.

    The scene's text alone decides place, hour, weather and things; characters keep their looks in every scene.
    """
    scene, appearances = split(prompt, cast)
    words = tokens(scene)
    weather = (mentioned(words, WEATHERS) or [""])[0]
    things = tuple(mentioned(words, THINGS))
    unsaid = "clouds" if "balloon" in things else _pick(scene, "place", LANDS)
    place = (mentioned(words, PLACES) or [unsaid])[0]
    return Reading(
        place=place,
        hour=_hour(scene, words, place, weather),
        weather="" if place in INDOORS else weather,
        things=things,
        looks=_looks(words, cast, appearances),
    )


def split(prompt: str, cast: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The scene's own text, and what the prompt says of each of the cast.

    An appearance ends with its line, or with its sentence where the prompt is one line: what follows may be the
    style, whose colours are nobody's coat.
    """
    starts = []
    for name in cast:
        found = re.search(rf"(?<!\w){re.escape(name.strip())}\s*:", prompt, re.IGNORECASE)
        if found and name.strip():
            starts.append((found.start(), found.end(), name))
    starts.sort()
    ends = [*[start for start, _, _ in starts], len(prompt)][1:]
    appearances = {
        name: re.split(r"\n|(?<=[.!?])\s", prompt[begin:end].strip(), maxsplit=1)[0]
        for (_, begin, name), end in zip(starts, ends, strict=True)
    }
    return (prompt[: starts[0][0]] if starts else prompt), appearances


def _hour(scene: str, words: list[str], place: str, weather: str) -> str:
    said = mentioned(words, HOURS_SAID)
    if said:
        return said[0]
    if weather:
        return {"snow": "winter", "rain": "storm"}[weather]
    if place == "space":
        return "night"
    return _pick(scene, "hour", LIGHTS)


def _looks(words: list[str], cast: Sequence[str], appearances: dict[str, str]) -> tuple[Look, ...]:
    looks = [look_of(name, appearances.get(name, "")) for name in cast if name.strip()][:MOST_FIGURES]
    kinds = {look.kind for look in looks}
    others = [kind for kind in mentioned(words, FIGURES) if kind not in kinds]
    if looks:
        # "Mira and her brother": somebody else of the scene comes along, but no second person for a word
        # that may well mean a character already there.
        others = [kind for kind in others if kind not in PEOPLE]
    looks += [look_of(kind, kind) for kind in others[: MOST_FIGURES - len(looks)]]
    return tuple(looks)


def _pick(text: str, subject: str, choices: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{subject}\n{' '.join(text.split())}".encode()).digest()
    return choices[int.from_bytes(digest[:8]) % len(choices)]


LANDS = ("forest", "sea", "city", "mountain", "desert", "meadow", "village", "river")
LIGHTS = ("day", "dusk", "dawn", "night", "autumn", "mist")
INDOORS = frozenset({"room", "cave", "space"})
