"""What pictures and folders are called in the zip, on whatever file system it is unpacked."""

import unicodedata

import pytest

from gallery.archive import NAME_BYTES, folder_name, picture_name, unique_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lighthouse at dusk", "03 The lighthouse at dusk.jpg"),
        ("The lighthouse at dusk.", "03 The lighthouse at dusk.jpg"),
        ('Who? "Me": 1/2 * <3> | a\\b', "03 Who 'Me'- 1-2 3 - a-b.jpg"),
        ("one\ntwo\t three\x00four", "03 one two three four.jpg"),
        ("  . hidden . ", "03 hidden.jpg"),
        ("", "03 scene.jpg"),
        (" ?*. ", "03 scene.jpg"),
        ("\u202egpj.exe", "03 gpj.exe.jpg"),
        ("cut \ud800 surrogate", "03 cut surrogate.jpg"),
        ("Cafe\u0301", "03 Café.jpg"),
        ("👩\u200d🚀 flies", "03 👩\u200d🚀 flies.jpg"),
        ("../../etc/passwd", "03 -..-etc-passwd.jpg"),
        ("x" * 90, f"03 {'x' * 60}.jpg"),
        (
            "Mira climbs the old lighthouse, counts every step of the stair, and looks out",
            "03 Mira climbs the old lighthouse, counts every step of the.jpg",
        ),
    ],
)
def test_a_picture_is_named_after_its_scene(text: str, expected: str) -> None:
    assert picture_name(2, text, "jpg") == expected


def test_a_take_and_more_digits_show_in_the_name() -> None:
    assert picture_name(2, "At dusk", "webp", take=2) == "03 At dusk (take 2).webp"
    assert picture_name(99, "At dusk", "png", width=4) == "0100 At dusk.png"


@pytest.mark.parametrize("text", ["語" * 300, "🦊" * 300, "é" * 300, "a\u0301" * 300, "word " * 99, "\u200d" * 99])
def test_names_fit_any_file_system(text: str) -> None:
    name = picture_name(99_999, text, "jpeg", take=1234)
    assert len(name.encode()) <= NAME_BYTES
    assert name == unicodedata.normalize("NFC", name)
    assert name.startswith("100000 ")
    assert name.endswith(" (take 1234).jpeg")
    assert len(folder_name(text).encode()) <= NAME_BYTES


def test_names_hold_nothing_that_windows_refuses() -> None:
    text = "".join(map(chr, range(0x3000)))
    for at in range(0, len(text), 40):
        name = picture_name(0, text[at : at + 40], "jpg")
        assert not set(name) & set('\\/:*?"<>|')
        assert name.isprintable() or not name.isascii()
        assert min(map(ord, name)) >= 32
        assert "/" not in folder_name(text[at : at + 40])


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Mira and the Fox", "Mira and the Fox"),
        ("Mira: a tale...", "Mira- a tale"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ("Lpt1 ", "_Lpt1"),
        ("Console", "Console"),
        ("..", "pictures"),
        ("", "pictures"),
    ],
)
def test_a_folder_is_named_after_its_title(title: str, expected: str) -> None:
    assert folder_name(title) == expected


def test_a_folder_without_a_name_is_called_as_asked() -> None:
    assert folder_name("???", otherwise="story") == "story"


def test_names_that_differ_stay() -> None:
    names = ["01 a.jpg", "02 a.jpg", "01 a.png"]
    assert unique_names(names) == names


def test_names_that_a_file_system_takes_for_one_are_told_apart() -> None:
    names = ["01 Fox.jpg", "01 fox.jpg", "01 FOX.jpg", "01 Café.jpg", "01 Cafe\u0301.jpg", "Mr. Fox", "mr. fox"]
    assert unique_names(names) == [
        "01 Fox.jpg",
        "01 fox (2).jpg",
        "01 FOX (3).jpg",
        "01 Café.jpg",
        "01 Cafe\u0301 (2).jpg",
        "Mr. Fox",
        "mr. fox (2)",
    ]


def test_a_new_name_is_never_one_that_was_there() -> None:
    names = ["a.jpg", "A.jpg", "a (2).jpg", "a.jpg", "a (2).jpg"]
    assert unique_names(names) == ["a.jpg", "A (3).jpg", "a (2).jpg", "a (4).jpg", "a (2) (2).jpg"]


def test_thousands_of_equal_names_take_no_quadratic_time() -> None:
    names = unique_names(["a.jpg"] * 20_000)
    assert len(set(names)) == 20_000
    assert names[-1] == "a (20000).jpg"
