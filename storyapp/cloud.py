"""Pictures in Cloudinary, each under its fixed name, with a deadline on every call.

Facts of the service and its SDK (cloudinary 1.46, django-cloudinary-storage 0.3):
https://cloudinary.com/documentation/image_upload_api_reference and
https://cloudinary.com/documentation/delivery_url_signatures
"""

import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypedDict
from urllib.parse import urlsplit

import cloudinary
import cloudinary.uploader
import urllib3
from cloudinary import exceptions as sdk
from cloudinary_storage.storage import MediaCloudinaryStorage
from django.conf import settings
from django.core.files.base import ContentFile, File

from gallery.picture import MAX_BYTES
from gallery.storing import PictureRefused, RemoteStorage, StorageRefused, StorageUnavailable
from gallery.thumbnails import SIZES

# Seconds for a read, a look or a delete. An upload has half of the upload's deadline, so that a hanging one
# leaves time for a second.
CALL_DEADLINE = 20.0
# What is said about an upload or a delete; of pictures gallery.picture says the most.
MAX_ANSWER = 1024 * 1024
TAG = "storyapp"
# Deletes that find nothing and looks at it: nothing is ever stored here.
NOTHING = "storyapp-check"

NOT_SET_UP = "Cloudinary is not set up here: set CLOUDINARY_URL."
NO_ACCESS = "Cloudinary does not accept the key of this installation: correct CLOUDINARY_URL."
REFUSALS = {
    sdk.AuthorizationRequired: NO_ACCESS,
    sdk.NotAllowed: "Cloudinary does not allow this account to do that: look at its plan, and at CLOUDINARY_URL.",
    sdk.NotFound: "There is no Cloudinary at that address: correct CLOUDINARY_URL or CLOUDINARY_UPLOAD_PREFIX.",
}
NO_ANSWER = "Cloudinary could not be reached, or was busy."


class Account(TypedDict):
    cloud_name: str
    api_key: str
    api_secret: str
    upload_prefix: str


@dataclass(frozen=True, slots=True)
class Answer:
    """As the SDK reads it."""

    status: int
    headers: urllib3.HTTPHeaderDict
    data: bytes


class Connections:
    """All connections to Cloudinary, those of its SDK, too: one kept for each thread.

    The SDK's own keep one, try a dead host four times and wait without end for an answer that drips.
    """

    def __init__(self, threads: int) -> None:
        self._pool = urllib3.PoolManager(maxsize=threads, **cloudinary.CERT_KWARGS)

    def request(self, method: str, url: str, *, timeout: float, most: int = MAX_ANSWER, **how: Any) -> Answer:
        """The whole answer, whatever its status; a redirect is not followed.

        `timeout` is in seconds and ends the answer's body, too; `most` bytes of it are taken. Raises HTTPError.
        """
        ends = time.monotonic() + timeout
        how |= {"timeout": urllib3.Timeout(total=timeout), "retries": False, "redirect": False}
        response = self._pool.request(method, url, **how, preload_content=False)
        try:
            body = _body(response, ends, most)
        except BaseException:
            # Half read, the connection is of no more use.
            response.close()
            raise
        return Answer(response.status, response.headers, body)


def _body(response: urllib3.BaseHTTPResponse, ends: float, most: int) -> bytes:
    body = bytearray()
    # One look at the socket a time: `read` would wait until all it wants has dripped in.
    while piece := response.read1(64 * 1024, decode_content=False):
        body += piece
        if len(body) > most:
            raise urllib3.exceptions.HTTPError(f"more than {most} bytes")
        if time.monotonic() > ends:
            raise urllib3.exceptions.TimeoutError("the answer did not end in time")
    return bytes(body)


# The SDK knows no other way to it.
cloudinary.uploader._http = connections = Connections(settings.GENERATION_THREADS)


class CloudinaryStorage(MediaCloudinaryStorage, RemoteStorage):
    """Private pictures: of type `authenticated`, readable under signed addresses alone.

    An object's name is its public id as it stands: an upload whose answer was lost is repeated and replaces
    itself. Without an account every call raises StorageRefused: rows of an earlier time may still name it.
    """

    def __init__(
        self, *, cloud_name: str, api_key: str, api_secret: str, upload_prefix: str, delivery_url: str
    ) -> None:
        super().__init__(tag=TAG)
        self._account = Account(
            cloud_name=cloud_name, api_key=api_key, api_secret=api_secret, upload_prefix=upload_prefix
        )
        self._delivery_url = delivery_url

    def probe(self) -> None:
        """Ask both addresses for what is not there, which changes nothing. Raises StorageError."""
        self.delete(NOTHING)
        self.exists(NOTHING)

    def signed_url(self, name: str, size: int | None = None) -> str:
        small = {"crop": "limit", "width": size, "quality": "auto", "fetch_format": "auto"} if size else {}
        # Of a host of one's own the SDK makes an address without the cloud's name; the path is all we take.
        url: str = cloudinary.utils.cloudinary_url(
            name,
            **small,
            **self._checked_account(),
            **{"type": "authenticated", "sign_url": True, "auth_token": False},
            **{"secure": True, "private_cdn": True, "secure_distribution": "delivery", "secure_cdn_subdomain": False},
        )[0]
        return self._delivery_url + urlsplit(url).path

    def url(self, name: str | None) -> str:
        return self.signed_url(name or "")

    def exists(self, name: str) -> bool:
        return self._fetch("HEAD", name) is not None

    def size(self, name: str) -> int:
        return int(self._found("HEAD", name).headers["Content-Length"])

    def read_part(self, name: str, offset: int, length: int) -> bytes:
        answer = self._found("GET", name, Range=f"bytes={offset}-{offset + length - 1}")
        # A server may ignore the range and send all of it (RFC 9110, 14.2).
        return answer.data if answer.status == 206 else answer.data[offset : offset + length]

    def delete(self, name: str) -> None:
        """Nothing to delete is no error. Small sizes are made of their original, and go with it."""
        if not name.endswith(tuple(f"-{size}" for size in SIZES)):
            self._call(cloudinary.uploader.destroy, name, timeout=CALL_DEADLINE)

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        return ContentFile(self._found("GET", name).data, name)

    def _upload(self, name: str, content: "File[bytes]") -> dict[str, Any]:
        stored = self._call(
            cloudinary.uploader.upload,
            BytesIO(b"".join(content.chunks())),
            public_id=name,
            unique_filename=False,
            overwrite=True,
            tags=[self.TAG],
            timeout=settings.GENERATION_UPLOAD_DEADLINE / 2,
        )
        if stored.get("public_id") != name:
            raise StorageRefused("Cloudinary stored the picture under another name: look at its upload presets.")
        return stored

    def _call(self, function: Any, what: object, **how: Any) -> dict[str, Any]:
        # The SDK's own words are left out everywhere: they hold whole bodies and the key that was refused.
        options = {**self._checked_account(), "type": "authenticated", "invalidate": True, **how}
        try:
            answer: object = function(what, **options)
        except tuple(REFUSALS) as exc:
            raise StorageRefused(REFUSALS[type(exc)]) from None
        except sdk.BadRequest:
            raise PictureRefused("Cloudinary refused this picture: it may be larger than the plan allows.") from None
        except (sdk.Error, TypeError, KeyError):
            # The last two: an error of another shape than the SDK expects, a proxy's for instance.
            raise StorageUnavailable(NO_ANSWER) from None
        if not isinstance(answer, dict):
            raise StorageUnavailable(NO_ANSWER)
        return answer

    def _found(self, method: str, name: str, **headers: str) -> Answer:
        answer = self._fetch(method, name, **headers)
        if answer is None:
            raise FileNotFoundError(f"Cloudinary has no picture called {name}.")
        return answer

    def _fetch(self, method: str, name: str, **headers: str) -> Answer | None:
        """None where there is no such object."""
        try:
            answer = connections.request(
                method, self.signed_url(name), timeout=CALL_DEADLINE, most=MAX_BYTES, headers=headers
            )
        except urllib3.exceptions.HTTPError:
            # The error holds the signed address.
            raise StorageUnavailable(NO_ANSWER) from None
        if answer.status == 404:
            return None
        if answer.status in (401, 403):
            raise StorageRefused(NO_ACCESS)
        if answer.status not in (200, 206):
            raise StorageUnavailable(NO_ANSWER)
        return answer

    def _checked_account(self) -> Account:
        if not all(self._account.values()):
            raise StorageRefused(NOT_SET_UP)
        return self._account
