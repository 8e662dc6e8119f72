import pytest

from gallery.ranges import NotSatisfiable, asked_range

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-200", (800, 1000)),
        ("bytes=999-", (999, 1000)),
        ("Bytes= 0-0 ", (0, 1)),
        ("bytes=900-5000", (900, 1000)),
        ("bytes=-5000", (0, 1000)),
    ],
)
def test_one_range_is_given(header: str, part: tuple[int, int]) -> None:
    assert asked_range(header, SIZE) == part


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5", "bytes=1 - 2", "bytes=0x1-2", "bytes=1-2-3"),
        *("bytes=5-4", "bytes=0-1,5-9", "lines=0-1", "bytes=-1-2", "bytes=١-٢", f"bytes={'9' * 40}-"),
    ],
)
def test_what_is_none_of_ours_is_answered_with_all_of_it(header: str) -> None:
    assert asked_range(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", f"bytes={'9' * 18}-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        asked_range(header, SIZE)
