from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from accounts.models import SignInLink, User


class Command(BaseCommand):
    help = "Print an address with one button that signs a person in, once, within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name")
        parser.add_argument("--address", default="", help="what the address begins with, such as http://10.0.0.5:8000")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['user']!r}.", returncode=2)
        path = reverse("accounts:sign_in_link", args=[SignInLink.objects.issue(user)])
        self.stdout.write(f"{(options['address'] or _address()).rstrip('/')}{path}")


def _address() -> str:
    """Where `./run` serves: it notes its address in the data folder."""
    note = settings.STORYAPP_DATA / "address"
    noted = note.read_text().strip() if note.is_file() else ""
    return noted or "http://127.0.0.1:8000"
