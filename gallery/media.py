"""A picture's bytes, for its owner."""

import logging
from uuid import UUID

from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header, parse_etags
from django.views.decorators.http import require_safe

from accounts.bearer import session_or_token
from gallery.archive import picture_name
from gallery.models import Image
from gallery.storing import RemoteStorage, StorageError
from gallery.views import Request

# An id and a size always mean the same bytes, so a browser may keep them and need not ask again.
CACHE = "private, max-age=31536000, immutable"
# The address that a redirect names changes with the account's secret.
CACHE_OF_REDIRECT = "private, max-age=3600"

log = logging.getLogger(__name__)


@session_or_token
@require_safe
def media(request: Request, pk: UUID, size: str) -> HttpResponse:
    """For its owner alone: administrators see other people's pictures in the admin."""
    image = get_object_or_404(Image.objects.visible_to(request.user).select_related("scene"), pk=pk)
    return picture(request, image, size)


def picture(request: HttpRequest, image: Image, size: str) -> HttpResponse:
    """Read whole into memory, which for a picture is faster than a stream and holds no file open.

    From a remote storage the browser fetches it itself; as a file to save it goes through us, to have its name.
    Whoever calls has made sure that this person may see it, and fetched its scene. Raises Http404 without a file.
    """
    as_file = bool(request.GET.get("download"))
    if not as_file and isinstance(image.file_storage, RemoteStorage):
        return _sent_on(image.file_storage, image, size)
    etag = f'"{image.sha256[:32]}-{size}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        return _cached(HttpResponseNotModified(), etag)
    content, content_type = _read(image, size)
    response = HttpResponse(content, content_type=content_type)
    name = picture_name(image.scene.position, image.scene.text, image.extension)
    response["Content-Disposition"] = content_disposition_header(as_file, name) or "inline"
    response["X-Content-Type-Options"] = "nosniff"
    return _cached(response, etag)


def _sent_on(storage: RemoteStorage, image: Image, size: str) -> HttpResponse:
    try:
        address = storage.signed_url(image.name, None if size == "original" else int(size))
    except StorageError as exc:
        raise Http404(exc.message) from exc
    return HttpResponseRedirect(address, headers={"Cache-Control": CACHE_OF_REDIRECT})


def _cached(response: HttpResponse, etag: str) -> HttpResponse:
    response["ETag"] = etag
    response["Cache-Control"] = CACHE
    return response


def _read(image: Image, size: str) -> tuple[bytes, str]:
    """The bytes and their type. A small size that does not exist is no error: the original stands in for it."""
    if size != "original":
        try:
            return _content(image, f"{image.name}-{size}"), "image/webp"
        except OSError:
            log.info("small size missing", extra={"image": image.pk, "size": size})
    try:
        return _content(image, image.name), image.content_type
    except FileNotFoundError as exc:
        Image.objects.filter(pk=image.pk, missing_since=None).update(missing_since=Now())
        log.warning("picture missing", extra={"image": image.pk, "object": image.name})
        raise Http404("The picture's file is missing.") from exc
    except StorageError as exc:
        raise Http404(exc.message) from exc


def _content(image: Image, name: str) -> bytes:
    with image.file_storage.open(name) as file:
        content: bytes = file.read()
    return content
