"""Which part of an answer was asked for: one range of bytes, as RFC 9110, section 14 has it. No Django."""

import re

# A first byte with or without a last one, or how many at the end.
ONE_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))[ \t]*", re.ASCII | re.IGNORECASE)


class NotSatisfiable(ValueError):
    """The range lies behind the end (status 416)."""


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Where what a Range header asks for begins and ends (excluded), of `size` bytes.

    None: all of it, because there is no such header, or one that a server may ignore: several ranges, another unit,
    or something that is none. Raises NotSatisfiable.
    """
    found = ONE_RANGE.fullmatch(header)
    if found is None:
        return None
    first, last, suffix = (int(digits) if digits else None for digits in found.groups())
    if first is None:
        start, end = max(0, size - (suffix or 0)), size
    elif last is not None and last < first:
        return None
    else:
        start, end = first, size if last is None else min(last + 1, size)
    if start >= end:
        raise NotSatisfiable
    return start, end
