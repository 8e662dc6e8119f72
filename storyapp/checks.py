"""Where pictures are kept: whether its settings can be right, what they are, and whether it answers."""

import hashlib
import os
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.files.storage import storages

from gallery.storing import RemoteStorage, StorageError

SHAPE = "cloudinary://API_KEY:API_SECRET@CLOUD_NAME, as Cloudinary's console shows it under API Keys."
PARTS = {"CLOUD_NAME": "the cloud's name", "API_KEY": "the API key", "API_SECRET": "the API secret"}
OURS_ALONE = ("CLOUDINARY_UPLOAD_PREFIX", "CLOUDINARY_DELIVERY_URL")
OTHERS_READ = ("CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET")


def storage_is_set_up(**_: Any) -> list[CheckMessage]:
    """What no upload could go well with. Part of every command, so that nothing starts with it."""
    if settings.MEDIA_STORAGE != "cloudinary":
        return _variables_without_use()
    account = settings.CLOUDINARY_STORAGE
    missing = [words for part, words in PARTS.items() if not account[part]]
    copied = [words for part, words in PARTS.items() if _is_a_placeholder(account[part])]
    found: list[CheckMessage] = []
    if missing:
        found.append(Error(f"CLOUDINARY_URL lacks {' and '.join(missing)}.", hint=SHAPE, id="storyapp.E001"))
    if copied:
        words = f"CLOUDINARY_URL still has a placeholder for {' and '.join(copied)}."
        found.append(Error(words, hint=SHAPE, id="storyapp.E002"))
    for name in OURS_ALONE:
        if not urlsplit(getattr(settings, name)).hostname:
            found.append(Error(f"{name} names no host.", hint="An address: https://host.", id="storyapp.E003"))
    return found


def storage_in_use(**_: Any) -> list[CheckMessage]:
    """For a person who looks: an Info."""
    if settings.MEDIA_STORAGE != "cloudinary":
        return [Info(f"Pictures are kept on disk, in {settings.MEDIA_ROOT}.", id="storyapp.I001")]
    account = settings.CLOUDINARY_STORAGE
    words = (
        f"Pictures are kept in Cloudinary: cloud {account['CLOUD_NAME'] or '?'}, "
        f"account {fingerprint(account['API_KEY'])}, "
        f"sent to {settings.CLOUDINARY_UPLOAD_PREFIX}, delivered from {settings.CLOUDINARY_DELIVERY_URL}."
    )
    return [Info(words, id="storyapp.I001")]


def storage_answers(**_: Any) -> list[CheckMessage]:
    """With --deploy: ask it for what is not there."""
    storage = storages[settings.MEDIA_STORAGE]
    if not isinstance(storage, RemoteStorage) or storage_is_set_up():
        return []
    try:
        storage.probe()
    except StorageError as exc:
        return [Warning(exc.message, id="storyapp.W002")]
    return [Info("Cloudinary answers and accepts the key.", id="storyapp.I002")]


def fingerprint(key: str) -> str:
    """Eight hex digits of a key's SHA-256, by which two keys can be told apart; "none" without one."""
    return hashlib.sha256(key.encode()).hexdigest()[:8] if key else "none"


def _variables_without_use() -> list[CheckMessage]:
    named = [name for name in (*OURS_ALONE, *OTHERS_READ) if os.environ.get(name, "").strip()]
    if not named:
        return []
    words = f"{', '.join(named)}: without CLOUDINARY_URL this has no effect, and pictures are kept on disk."
    return [Warning(words, hint=SHAPE, id="storyapp.W001")]


def _is_a_placeholder(part: str) -> bool:
    """`<your_api_key>`, or the stars that the console shows in place of a secret."""
    return part.startswith("<") or (bool(part) and not part.strip("*"))
