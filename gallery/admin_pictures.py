"""Pictures in the admin. `/media` shows them to their owners alone; here administrators see everybody's."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from gallery.media import picture
from gallery.models import Image
from gallery.templatetags.gallery import gradient

SIDE = 64


@require_safe
def admin_picture(request: HttpRequest, pk: UUID, size: str) -> HttpResponse:
    """Behind the admin's sign-in and its permission to view. Without a file its colours stand in for it."""
    image = get_object_or_404(Image.objects.select_related("scene"), pk=pk)
    try:
        return picture(request, image, size)
    except Http404:
        return _colours(image)


def _colours(image: Image) -> HttpResponse:
    """Browsers show the body of a 404, too, where they wanted a picture; without one, an icon of something torn."""
    drawing = str(gradient(image.gradient, "missing")).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(drawing, content_type="image/svg+xml", status=404, headers=headers)


def thumbnail(image: Image | None, *, where: str = "list") -> SafeString:
    """A small square that links to the picture's page, above its own colours until it has come.

    Its place has its size before, so that nothing jumps. `where` keeps ids apart when one picture stands twice on
    a page. Of a file that is known to be missing only the colours are shown. Wants the image's scene.
    """
    if image is None:
        return format_html('<span class="thumbnail is-empty">{}</span>', "")
    return format_html(
        '<a class="thumbnail" href="{}">{}{}</a>',
        reverse("admin:gallery_image_change", args=[image.pk]),
        gradient(image.gradient, f"{where}-{image.pk}"),
        _loaded_late(image) if image.missing_since is None else format_html("<span>{}</span>", "file missing"),
    )


def _loaded_late(image: Image) -> SafeString:
    return format_html(
        '<img src="{}" alt="{}" width="{}" height="{}" loading="lazy" decoding="async">',
        address(image, "320"),
        f"Picture of “{image.scene}”",
        SIDE,
        SIDE,
    )


def preview(image: Image) -> SafeString:
    """As large as a page of the admin has room for, and the way to the original."""
    return format_html(
        '<a class="preview" href="{}"><img src="{}" alt="{}" width="{}" height="{}"></a>',
        address(image, "original"),
        address(image, "640"),
        f"Picture of “{image.scene}”, in its original size",
        image.width,
        image.height,
    )


def address(image: Image, size: str) -> str:
    return reverse("admin:gallery_image_picture", args=[image.pk, size])
