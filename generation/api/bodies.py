"""What clients send: read within its limits, and of exactly the types that the document says.

Limits of length and range stand here for the document alone. They are checked, in the same words for everybody,
where pages and commands have them checked, too: in generation.generate and in gallery's forms.
"""

import json
from typing import Annotated, Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.params.models import Body, BodyModel
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gallery.models import (
    APPEARANCE_LENGTH,
    EMBEDDING_LENGTH,
    EMBEDDING_WEIGHTS,
    NAME_LENGTH,
    SCENE_LENGTH,
    SCENES_AT_ONCE,
    SEEDS,
    STYLE_LENGTH,
    TITLE_LENGTH,
)
from generation.api.errors import Invalid, Malformed, TooLarge
from generation.generate import SCENES_A_JOB, SIDES, USUAL_SIDE

# A character outside the basic plane is twelve bytes when written \ud83e\udd8a, as many libraries write all but ASCII.
BYTES_A_CHARACTER = 12
# Names, numbers and the white space of a generous layout.
BYTES_BESIDE = 1024 * 1024
LARGEST = SCENES_AT_ONCE * (SCENE_LENGTH * BYTES_A_CHARACTER + 16) + BYTES_BESIDE
UNKNOWN_NAMED = 10
NAME_SHOWN = 80
# Something that is no white space, and nowhere a NUL, which no database takes.
SAYS_SOMETHING = r"^[^\u0000]*\S[^\u0000]*$"
LEAST_WEIGHT, MOST_WEIGHT = EMBEDDING_WEIGHTS
WITHOUT_NUL = r"^[^\u0000]*$"
A_SLUG = r"^[-a-z0-9]+$"


class JsonModel(BodyModel):
    """ninja's own takes no body, `null` and `[]` for an empty object, and knows no largest body but Django's."""

    @classmethod
    def get_request_data(cls, request: HttpRequest, api: NinjaAPI, path_params: dict[str, Any]) -> dict[str, Any]:
        return {cls.__read_from_single_attr__: _object(_content(request))}


class Json(Body):  # type: ignore[misc]
    """The one body of an operation: `def make(request, asked: Annotated[Asked, Json()])`."""

    _model = JsonModel

    def __init__(self) -> None:
        super().__init__(...)

    @classmethod
    def _param_source(cls) -> str:
        return "body"


def _content(request: HttpRequest) -> bytes:
    """A body that comes in chunks tells no length before it is read."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        raise TooLarge(LARGEST)
    content = request.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise TooLarge(LARGEST)
    return content


def _object(content: bytes) -> dict[str, Any]:
    try:
        data = json.loads(content.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as exc:
        raise Malformed("The body is not UTF-8.") from exc
    except (ValueError, RecursionError) as exc:
        raise Malformed("The body is not JSON.") from exc
    if not isinstance(data, dict):
        raise Malformed("The body is not a JSON object: {…}.")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")


def _storable(text: str) -> str:
    """JSON can say half of a surrogate pair, which is no character, and NUL, which no database takes."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in set(text)):
        raise PydanticCustomError("not_storable", "This holds a character that cannot be stored.")
    return text


def _whole(value: object) -> object:
    """In JSON 4.0 is the same number as 4."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


def _text(longest: int, pattern: str = SAYS_SOMETHING) -> WithJsonSchema:
    least = {"minLength": 1} if pattern != WITHOUT_NUL else {}
    return WithJsonSchema({"type": "string", **least, "maxLength": longest, "pattern": pattern})


class Known:
    """The providers that there are when the document is made."""

    def __get_pydantic_json_schema__(self, *_: object) -> dict[str, Any]:
        return {"type": "string", "enum": list(settings.GENERATION_PROVIDERS)}


Text = Annotated[str, AfterValidator(_storable)]
SceneText = Annotated[Text, _text(SCENE_LENGTH)]
Slug = Annotated[Text, _text(60, A_SLUG)]
Side = Annotated[int, BeforeValidator(_whole), _number(*SIDES)]
Seed = Annotated[int, BeforeValidator(_whole), _number(0, SEEDS - 1)]
Quantity = Annotated[int, BeforeValidator(_whole), _number(1, SCENES_A_JOB)]
Provider = Annotated[Text, Known()]
Weight = Annotated[float, WithJsonSchema({"type": "number", "minimum": LEAST_WEIGHT, "maximum": MOST_WEIGHT})]


class Sent(BaseModel):
    """What may be left out may be null as well. Anything that is not known is refused, so that slips are told."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in data if name not in cls.model_fields]
        if unknown:
            raise Invalid({name[:NAME_SHOWN]: cls.said_of(name) for name in unknown[:UNKNOWN_NAMED]})
        return data

    @classmethod
    def said_of(cls, unknown: str) -> str:
        return f"There is no such field here. Known: {', '.join(cls.model_fields)}."


class Options(Sent):
    """How the pictures are made, and whom and what they belong to."""

    character: Slug | None = Field(None, description="Slug of a character of yours who is in the scenes.")
    story: Slug | None = Field(None, description="Slug of a story of yours that gets the scenes, at its end.")
    provider: Provider | None = Field(None, description="Who makes them. Without it: the installation's own choice.")
    width: Side | None = Field(None, description=f"Pixels; {USUAL_SIDE} without it.")
    height: Side | None = Field(None, description=f"Pixels; {USUAL_SIDE} without it.")
    seed: Seed | None = Field(
        None, description="Of the first scene; each further one counts one up. Without it: the character's, or random."
    )


class GenerateScenes(Options):
    """One picture of each scene, in this order."""

    scenes: list[SceneText] = Field(fail_fast=True, json_schema_extra={"minItems": 1, "maxItems": SCENES_A_JOB})

    @classmethod
    def said_of(cls, unknown: str) -> str:
        if unknown in GeneratePrompt.model_fields:
            return f"Send either scenes or a prompt with its quantity: {unknown} does not go with scenes."
        return super().said_of(unknown)


class GeneratePrompt(Options):
    """As many pictures of one and the same scene."""

    prompt: SceneText
    quantity: Quantity | None = Field(None, description="How many pictures; 1 without it.")


def _form(data: dict[str, Any]) -> str:
    if "scenes" not in data and "prompt" not in data:
        raise Invalid(dict.fromkeys(("scenes", "prompt"), "Send scenes, or a prompt."))
    return "scenes" if "scenes" in data else "prompt"


Generate = Annotated[
    Annotated[GenerateScenes, Tag("scenes")] | Annotated[GeneratePrompt, Tag("prompt")], Discriminator(_form)
]


class NewCharacter(Sent):
    name: Annotated[Text, _text(NAME_LENGTH)]
    appearance: Annotated[Text, _text(APPEARANCE_LENGTH, WITHOUT_NUL)] | None = Field(
        None, description="What every prompt says of them."
    )
    style: Annotated[Text, _text(STYLE_LENGTH, WITHOUT_NUL)] | None = Field(
        None, description="Used where a story has no style of its own."
    )
    embedding: Annotated[Text, _text(EMBEDDING_LENGTH, WITHOUT_NUL)] | None = Field(
        None, description="Name of a ComfyUI embedding."
    )
    embedding_weight: Weight | None = Field(None, description="How strongly it counts; 1 without it.")
    seed: Seed | None = Field(None, description="The same number gives the same picture again.")


class NewStory(Sent):
    title: Annotated[Text, _text(TITLE_LENGTH)]
    style: Annotated[Text, _text(STYLE_LENGTH, WITHOUT_NUL)] | None = Field(
        None, description="Said at the end of every prompt."
    )
    scenes: list[SceneText] | None = Field(
        None,
        fail_fast=True,
        description="Texts of its scenes, in order. Nothing is drawn yet.",
        json_schema_extra={"maxItems": SCENES_AT_ONCE},
    )
