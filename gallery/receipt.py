"""What a picture's page says of how it came about. Words only; nothing here asks the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.dateparse import parse_datetime

from gallery.models import Image
from gallery.templatetags.gallery import megabytes

Kind = Literal["text", "code", "prompt", "time", "provider"]


@dataclass(frozen=True, slots=True)
class Line:
    term: str
    value: str | int | datetime
    kind: Kind = "text"


def receipt(image: Image) -> list[Line]:
    """In the order of interest; what was not noted is left out."""
    noted: dict[str, Any] = image.receipt
    lines = [
        Line("Prompt as sent", image.prompt, "prompt"),
        Line("Seed", str(image.seed)),
        Line("Provider", image.provider, "provider"),
        Line("Model", image.model),
        Line("Size", f"{image.width} × {image.height} pixels"),
        Line("File", f"{image.extension.upper()}, {megabytes(image.bytes)} ({image.bytes:,} bytes)"),
        Line("SHA-256", image.sha256, "code"),
        Line("Attempts", noted.get("attempts", "")),
        Line("Waits", noted.get("waits") or ""),
        Line("Variations offered", _variations(noted)),
        Line("Received", _received(noted)),
        Line("Asked for", _moment(noted.get("asked_at")) or "", "time"),
        Line("Begun", _moment(noted.get("started_at")) or "", "time"),
        Line("Saved", image.created_at, "time"),
        Line("Took", _seconds(noted)),
        Line("Request", noted.get("request_id") or "", "code"),
        Line("File missing since", image.missing_since or "", "time"),
    ]
    return [line for line in lines if line.value != ""]


def _variations(noted: dict[str, Any]) -> str:
    offered = noted.get("variations_offered") or 0
    return f"{offered:,}, the first was kept" if offered > 1 else str(offered or "")


def _received(noted: dict[str, Any]) -> str:
    count = noted.get("bytes_received")
    return f"{megabytes(count)} ({count:,} bytes) in all attempts" if count else ""


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


def _seconds(noted: dict[str, Any]) -> str:
    parts = [("make", noted.get("call_seconds")), ("save", noted.get("save_seconds"))]
    return ", ".join(f"{seconds:.1f} s to {verb}" for verb, seconds in parts if seconds is not None)
