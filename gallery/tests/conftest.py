import random

import pytest

from gallery.archive import CHUNK, Archive, picture_name, text_member
from gallery.tests.archives import NOON, member


@pytest.fixture(scope="module")
def archive() -> Archive:
    """Sixty pictures of many sizes (some empty, one larger than two chunks), and a note."""
    dice = random.Random(7)
    sizes = [0, 1, 2 * CHUNK + 77, *(dice.randrange(3000) for _ in range(56)), 0]
    pictures = [
        member(f"Mira — 龍/{picture_name(n, f'Scène {n}', 'jpg')}", dice.randbytes(size))
        for n, size in enumerate(sizes)
    ]
    return Archive([*pictures, text_member("Mira — 龍/MISSING.txt", "Nothing is missing…\n", NOON)])
