"""Variables of the environment, read with a clear sentence where one is wrong."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def read_file(path: Path) -> None:
    """Add what the `.env` file sets and the environment does not. No file is fine."""
    load_dotenv(path, override=False)


def text(name: str, default: str = "") -> str:
    """An empty variable counts as unset: `.env.example` lists every name with nothing behind it."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def number(name: str, default: float, *, least: float, most: float) -> float:
    value = text(name, str(default))
    try:
        result = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None
    if not least <= result <= most:
        raise ImproperlyConfigured(f"{name} must be between {least:g} and {most:g}, not {value}.")
    return result


def whole(name: str, default: int, *, least: int, most: int) -> int:
    value = number(name, default, least=least, most=most)
    if value != int(value):
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value:g}.")
    return int(value)


def items(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks around the commas do not count."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def address(name: str, default: str = "") -> str:
    """An http or https address without a slash at its end; "" where there is none."""
    value = text(name, default).rstrip("/")
    if value and not value.startswith(("http://", "https://")):
        raise ImproperlyConfigured(f"{name} must begin with http:// or https://, not {value.split(':')[0]!r}.")
    return value


def servers(name: str, default: str) -> list[str]:
    """Addresses as they are shown to people: the name of an account, and in errors. So no login stands in them."""
    servers = list(dict.fromkeys(one.rstrip("/") for one in items(name, default)))
    for address in servers:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ImproperlyConfigured(f"{name}: each server must begin with http:// or https:// and name a host.")
        if parts.username is not None or parts.query or parts.fragment or len(address) > 200:
            raise ImproperlyConfigured(f"{name}: a server is scheme, host and port, no login and no question mark.")
    return servers


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value
