"""A transaction that is tried again when the database refused it for a passing reason."""

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

TIMES = 5

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def repeated(transaction: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Up to five times on a deadlock, a locked database or a lost connection, with a growing pause.

    Only for a function that is one whole transaction and may run twice: the answer to its commit can be lost.
    """

    @functools.wraps(transaction)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for attempt in range(1, TIMES):
            try:
                return transaction(*args, **kwargs)
            except (OperationalError, InterfaceError) as exc:
                if connection.in_atomic_block:
                    raise  # Only the outermost transaction can begin anew.
                log.warning("database.again", extra={"attempt": attempt, "error": type(exc).__name__})
                connection.close_if_unusable_or_obsolete()
                time.sleep(random.uniform(0.5, 1.0) * 0.1 * 3**attempt)
        return transaction(*args, **kwargs)

    return wrapper
