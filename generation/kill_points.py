"""Moments at which a process may be killed, named where the code passes them.

The attack (`generation/tests/attack`) puts something deadly in the place of `reached`, in processes of its own.
Nothing else does: no setting and no variable of the environment leads there.
"""

from typing import Literal, get_args

Point = Literal[
    # A claim: nothing done, the accounts locked, all written and not committed, committed.
    "claim.before",
    "claim.locked",
    "claim.written",
    "claim.after",
    # A call: about to begin, its picture here and checked.
    "call.before",
    "call.after",
    # The note of an object that is going to exist.
    "intent.before",
    "intent.written",
    "intent.after",
    # Into storage: nothing, the original alone, all of it.
    "upload.before",
    "upload.original",
    "upload.after",
    # The picture's row: nothing, written and not committed, committed and nobody knows, known.
    "commit.before",
    "commit.written",
    "commit.lost_answer",
    "commit.after",
    # The sweep deletes: an object (reached for the original and each small size), then its entry.
    "object.before",
    "object.after",
    "entry.before",
    "entry.after",
]
POINTS: tuple[Point, ...] = get_args(Point)


def reached(point: Point) -> None:
    """Does nothing. Call it through the module, so that the attack can replace it."""
