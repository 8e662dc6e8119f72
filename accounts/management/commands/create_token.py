from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import TOKEN_NAME_LENGTH, ApiToken, TooManyTokens, User


class Command(BaseCommand):
    help = "Make a token for the API and print it, as the last word. It is shown once: only its hash is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name")
        parser.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['user']!r}.", returncode=2)
        try:
            token = ApiToken.objects.issue(user, options["name"][:TOKEN_NAME_LENGTH])
        except TooManyTokens as exc:
            raise CommandError(str(exc), returncode=2) from exc
        self.stdout.write(f"A token for {user.username}, shown only now: {token}")
