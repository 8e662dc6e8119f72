from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("gallery.urls")),
    path("", include("accounts.urls")),
    path("", include("generation.urls")),
    # Before admin/, whose last pattern takes everything.
    path("admin/queue/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
]
