"""Characters, stories and their pictures."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.forms import ModelForm
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router
from typing_extensions import TypedDict

from gallery.forms import CharacterForm, StoryEditForm
from gallery.models import Character, Image, Scene, Story
from gallery.shelf import pictures_of
from generation.api.bodies import Json, NewCharacter, NewStory
from generation.api.errors import ErrorJson, Invalid
from generation.api.listing import USUAL, Cursor, Limit, Page, Request, page
from generation.shape import Id, ImageJson, Moment, image_as_json, rfc3339

characters = Router(tags=["Characters"])
stories = Router(tags=["Stories"])


class CharacterJson(TypedDict):
    """`slug` names them in addresses and requests, and stays when they are renamed."""

    slug: str
    name: str
    appearance: str
    style: str
    embedding: str
    embedding_weight: float
    seed: int | None
    created_at: Moment


class StoryJson(TypedDict):
    """`slug` names it in addresses and requests, and stays when it is renamed."""

    slug: str
    title: str
    style: str
    created_at: Moment


class SceneTextJson(TypedDict):
    id: Id
    position: int
    text: str


class StoryWithScenesJson(StoryJson):
    scenes: list[SceneTextJson]


class PictureJson(ImageJson):
    """A take of a scene, with what it was made of."""

    scene: SceneTextJson
    is_chosen: bool
    seed: int
    provider: str
    model: str
    created_at: Moment


class CharacterPage(Page):
    items: list[CharacterJson]


class StoryPage(Page):
    items: list[StoryJson]


class PicturePage(Page):
    items: list[PictureJson]


@characters.get(
    "",
    operation_id="characters",
    summary="Your characters",
    response={200: CharacterPage, **dict.fromkeys((401, 422, 503), ErrorJson)},
)
def list_characters(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> HttpResponse:
    """The newest first."""
    found, following = page(request, Character.objects.visible_to(request.auth), limit, cursor)
    return JsonResponse({"items": [_character(one) for one in found], "next": following})


@characters.post(
    "",
    operation_id="new_character",
    summary="Make a character",
    response={201: CharacterJson, **dict.fromkeys((400, 401, 413, 422, 503), ErrorJson)},
)
def new_character(request: Request, asked: Annotated[NewCharacter, Json()]) -> HttpResponse:
    """Somebody who appears in scenes."""
    given = asked.model_dump()
    given["embedding_weight"] = 1.0 if asked.embedding_weight is None else asked.embedding_weight
    form = CharacterForm(_as_form(given), instance=Character(owner=request.auth))
    _refuse_faults(form)
    character = form.save()
    character.refresh_from_db()
    return _made(request, "character", character.slug, _character(character))


@characters.get(
    "/{slug:slug}",
    operation_id="character",
    url_name="character",
    summary="A character",
    response={200: CharacterJson, **dict.fromkeys((401, 404, 503), ErrorJson)},
)
def one_character(request: Request, slug: str) -> HttpResponse:
    return JsonResponse(_character(get_object_or_404(Character.objects.visible_to(request.auth), slug=slug)))


@characters.get(
    "/{slug:slug}/images",
    operation_id="images_of_character",
    summary="The pictures of a character",
    response={200: PicturePage, **dict.fromkeys((401, 404, 422, 503), ErrorJson)},
)
def images_of_character(request: Request, slug: str, limit: Limit = USUAL, cursor: Cursor = None) -> HttpResponse:
    """Every take of every scene that they are in, the newest first."""
    character = get_object_or_404(Character.objects.visible_to(request.auth), slug=slug)
    return _pictures(request, pictures_of(character), limit, cursor)


@stories.get(
    "",
    operation_id="stories",
    summary="Your stories",
    response={200: StoryPage, **dict.fromkeys((401, 422, 503), ErrorJson)},
)
def list_stories(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> HttpResponse:
    """The newest first, without their scenes."""
    found, following = page(request, Story.objects.visible_to(request.auth), limit, cursor)
    return JsonResponse({"items": [_story(one) for one in found], "next": following})


@stories.post(
    "",
    operation_id="new_story",
    summary="Make a story",
    response={201: StoryWithScenesJson, **dict.fromkeys((400, 401, 413, 422, 503), ErrorJson)},
)
def new_story(request: Request, asked: Annotated[NewStory, Json()]) -> HttpResponse:
    """With the texts of its scenes, where they are sent. Its pictures are another request: `generate`."""
    texts = asked.scenes or []
    form = StoryEditForm(_as_form(asked.model_dump()), instance=Story(owner=request.auth))
    _refuse_faults(form, scenes=Scene.fault_in_all(texts))
    with transaction.atomic():
        story = form.save()
        Scene.objects.bulk_create(
            [Scene(owner=request.auth, story=story, position=place, text=text) for place, text in enumerate(texts)],
            batch_size=500,
        )
    story.refresh_from_db()
    return _made(request, "story", story.slug, _with_scenes(story))


@stories.get(
    "/{slug:slug}",
    operation_id="story",
    url_name="story",
    summary="A story with its scenes",
    response={200: StoryWithScenesJson, **dict.fromkeys((401, 404, 503), ErrorJson)},
)
def one_story(request: Request, slug: str) -> HttpResponse:
    return JsonResponse(_with_scenes(get_object_or_404(Story.objects.visible_to(request.auth), slug=slug)))


@stories.get(
    "/{slug:slug}/images",
    operation_id="images_of_story",
    summary="The pictures of a story",
    response={200: PicturePage, **dict.fromkeys((401, 404, 422, 503), ErrorJson)},
)
def images_of_story(request: Request, slug: str, limit: Limit = USUAL, cursor: Cursor = None) -> HttpResponse:
    """Every take of every scene, the newest first; `scene.position` and `is_chosen` give the story's own order."""
    story = get_object_or_404(Story.objects.visible_to(request.auth), slug=slug)
    return _pictures(request, Image.objects.shown().filter(scene__story=story), limit, cursor)


def _as_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """Forms take an empty field for one that was left out."""
    return {name: "" if value is None else value for name, value in given.items()}


def _refuse_faults(form: ModelForm[Any], **more: str | None) -> None:
    """The forms of the pages check it, in their words; `more`: what is wrong with fields that no form has."""
    found = {name: str(errors[0]) for name, errors in form.errors.items()}
    found |= {name: fault for name, fault in more.items() if fault}
    if found:
        raise Invalid(found)


def _made(request: Request, name: str, slug: str, made: Mapping[str, Any]) -> HttpResponse:
    address = request.build_absolute_uri(reverse(f"api:{name}", args=[slug]))
    return JsonResponse(made, status=201, headers={"Location": address})


def _character(character: Character) -> CharacterJson:
    return {
        "slug": character.slug,
        "name": character.name,
        "appearance": character.appearance,
        "style": character.style,
        "embedding": character.embedding,
        "embedding_weight": character.embedding_weight,
        "seed": character.seed,
        "created_at": rfc3339(character.created_at),
    }


def _story(story: Story) -> StoryJson:
    return {
        "slug": story.slug,
        "title": story.title,
        "style": story.style,
        "created_at": rfc3339(story.created_at),
    }


def _with_scenes(story: Story) -> StoryWithScenesJson:
    return {**_story(story), "scenes": [_scene(scene) for scene in story.scenes.order_by("position")]}


def _scene(scene: Scene) -> SceneTextJson:
    return {"id": str(scene.pk), "position": scene.position, "text": scene.text}


def _pictures(request: Request, images: Any, limit: int, cursor: UUID | None) -> HttpResponse:
    found, following = page(request, images.select_related("scene"), limit, cursor)
    address = request.build_absolute_uri("/")
    return JsonResponse({"items": [_picture(image, address) for image in found], "next": following})


def _picture(image: Image, base_address: str) -> PictureJson:
    return {
        **image_as_json(image, base_address),
        "scene": _scene(image.scene),
        "is_chosen": image.is_chosen,
        "seed": image.seed,
        "provider": image.provider,
        "model": image.model,
        "created_at": rfc3339(image.created_at),
    }
