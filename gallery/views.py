"""The pages of the library. Every row comes through `visible_to`: what is not yours is not there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from gallery import shelf
from gallery.deletion import Deletion
from gallery.forms import CharacterForm, StoryEditForm, StoryForm
from gallery.models import Character, Image, Story
from gallery.receipt import receipt

HOME_STORIES = 6
HOME_PICTURES = 12

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class Request(HttpRequest):
    """A request of a signed-in person: LoginRequiredMiddleware lets no other one through."""

    user: User


@require_safe
def home(request: Request) -> HttpResponse:
    stories = shelf.books(
        shelf.with_cover(Story.objects.visible_to(request.user)).order_by("-created_at")[:HOME_STORIES]
    )
    images = Image.objects.visible_to(request.user).chosen().select_related("scene").order_by("-created_at", "-id")
    return render(request, "gallery/home.html", {"books": stories, "images": list(images[:HOME_PICTURES])})


@require_safe
def stories(request: Request) -> HttpResponse:
    rows, after = shelf.page_after(shelf.with_cover(Story.objects.visible_to(request.user)), _uuid(request, "after"))
    return _list(request, "stories", {"books": shelf.books(rows)}, after=after)


@require_safe
def story_new(request: Request) -> HttpResponse:
    """The form; generation's view takes its POST and shows this page again where something is wrong."""
    is_sample = bool(request.GET.get("sample"))
    form = StoryForm.of_the_sample(request.user) if is_sample else StoryForm(owner=request.user)
    return render(request, "gallery/story_new.html", {"form": form})


@require_safe
def story(request: Request, slug: str) -> HttpResponse:
    story = get_object_or_404(Story.objects.visible_to(request.user), slug=slug)
    leaves = shelf.leaves(story)
    show = request.GET.get("show", "")
    shown = _filtered(leaves, show)
    start = _whole(request, "from")
    context = {
        "story": story,
        "leaves": leaves,
        "shown": shown,
        "page": shown[start : start + shelf.PAGE],
        "scenes": [leaf.scene for leaf in shown[start : start + shelf.PAGE]],
        "filter": show,
        "start": start,
        "more": _address(request, **{"from": start + shelf.PAGE}) if len(shown) > start + shelf.PAGE else "",
    }
    template = "gallery/story_scenes.html" if _is_part(request) else "gallery/story.html"
    return _varied(render(request, template, context))


def _filtered(leaves: shelf.Leaves, show: str) -> Sequence[shelf.Leaf]:
    """`show` is "stale" or a character's slug; anything else shows all."""
    if show == "stale":
        return leaves.stale
    character = next((character for character in leaves.characters if character.slug == show), None)
    return leaves.of(character) if character else leaves.all


@get_or_post
def story_edit(request: Request, slug: str) -> HttpResponse:
    story = get_object_or_404(Story.objects.visible_to(request.user), slug=slug)
    form = StoryEditForm(request.POST or None, instance=story)
    if form.is_valid():
        form.save()
        return redirect("gallery:story", slug)
    # The heading keeps the stored title while the form holds another one.
    return render(request, "gallery/story_edit.html", {"form": form, "title": form.initial["title"], "slug": slug})


@get_or_post
def story_delete(request: Request, slug: str) -> HttpResponse:
    story = get_object_or_404(Story.objects.visible_to(request.user), slug=slug)
    if request.method == "POST":
        Deletion(Story.objects.filter(pk=story.pk)).carry_out()
        messages.success(request, f"“{story.title}” is deleted.")
        return redirect("gallery:stories")
    pictures = Image.objects.visible_to(request.user).shown().filter(scene__story=story).count()
    context = {"story": story, "pictures": shelf.counted(pictures, "picture")}
    return render(request, "gallery/story_delete.html", context)


@require_safe
def characters(request: Request) -> HttpResponse:
    rows, after = shelf.page_after(shelf.with_face(Character.objects.visible_to(request.user)), _uuid(request, "after"))
    return _list(request, "characters", {"portraits": shelf.portraits(rows)}, after=after)


@get_or_post
def character_new(request: Request) -> HttpResponse:
    form = CharacterForm(request.POST or None, instance=Character(owner=request.user))
    if form.is_valid():
        return redirect(form.save())
    return render(request, "gallery/character_new.html", {"form": form})


@require_safe
def character(request: Request, slug: str) -> HttpResponse:
    rows = shelf.with_face(Character.objects.visible_to(request.user))
    character = get_object_or_404(rows, slug=slug)
    pictures = shelf.pictures_of(character).select_related("scene")
    images, after = shelf.page_after(pictures, _uuid(request, "after"))
    context = {
        "character": character,
        "portrait": shelf.portraits([character])[0],
        "download": shelf.pictures_of(character)
        .filter(missing_since=None)
        .aggregate(count=Count("pk"), bytes=Sum("bytes", default=0)),
        "images": images,
    }
    return _list(request, "character", context, after=after, part="pictures")


@get_or_post
def character_edit(request: Request, slug: str) -> HttpResponse:
    character = get_object_or_404(Character.objects.visible_to(request.user), slug=slug)
    form = CharacterForm(request.POST or None, instance=character)
    if form.is_valid():
        form.save()
        return redirect("gallery:character", slug)
    return render(request, "gallery/character_edit.html", {"form": form, "title": form.initial["name"], "slug": slug})


@get_or_post
def character_delete(request: Request, slug: str) -> HttpResponse:
    character = get_object_or_404(Character.objects.visible_to(request.user), slug=slug)
    if request.method == "POST":
        Deletion(Character.objects.filter(pk=character.pk)).carry_out()
        messages.success(request, f"{character.name} is deleted. Their pictures stay.")
        return redirect("gallery:characters")
    return render(request, "gallery/character_delete.html", {"character": character})


@require_safe
def library(request: Request) -> HttpResponse:
    q = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    pictures = Image.objects.visible_to(request.user).shown().matching(q).select_related("scene")
    images, after = shelf.page_after(pictures, _uuid(request, "after"))
    return _list(request, "library", {"q": q, "images": images}, after=after, part="pictures")


@require_safe
def image(request: Request, pk: UUID) -> HttpResponse:
    rows = Image.objects.visible_to(request.user).shown().select_related("scene__story")
    image = get_object_or_404(rows, pk=pk)
    before, after = shelf.beside(image)
    takes = image.scene.images.shown().order_by("created_at", "pk")
    context = {
        "image": image,
        "scene": image.scene,
        "cast": image.scene.cast.order_by("name"),
        "before": before,
        "after": after,
        "takes": list(takes),
        "receipt": receipt(image),
    }
    return render(request, "gallery/image.html", context)


@require_POST
def image_choose(request: Request, pk: UUID) -> HttpResponse:
    image = get_object_or_404(Image.objects.visible_to(request.user).shown(), pk=pk)
    with transaction.atomic():
        # The other one first: at most one chosen picture a scene is a constraint of the database.
        Image.objects.filter(scene=image.scene_id, is_chosen=True).exclude(pk=pk).update(is_chosen=False)
        Image.objects.filter(pk=pk, deleted_at=None).update(is_chosen=True)
    messages.success(request, "This is the chosen take now.")
    return redirect(image)


# ---- lists that are shown in pages -----------------------------------------------------------------


def _list(request: Request, name: str, context: dict[str, Any], *, after: UUID | None, part: str = "") -> HttpResponse:
    """The whole page, or for "Show 60 more" only what follows, to be put behind what is there."""
    context |= {
        "more": _address(request, after=after) if after else "",
        "is_first": "after" not in request.GET,
        "first": _address(request, after=None),
    }
    template = f"gallery/_{part or name}.html" if _is_part(request) else f"gallery/{name}.html"
    return _varied(render(request, template, context))


def _address(request: Request, **changes: UUID | int | None) -> str:
    """This page's address with other parameters; None takes one away."""
    parameters = {**request.GET.dict(), **changes}
    query = urlencode({key: str(value) for key, value in parameters.items() if value is not None})
    return f"{request.path}?{query}" if query else request.path


def _is_part(request: Request) -> bool:
    return request.headers.get("HX-Request") == "true"


def _varied(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["HX-Request"])
    return response


def _uuid(request: Request, name: str) -> UUID | None:
    value = request.GET.get(name)
    try:
        return UUID(value) if value else None
    except ValueError as exc:
        raise BadRequest(f"{name} is not an id.") from exc


def _whole(request: Request, name: str) -> int:
    value = request.GET.get(name, "0")
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise BadRequest(f"{name} is not a whole number.")
    return int(value)
