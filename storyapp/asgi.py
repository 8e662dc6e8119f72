import os

from django.core.asgi import get_asgi_application

from storyapp.bodies import bounded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "storyapp.settings")
django_application = get_asgi_application()

# Only now there are models.
from generation.api import bodies  # noqa: E402

application = bounded(django_application, most=lambda: bodies.LARGEST)
