"""What must be there before anything starts: tables, static files, the first person."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import OperationalError, connection

from accounts.models import User
from storyapp.cannot_start import CannotStart


def prepare() -> None:
    """Raises CannotStart where the database does not answer, or the data folder has no room."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
        first_person()
    except OperationalError as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise CannotStart(f"The database cannot be used: {reason}. See DATABASE_URL.") from exc
    finally:
        connection.close()
    try:
        collect_static_files()
    except OSError as exc:
        raise CannotStart(f"The data folder {settings.STORYAPP_DATA} cannot be used: {exc.strerror}.") from exc


def first_person() -> User:
    """`owner`, who signs in by address and has no password; or whoever is the first superuser by now."""
    person = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    return person or User.objects.filter(username="owner").first() or User.objects.create_superuser("owner")


def collect_static_files() -> None:
    """Skipped where nothing changed. The folder is emptied first, for hashed files of old versions would pile up."""
    stamp, now = settings.STORYAPP_DATA / "static.stamp", _static_files_now()
    if _written(stamp) == now and (settings.STATIC_ROOT / "staticfiles.json").exists():
        return
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(now)


def _static_files_now() -> str:
    found = []
    for finder in get_finders():
        for name, storage in finder.list(None):
            file = Path(storage.path(name)).stat()
            found.append(f"{name} {file.st_size} {file.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def _written(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""
