"""Who stands in the picture, and in which colours: the same for one character through a whole story."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

from .palette import Colour, hexed
from .words import FIGURES, PEOPLE, mentioned, tokens


@dataclass(frozen=True, slots=True)
class Look:
    """A figure. `body` is the coat of a person, the fur, feathers or plates of anybody else; `accent` the scarf."""

    kind: str
    body: Colour
    accent: Colour
    hair: Colour
    skin: Colour
    hair_style: str = "bob"
    hat: str = ""
    lantern: bool = False

    @property
    def is_person(self) -> bool:
        return self.kind in PEOPLE


def look_of(name: str, appearance: str = "") -> Look:
    """A character's look, from the name and what is said of it alone: never from a scene or a seed.

    Words choose before the hash of the name does: "a girl with a red coat", "a silver fox".
    """
    rng = random.Random(hashlib.sha256(name.strip().lower().encode()).digest())
    words = tokens(appearance)
    kinds = mentioned(words, FIGURES) or mentioned(tokens(name), FIGURES)
    kind = kinds[0] if kinds else rng.choice(("girl", "boy"))
    said = _colours_said(words)
    garments = list(GARMENTS.values())
    body, accent = rng.sample(garments, 2)
    natural = NATURAL.get(kind)
    if natural:
        body = hexed(rng.choice(natural))
    body = said.get("body") or (said.get("hair") if kind not in PEOPLE else None) or said.get("any") or body
    accent = said.get("accent") or (accent if _apart(accent, body) else _furthest(body, garments))
    hair = said.get("hair") or hexed("d9d6d2" if kind in OLD else rng.choice(HAIRS))
    skin = hexed(rng.choice(SKINS))
    style = next((s for word, s in HAIR_STYLES.items() if word in words), rng.choice(("bob", "long", "plaits")))
    # Whose hair is described wears it uncovered, unless a hat is said as well.
    covered = rng.choice(("", "", "hood", "beanie")) if not {"hair", *HAIR_STYLES} & set(words) else ""
    hat = next((worn for word, worn in HATS.items() if word in words), covered)
    return Look(kind, body, accent, hair, skin, style, hat, bool({"lantern", "lamp", "torch"} & set(words)))


def _colours_said(words: list[str]) -> dict[str, Colour]:
    """Each colour word by what it colours: the nearest noun among the next three words, else "any"."""
    found: dict[str, Colour] = {}
    for index, word in enumerate(words):
        if word not in SAID and word not in HAIR_SAID:
            continue
        following = words[index + 1 : index + 4]
        wears = next((WORN[noun] for noun in following if noun in WORN), "any")
        if wears == "hair" and word in HAIR_SAID:
            found.setdefault("hair", HAIR_SAID[word])
        elif wears and word in SAID:
            found.setdefault(wears, SAID[word])
    return found


def _apart(one: Colour, other: Colour) -> bool:
    return _distance(one, other) > 110


def _distance(one: Colour, other: Colour) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def _furthest(body: Colour, choices: list[Colour]) -> Colour:
    return max(choices, key=lambda choice: _distance(choice, body))


def _hexes(text: str) -> dict[str, Colour]:
    return {word: hexed(code) for word, code in (pair.split("=") for pair in text.split())}


GARMENTS = _hexes(
    "red=cf4332 mustard=e6a72e teal=2e8b8c blue=3f66b5 plum=8a4d95 rose=de6f8e green=5c944d orange=e67a3a"
)
SAID = _hexes(
    "red=cf3b2e crimson=b52836 scarlet=d8352a blue=3c68bd navy=2b3f78 green=4f9150 yellow=f2c230 gold=e8b437 "
    "golden=e8b437 orange=ea7a32 purple=7f4fa3 violet=8358b8 pink=e67f9f rose=de6f8e white=f1ece2 cream=efe2c4 "
    "black=2b2a33 grey=8c919c gray=8c919c silver=b4bdc9 brown=8a5a3a teal=2b8d8c turquoise=3fb5b0 copper=c0704a "
    "ginger=dc7a35 mustard=e6a72e lilac=a98ccf emerald=2f9468 blonde=ecc571 blond=ecc571 amber=e9a13b"
)
HAIR_SAID = _hexes(
    "red=b9502b ginger=c9672f golden=e5b95c blonde=ecc571 blond=ecc571 brown=6b4227 black=262029 dark=2c2228"
)
HAIRS = ("2f2028", "4c2d22", "6b4227", "b9602f", "d9a95a", "3a2a3f")
SKINS = ("f6d3b8", "efc19e", "d9a075", "b97b52", "8f5b3d")
OLD = frozenset({"grandfather", "grandmother", "wizard"})

NATURAL: Mapping[str, tuple[str, ...]] = {
    "fox": ("e2722e",),
    "wolf": ("77829a",),
    "dog": ("b9824c", "e3c28f", "7b5238"),
    "cat": ("34313f", "d98a45", "8d8f9b", "ece3d4"),
    "bear": ("7d5237",),
    "rabbit": ("d9c3a5", "b39b86", "efe6da"),
    "mouse": ("9c96a3",),
    "deer": ("b5773f",),
    "horse": ("8a5634", "eee4d3", "4f4651"),
    "bird": ("d9503a", "3f7fc0", "efb93a"),
    "owl": ("94704f",),
    "robot": ("8fb0b8", "d8b04a", "c9d0d4", "7fa58f"),
    "dragon": ("4f9a6a", "3c8f9c", "b4483f", "8660ad"),
    "knight": ("a9b3c2",),
    "astronaut": ("eef0f2",),
}

HATS: Mapping[str, str] = {
    "hood": "hood",
    "hooded": "hood",
    "cap": "beanie",
    "beanie": "beanie",
    "hat": "brim",
    "crown": "crown",
    "tiara": "crown",
}
HAIR_STYLES: Mapping[str, str] = {
    "braid": "plaits",
    "plait": "plaits",
    "pigtail": "plaits",
    "bun": "bun",
    "long": "long",
    "short": "bob",
    "curl": "curls",
    "curly": "curls",
}

# What a colour word colours by the noun after it; "" is for what a picture of this size does not show.
_NOUNS = {
    "body": "coat dress jacket cloak cape shirt sweater jumper raincoat robe suit armour armor tunic pullover gown "
    "cardigan overall fur feather scale plate mane",
    "accent": "scarf hat cap beanie hood ribbon bow collar shawl wing plume helmet crown bandana belt",
    "hair": "hair curl braid plait beard ponytail pigtail bun",
    "": "eye boot shoe glove cheek lantern lamp nose umbrella light",
}
WORN: Mapping[str, str] = {noun: part for part, nouns in _NOUNS.items() for noun in nouns.split()}
