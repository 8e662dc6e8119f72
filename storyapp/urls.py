from django.contrib import admin
from django.urls import include, path

from storyapp import health
from storyapp.queue_pages import queue_pages

urlpatterns = [
    path("", include("gallery.urls")),
    path("", include("accounts.urls")),
    path("", include("generation.urls")),
    path("api/", include("generation.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    # These stand before admin/, whose last pattern takes everything.
    path("admin/health/", admin.site.admin_view(health.page), name="health"),
    path("admin/queue/", queue_pages()),
    path("admin/", admin.site.urls),
]

handler500 = "storyapp.database_away.server_error"
