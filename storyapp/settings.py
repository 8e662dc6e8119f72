"""One file of settings. Every variable has a default that works on one machine; see `.env.example`."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from storyapp import env
from storyapp.queue_server import socket_path

# Lets our classes say of what they are: `admin.ModelAdmin[Story]`.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_file(BASE_DIR / ".env")

# ---- one machine ----------------------------------------------------------------------------------

STORYAPP_DATA = (BASE_DIR / Path(env.text("STORYAPP_DATA", "var")).expanduser()).resolve()


def _data_folder() -> None:
    try:
        STORYAPP_DATA.mkdir(parents=True, exist_ok=True)
        writable = os.access(STORYAPP_DATA, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise ImproperlyConfigured(f"STORYAPP_DATA: the folder {STORYAPP_DATA} cannot be written.")


def _generated_secret_key() -> str:
    """Made once and kept readable for its owner alone. `link` lets one of several starting processes win."""
    path = STORYAPP_DATA / "secret_key"
    if not path.exists():
        draft = STORYAPP_DATA / f".secret_key-{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


_data_folder()
SECRET_KEY = env.text("SECRET_KEY") or _generated_secret_key()
DEBUG = env.flag("DEBUG")
HTTPS = env.flag("HTTPS")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
TIME_ZONE = env.text("TIME_ZONE", "UTC")

# ---- the house ------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Our own `rqworker` is found before django-rq's because generation stands above it.
    "accounts",
    "gallery",
    "generation",
    "storyapp",
    "django_rq",
    "csp",
    # Serves its API page's files from here instead of from a CDN.
    "ninja",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page wants a signed-in person unless it says otherwise.
    "storyapp.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

ROOT_URLCONF = "storyapp.urls"
ASGI_APPLICATION = "storyapp.asgi.application"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "gallery:home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# 1,000 scenes of 4,000 characters are a form of 4 MB, and up to four bytes a character when encoded.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024

# ---- database -------------------------------------------------------------------------------------


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{STORYAPP_DATA / 'storyapp.sqlite3'}")
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(url))
    except (ValueError, KeyError) as exc:
        raise ImproperlyConfigured("DATABASE_URL is not an address of a database.") from exc
    if database["ENGINE"].endswith("sqlite3"):
        # With SQLite's defaults 161 of 200 concurrent writes failed as "locked"; with these, none.
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        # A file as in life, which threads and other processes of a test can open, too.
        database["TEST"] = {"NAME": STORYAPP_DATA / "test.sqlite3"}
    return database


DATABASES = {"default": _database()}

# ---- Cloudinary -----------------------------------------------------------------------------------


def _cloudinary() -> SplitResult:
    """Parts that are missing in it are told by `manage.py check`. Its text is no setting: error pages would show it."""
    text = env.text("CLOUDINARY_URL")
    try:
        address = urlsplit(text)
    except ValueError:
        address = urlsplit("")
    # Anything else would end the import of Cloudinary's own package, which reads the variable, too.
    if text and address.scheme != "cloudinary":
        raise ImproperlyConfigured("CLOUDINARY_URL must look like cloudinary://API_KEY:API_SECRET@CLOUD_NAME.")
    return address


_address = _cloudinary()
# Empty without an account: pictures of an earlier one are then missing, and nothing breaks.
CLOUDINARY_STORAGE = {
    "CLOUD_NAME": _address.hostname or "",
    "API_KEY": _address.username or "",
    "API_SECRET": _address.password or "",
    "PREFIX": "",
}
CLOUDINARY_UPLOAD_PREFIX = env.address("CLOUDINARY_UPLOAD_PREFIX", "https://api.cloudinary.com")
CLOUDINARY_DELIVERY_URL = env.address(
    "CLOUDINARY_DELIVERY_URL", f"https://res.cloudinary.com/{CLOUDINARY_STORAGE['CLOUD_NAME']}"
)

# ---- pages ----------------------------------------------------------------------------------------


def _origin(address: str) -> str:
    scheme, host, *_ = urlsplit(address)
    return f"{scheme}://{host}"


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # The address of a picture answers with a redirect to there. Of a path browsers want the exact file.
        "img-src": [SELF, "data:", *([_origin(CLOUDINARY_DELIVERY_URL)] if _address.scheme else [])],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SESSION_COOKIE_AGE = 60 * 60 * 24 * 90
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    # Load balancers ask without TLS, and get one word.
    SECURE_REDIRECT_EXEMPT = ["^healthz$"]
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# ---- files ----------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = STORYAPP_DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

MEDIA_ROOT = STORYAPP_DATA / "media"
MEDIA_STORAGE = "cloudinary" if _address.scheme else "local"
STORAGES: dict[str, dict[str, Any]] = {
    # Pictures say in their row which of these holds them, so that a later switch leaves old ones readable.
    "local": {
        "BACKEND": "storyapp.storage.LocalStorage",
        "OPTIONS": {"location": MEDIA_ROOT, "base_url": None},
    },
    "cloudinary": {
        "BACKEND": "storyapp.cloud.CloudinaryStorage",
        "OPTIONS": {
            "cloud_name": CLOUDINARY_STORAGE["CLOUD_NAME"],
            "api_key": CLOUDINARY_STORAGE["API_KEY"],
            "api_secret": CLOUDINARY_STORAGE["API_SECRET"],
            "upload_prefix": CLOUDINARY_UPLOAD_PREFIX,
            "delivery_url": CLOUDINARY_DELIVERY_URL,
        },
    },
    "staticfiles": {"BACKEND": "storyapp.storage.StaticFiles"},
}
STORAGES["default"] = STORAGES[MEDIA_STORAGE]

# ---- queue ----------------------------------------------------------------------------------------


def _queue_address() -> str:
    address = env.text("REDIS_URL", f"unix://{quote(str(socket_path(STORYAPP_DATA)))}")
    if not address.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
    return address


REDIS_URL = _queue_address()
RQ_QUEUES = {
    "default": {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": -1,
        "SERIALIZER": "rq.serializers.JSONSerializer",
        # Nobody who presses Generate waits longer for a queue server that hangs. RQ's workers take longer ones.
        "REDIS_CLIENT_KWARGS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}
RQ_SHOW_ADMIN_LINK = False

# ---- generation -----------------------------------------------------------------------------------

POLLINATIONS_URL = env.address("POLLINATIONS_URL")
POLLINATIONS_API_KEY = env.text("POLLINATIONS_API_KEY")
POLLINATIONS_MODEL = env.text("POLLINATIONS_MODEL", "flux")
POLLINATIONS_PLACEHOLDERS = env.items("POLLINATIONS_PLACEHOLDERS", "2090a5dc21c32952cbf8496339752bd1")
COMFYUI_URLS = env.servers("COMFYUI_URLS", "http://127.0.0.1:8188")
# Read when it is first needed: a file that is missing must not keep the site from starting.
COMFYUI_WORKFLOW = env.text("COMFYUI_WORKFLOW")
COMFYUI_CONCURRENCY = env.whole("COMFYUI_CONCURRENCY", 2, least=1, most=1000)

GENERATION_PROVIDERS = {
    "sketch": "generation.providers.sketch.SketchProvider",
    "pollinations": "generation.providers.pollinations.PollinationsProvider",
    "comfyui": "generation.providers.comfyui.ComfyUIProvider",
}
IMAGE_PROVIDER = env.choice("IMAGE_PROVIDER", "sketch", tuple(GENERATION_PROVIDERS))
# What a provider's class is made with; plain JSON.
GENERATION_PROVIDER_OPTIONS: dict[str, dict[str, Any]] = {
    "pollinations": {
        "url": POLLINATIONS_URL,
        "key": POLLINATIONS_API_KEY,
        "model": POLLINATIONS_MODEL,
        "placeholders": POLLINATIONS_PLACEHOLDERS,
    },
    "comfyui": {"workflow": COMFYUI_WORKFLOW, "servers": COMFYUI_URLS},
}
# The accounts of a provider that has more than one, or one that may change; one without a name where nothing
# stands here. A key is known by a mark that tells nothing of it.
GENERATION_ACCOUNTS: dict[str, list[str]] = {
    "pollinations": [hashlib.sha256(POLLINATIONS_API_KEY.encode()).hexdigest()[:8] if POLLINATIONS_API_KEY else ""],
    "comfyui": COMFYUI_URLS,
}
# Calls that one account of a provider may have open at once, over all workers.
GENERATION_CONCURRENCY = {
    "sketch": env.whole("SKETCH_CONCURRENCY", os.cpu_count() or 1, least=1, most=1000),
    "pollinations": env.whole("POLLINATIONS_CONCURRENCY", 10 if POLLINATIONS_API_KEY else 1, least=1, most=1000),
    "comfyui": COMFYUI_CONCURRENCY,
}
# Seconds that a call may wait for its turn in a provider's own queue; they do not count into its deadline.
GENERATION_TURN: dict[str, float] = {"comfyui": 600.0}
GENERATION_THREADS = env.whole("GENERATION_THREADS", 10, least=1, most=200)
GENERATION_DEADLINE = env.number("GENERATION_DEADLINE", 120, least=0.1, most=3600)
GENERATION_UPLOAD_DEADLINE = env.number("GENERATION_UPLOAD_DEADLINE", 60, least=0.1, most=3600)
GENERATION_ATTEMPTS = env.whole("GENERATION_ATTEMPTS", 4, least=1, most=100)
GENERATION_LEASE = env.number("GENERATION_LEASE", 45, least=0.5, most=3600)
GENERATION_SWEEP = env.number("GENERATION_SWEEP", 10, least=0.1, most=3600)

# ---- logs -----------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "storyapp.logs.LineFormatter"}},
    "filters": {"of_scene": {"()": "generation.scene_log.OfScene"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["of_scene"]}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "accounts": {"level": "INFO"},
        "gallery": {"level": "INFO"},
        "generation": {"level": "INFO"},
        "storyapp": {"level": "INFO"},
    },
}
