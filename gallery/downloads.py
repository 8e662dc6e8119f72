"""Download All: a story's or a character's pictures as one zip, streamed as it is read."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.files.storage import storages
from django.db.models.functions import Now
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header, parse_etags
from django.views.decorators.http import require_safe

from accounts.models import User
from gallery.archive import (
    Archive,
    Member,
    folder_name,
    picture_name,
    read_file,
    stream,
    text_member,
    unique_names,
)
from gallery.models import Character, Image, ImageQuerySet, Story
from gallery.picture import EXTENSIONS
from gallery.ranges import NotSatisfiable, asked_range
from gallery.storing import RemoteStorage


@require_safe
async def story_download(request: HttpRequest, slug: str) -> HttpResponseBase:
    user = await request.auser()
    title, archive = await sync_to_async(_of_story)(user, slug, takes=request.GET.get("takes", ""))
    return _zip(request, archive, title)


@require_safe
async def character_download(request: HttpRequest, slug: str) -> HttpResponseBase:
    user = await request.auser()
    name, archive = await sync_to_async(_of_character)(user, slug)
    return _zip(request, archive, name)


def _zip(request: HttpRequest, archive: Archive, title: str) -> HttpResponseBase:
    """All of it, or the part that a download which broke off still wants."""
    etag = f'"{archive.etag}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponseNotModified(headers=headers)
    try:
        part = _asked_part(request, etag, archive.size)
    except NotSatisfiable:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{archive.size}"})
    start, end = part or (0, archive.size)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{archive.size}"
    name = f"{folder_name(title)}.zip"
    return StreamingHttpResponse(
        stream(archive, _read, start, end),
        status=206 if part else 200,
        content_type="application/zip",
        headers={
            **headers,
            "Content-Length": str(end - start),
            "Content-Disposition": content_disposition_header(True, name) or "attachment",
            "X-Content-Type-Options": "nosniff",
            # A proxy that buffers would hold the whole zip, or write it to its disk.
            "X-Accel-Buffering": "no",
        },
    )


def _asked_part(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """Not of another zip than the one whose beginning is there already (If-Range): that one comes as a whole."""
    if request.method != "GET" or request.headers.get("If-Range", etag) != etag:
        return None
    return asked_range(request.headers.get("Range", ""), size)


# ---- which pictures, under which names -------------------------------------------------------------


class Row(NamedTuple):
    """What the archive needs of one picture: the columns of COLUMNS."""

    id: UUID
    scene: UUID
    story: UUID | None
    title: str | None
    position: int
    text: str
    storage: str
    name: str
    content_type: str
    size: int
    crc32: int
    created_at: datetime
    missing_since: datetime | None


COLUMNS = (
    *("id", "scene_id", "scene__story_id", "scene__story__title", "scene__position", "scene__text"),
    *("storage", "name", "content_type", "bytes", "crc32", "created_at", "missing_since"),
)
# Story by story, each in its order, takes of a scene in the order they were made.
ORDER = (
    *("scene__story__created_at", "scene__story_id", "scene__position", "scene__created_at", "scene_id"),
    *("created_at", "id"),
)


def _of_story(user: User | AnonymousUser, slug: str, *, takes: str) -> tuple[str, Archive]:
    story = get_object_or_404(Story.objects.visible_to(user), slug=slug)
    images = Image.objects.visible_to(user).filter(scene__story=story)
    return story.title, _archive(images.shown() if takes == "all" else images.chosen())


def _of_character(user: User | AnonymousUser, slug: str) -> tuple[str, Archive]:
    character = get_object_or_404(Character.objects.visible_to(user), slug=slug)
    return character.name, _archive(Image.objects.visible_to(user).shown().filter(scene__cast=character))


def _archive(images: ImageQuerySet) -> Archive:
    rows = [Row(*row) for row in images.order_by(*ORDER).values_list(*COLUMNS)]
    if not rows:
        raise Http404("There are no pictures to download yet.")
    paths = _paths(rows)
    members = [
        Member(name=name, size=row.size, crc32=row.crc32, modified=row.created_at, source=paths[row.id])
        for row, name in zip(rows, _names(rows), strict=True)
        if row.id in paths
    ]
    missing = [name for row, name in zip(rows, _names(rows), strict=True) if row.id not in paths]
    return Archive([*members, *_words_about(missing, max(row.created_at for row in rows))])


def _read(source: str, offset: int, length: int) -> bytes:
    """A piece of a picture: from its file, or from the storage whose alias stands before the colon."""
    alias, _, name = source.partition(":")
    storage = storages[alias]
    if isinstance(storage, RemoteStorage):
        return storage.read_part(name, offset, length)
    return read_file(name, offset, length)


def _paths(rows: Iterable[Row]) -> dict[UUID, str]:
    """Where each picture's bytes are; those without a whole file are left out, and noted in their row.

    Looked at beforehand, so that one lost file costs a line in MISSING.txt and not the rest of the download. In a
    storage that is far away a look costs a request: there what a failed read noted before is left out.
    """
    paths = {}
    lost = []
    for row in rows:
        storage = storages[row.storage]
        if isinstance(storage, RemoteStorage):
            if row.missing_since is None:
                paths[row.id] = f"{row.storage}:{row.name}"
            continue
        path = storage.path(row.name)
        try:
            is_whole = os.stat(path).st_size == row.size  # noqa: PTH116 (a Path a picture costs more than its stat)
        except OSError:
            is_whole = False
        if is_whole:
            paths[row.id] = f"{row.storage}:{path}"
        elif not row.missing_since:
            lost.append(row.id)
    if lost:
        Image.objects.filter(pk__in=lost, missing_since=None).update(missing_since=Now())
    return paths


def _names(rows: Sequence[Row]) -> list[str]:
    """`03 The lighthouse at dusk.jpg`, in a folder a story where there are several."""
    folders = _folders(rows)
    positions = _positions(rows)
    width = max(2, len(str(max(positions.values()) + 1)))
    takes = Counter(row.scene for row in rows)
    seen: Counter[UUID] = Counter()
    names = []
    for row in rows:
        seen[row.scene] += 1
        take = seen[row.scene] if takes[row.scene] > 1 else None
        extension = EXTENSIONS[row.content_type]
        names.append(
            folders[row.story] + picture_name(positions[row.scene], row.text, extension, width=width, take=take)
        )
    return unique_names(names)


def _folders(rows: Iterable[Row]) -> dict[UUID | None, str]:
    """The beginning of each story's names: empty where all are of one story, or of none."""
    titles = {row.story: row.title or "Without a story" for row in rows}
    if len(titles) == 1:
        return dict.fromkeys(titles, "")
    folders = unique_names(folder_name(title) for title in titles.values())
    return {story: f"{folder}/" for story, folder in zip(titles, folders, strict=True)}


def _positions(rows: Iterable[Row]) -> dict[UUID, int]:
    """Scenes keep the place in their story; those without one are counted, for their own begin anew each job."""
    without_story = count()
    positions: dict[UUID, int] = {}
    for row in rows:
        if row.scene not in positions:
            positions[row.scene] = row.position if row.story else next(without_story)
    return positions


def _words_about(missing: Sequence[str], moment: datetime) -> list[Member]:
    if not missing:
        return []
    lines = ["The files of these pictures are missing on the server, so they are not in this zip:", "", *missing]
    return [text_member("MISSING.txt", "\r\n".join(lines) + "\r\n", moment)]
