"""`manage.py backup`: rows and pictures in one file, while storyapp runs."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from storyapp.backup import Contents, Refused, back_up, write
from storyapp.management.carrying import CarryingCommand, amount, counted, named


class Command(CarryingCommand):
    help = (
        "Write the database and the pictures on disk into a tar file, while storyapp runs. Not in it: sessions, .env, "
        "the secret key, and pictures in Cloudinary, which stay there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE.tar", help="made readable for you alone; - writes to standard output")
        parser.add_argument("--force", action="store_true", help="replace a file that is there")
        parser.add_argument("--with-remote", action="store_true", help="fetch the pictures in Cloudinary, too")

    def carry(self, options: dict[str, Any]) -> Contents:
        with_remote: bool = options["with_remote"]
        if options["file"] != "-":
            path = Path(options["file"])
            return back_up(path, replace=options["force"], with_remote=with_remote, look=self.look)
        if sys.stdout.isatty():
            raise Refused("Standard output is a terminal: name a file, or send it on to a program.")
        try:
            contents = write(sys.stdout.buffer, with_remote=with_remote, look=self.look)
            sys.stdout.buffer.flush()
        except OSError as exc:
            raise Refused(f"Nobody took the whole backup: {exc.strerror or exc}.") from exc
        return contents

    def summary(self, contents: Contents) -> list[str]:
        lines = [f"Backed up {amount(contents)}."]
        if contents.elsewhere:
            lines.append(
                f"Not in the backup, but in Cloudinary: {counted(contents.elsewhere)} (--with-remote fetches)."
            )
        if contents.missing:
            lines.append(f"Missing from storage, so not in the backup: {named(contents.missing)}.")
        if contents.unreadable:
            lines.append(f"Damaged or not readable, so not in the backup: {named(contents.unreadable)}.")
        return lines
