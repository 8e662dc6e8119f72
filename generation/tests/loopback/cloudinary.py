"""A loopback Cloudinary: signed uploads and deletes, and private delivery with small sizes and ranges.

https://cloudinary.com/documentation/authentication_signatures and .../delivery_url_signatures say how both kinds of
signatures are made; they are checked here as strictly as there.
"""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from io import BytesIO
from typing import Any

from PIL import Image

from generation.tests.loopback import faults
from generation.tests.loopback.server import Answer, Exchange, LoopbackServer, Request

UNSIGNED = {"file", "api_key", "signature", "resource_type", "cloud_name"}
# Signature, transformation, version and public id.
DELIVERED = re.compile(r"/image/authenticated/s--([\w-]{8})--/(?:([a-z]+_[^/]*)/)?(?:v\d+/)?(.+)")
RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Stored:
    content: bytes
    kind: str
    tags: str


class LoopbackCloudinary(LoopbackServer):
    """`objects` maps public ids to what is stored. `delay` is what an upload takes, after its body has come in."""

    name = "cloudinary"

    def __init__(
        self, *, port: int = 0, delay: float = 0.0, cloud: str = "loopback", key: str = "123", secret: str = "abc"
    ) -> None:
        super().__init__(port=port, delay=delay)
        self.cloud = cloud
        self.key = key
        self.secret = secret
        self.objects: dict[str, Stored] = {}

    def variables(self) -> dict[str, str]:
        return {
            "CLOUDINARY_URL": f"cloudinary://{self.key}:{self.secret}@{self.cloud}",
            "CLOUDINARY_UPLOAD_PREFIX": self.url,
            "CLOUDINARY_DELIVERY_URL": self.url,
        }

    @property
    def storage(self) -> dict[str, object]:
        """It as one of Django's STORAGES."""
        account = {"cloud_name": self.cloud, "api_key": self.key, "api_secret": self.secret}
        options = {**account, "upload_prefix": self.url, "delivery_url": self.url}
        return {"BACKEND": "storyapp.cloud.CloudinaryStorage", "OPTIONS": options}

    @property
    def uploads(self) -> list[Request]:
        return self.asked(f"/v1_1/{self.cloud}/image/upload")

    def answer(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path == f"/v1_1/{self.cloud}/image/upload":
            self._upload(exchange)
        elif path == f"/v1_1/{self.cloud}/image/destroy":
            self._destroy(exchange)
        elif found := DELIVERED.fullmatch(path):
            self._deliver(exchange, *found.groups())
        elif path.startswith("/v1_1/"):
            error(401, f"Invalid cloud_name {path.split('/')[2]}")(exchange)
        else:
            _nothing(exchange)

    def saved_and_lost(self, exchange: Exchange) -> None:
        """For `answer_next`: the upload is kept, and the connection ends without a word of it."""
        self._keep(_fields(exchange.request))
        exchange.close()

    def saved_and_silent(self, exchange: Exchange) -> None:
        """For `answer_next`: the upload is kept, and no answer comes at all."""
        self._keep(_fields(exchange.request))
        faults.hang()(exchange)

    def _upload(self, exchange: Exchange) -> None:
        fields = _fields(exchange.request)
        if self._is_refused(fields, exchange):
            return
        if not _is_picture(fields["file"]):
            error(400, "Invalid image file")(exchange)
            return
        exchange.pause(self.delay)
        stored = self._keep(fields)
        with Image.open(BytesIO(stored.content)) as picture:
            size = {"width": picture.width, "height": picture.height, "format": str(picture.format).lower()}
        exchange.send_json(
            {
                "public_id": fields["public_id"],
                "version": int(time.time()),
                "type": stored.kind,
                "resource_type": "image",
                "bytes": len(stored.content),
                "etag": hashlib.md5(stored.content).hexdigest(),
                **size,
            }
        )

    def _keep(self, fields: Mapping[str, Any]) -> Stored:
        stored = Stored(fields["file"], fields.get("type", "upload"), fields.get("tags", ""))
        with self.lock:
            self.objects[fields["public_id"]] = stored
        return stored

    def _destroy(self, exchange: Exchange) -> None:
        fields = _fields(exchange.request)
        if self._is_refused(fields, exchange):
            return
        with self.lock:
            stored = self.objects.get(fields["public_id"])
            # Another type is another object: `upload` is what a call means that names none.
            found = stored is not None and stored.kind == fields.get("type", "upload")
            if found:
                del self.objects[fields["public_id"]]
        exchange.send_json({"result": "ok" if found else "not found"})

    def _is_refused(self, fields: Mapping[str, Any], exchange: Exchange) -> bool:
        signed = "&".join(
            f"{name}={value}".replace("&", "%26")
            for name, value in sorted(fields.items())
            if name not in UNSIGNED and value
        )
        if fields.get("api_key") != self.key:
            error(401, f"Unknown API key {fields.get('api_key')}")(exchange)
        elif fields.get("signature") != hashlib.sha1(f"{signed}{self.secret}".encode()).hexdigest():
            words = f"Invalid Signature {fields.get('signature')}. String to sign - '{signed}'."
            error(401, words)(exchange)
        else:
            return False
        return True

    def _deliver(self, exchange: Exchange, signature: str, transformation: str | None, public_id: str) -> None:
        signed = "/".join(filter(None, [transformation, public_id]))
        digest = hashlib.sha1(f"{signed}{self.secret}".encode()).digest()
        stored = self.objects.get(public_id)
        if signature != base64.urlsafe_b64encode(digest)[:8].decode():
            exchange.send(status=401, headers={"X-Cld-Error": "Invalid signature"})
        elif stored is None or stored.kind != "authenticated":
            _nothing(exchange)
        elif transformation:
            _send(exchange, _transformed(stored.content, transformation), "image/webp")
        else:
            _send(exchange, stored.content, f"image/{_format(stored.content)}")


def error(status: int, message: str) -> Answer:
    """As the upload's address says what was wrong."""
    return faults.json_body({"error": {"message": message}}, status=status, headers={"X-Cld-Error": message})


def _nothing(exchange: Exchange) -> None:
    exchange.send(status=404, headers={"X-Cld-Error": "Resource not found"})


def _send(exchange: Exchange, content: bytes, content_type: str) -> None:
    asked = RANGE.fullmatch(exchange.request.headers.get("Range", ""))
    head = {"Content-Type": content_type, "Accept-Ranges": "bytes"}
    status = 200
    if asked:
        start, end = int(asked[1]), min(int(asked[2]) + 1, len(content))
        head["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        content, status = content[start:end], 206
    exchange.begin(status, {**head, "Content-Length": str(len(content))})
    exchange.write(b"" if exchange.request.method == "HEAD" else content)


def keep_pictures_in(cloud: LoopbackCloudinary | None, settings: Any) -> None:
    """New pictures go there from now on; None: onto the disk."""
    stores = dict(settings.STORAGES)
    if cloud:
        stores["cloudinary"] = cloud.storage
    settings.MEDIA_STORAGE = "cloudinary" if cloud else "local"
    settings.STORAGES = {**stores, "default": stores[settings.MEDIA_STORAGE]}


def _fields(request: Request) -> dict[str, Any]:
    """Of a form: `file` as bytes, the others as text."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    fields: dict[str, Any] = {}
    for part in message_from_bytes(head + request.body).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content if name == "file" else content.decode()
    return fields


def _is_picture(content: bytes) -> bool:
    try:
        Image.open(BytesIO(content)).close()
    except OSError:
        return False
    return True


def _format(content: bytes) -> str:
    with Image.open(BytesIO(content)) as picture:
        return str(picture.format).lower()


def _transformed(content: bytes, transformation: str) -> bytes:
    """`c_limit,w_320`: that width, nothing enlarged; always as WebP."""
    wanted = dict(part.split("_", 1) for part in transformation.split(","))
    body = BytesIO()
    with Image.open(BytesIO(content)) as picture:
        width = min(int(wanted["w"]), picture.width)
        height = round(picture.height * width / picture.width)
        picture.convert("RGB").resize((width, height)).save(body, "WEBP")
    return body.getvalue()
