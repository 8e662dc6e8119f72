"""`manage.py restore`: what `manage.py backup` wrote, into an empty database and its storage."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from storyapp.backup import Contents, Refused
from storyapp.management.carrying import CarryingCommand, amount, named
from storyapp.restore import restore


class Command(CarryingCommand):
    help = (
        "Fill an empty database from a backup, all of it or nothing, and put its pictures where new ones go. The "
        "backup may come from another kind of database and storage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE.tar", help="what backup wrote; - reads standard input")

    def carry(self, options: dict[str, Any]) -> Contents:
        if options["file"] == "-":
            return restore(sys.stdin.buffer, look=self.look)
        try:
            with Path(options["file"]).open("rb") as file:
                return restore(file, look=self.look)
        except OSError as exc:
            raise Refused(f"{options['file']} cannot be read: {exc.strerror}.") from exc

    def summary(self, contents: Contents) -> list[str]:
        lines = [f"Restored {amount(contents)}. Everybody signs in anew: manage.py sign_in_link owner"]
        if contents.unreadable:
            lines.append(f"Damaged in the backup, so not restored: {named(contents.unreadable)}.")
        return lines
