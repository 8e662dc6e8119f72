"""What `manage.py backup` and `manage.py restore` show while they work, and how they end."""

import signal
import sys
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError

from storyapp.backup import Contents, Refused

SECONDS_BETWEEN_LOOKS = 0.2
NAMED_AT_MOST = 5
SOME_FAILED = 1
BAD_INPUT = 2


class CarryingCommand(BaseCommand):
    """Exit code 0 when all is well, 1 when pictures could not be read, 2 with a sentence when nothing was done."""

    _shown_at = 0.0

    def carry(self, options: dict[str, Any]) -> Contents:
        raise NotImplementedError

    def summary(self, contents: Contents) -> list[str]:
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        # So that a half-written file is removed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            contents = self.carry(options)
        except Refused as exc:
            self._refuse(str(exc))
        except OperationalError as exc:
            reason = str(exc).strip().partition("\n")[0]
            self._refuse(f"The database cannot be used: {reason}. See DATABASE_URL.")
        except KeyboardInterrupt:
            self._clear_line()
            sys.exit(128 + signal.SIGINT)
        self._clear_line()
        for line in self.summary(contents):
            # Standard output may be the backup itself.
            self.stderr.write(line)
        if contents.unreadable:
            sys.exit(SOME_FAILED)

    def look(self, contents: Contents) -> None:
        """How far it is, for a person who watches."""
        if self.stderr.isatty() and monotonic() - self._shown_at > SECONDS_BETWEEN_LOOKS:
            self._shown_at = monotonic()
            self.stderr.write(f"\r{amount(contents)} …", ending="\x1b[K")

    def _refuse(self, sentence: str) -> None:
        self._clear_line()
        self.stderr.write(sentence)
        sys.exit(BAD_INPUT)

    def _clear_line(self) -> None:
        if self._shown_at:
            self.stderr.write("\r", ending="\x1b[K")


def amount(contents: Contents) -> str:
    """`1,204 rows and 310 pictures (98.3 MB)`."""
    size = f"{contents.bytes / 1_000_000:,.1f} MB"
    return f"{sum(contents.rows.values()):,} rows and {counted(contents.pictures)} ({size})"


def counted(pictures: int) -> str:
    return f"{pictures:,} picture{'' if pictures == 1 else 's'}"


def named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST:,} more" if len(names) > NAMED_AT_MOST else ""
    return f"{', '.join(names[:NAMED_AT_MOST])}{more}"
