"""What the API can do: for programs at /api/openapi.json, for people at /api/docs.

ninja makes the document of the operations and their types. What it cannot know of them is added here: headers, what
each error means, and examples.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generation.api import api
from generation.api.errors import RETRY_AFTER
from generation.api.examples import ANSWERS, REQUESTS
from generation.api.jobs import KEY_HEADER
from generation.generate import KEY_PATTERN
from generation.models import KEY_LENGTH

Json = dict[str, Any]

EXAMPLE_ADDRESS = "http://localhost:8000/api/image-generation/jobs/0d6c1b8e-5b0f-4a59-9a1c-54b1a5f0e3aa"
ERRORS: dict[str, tuple[str, str, Json]] = {
    "400": ("Malformed", "The body is not UTF-8, not JSON, or not an object.", {"code": "malformed"}),
    "401": ("Unauthorized", "No token, or one that is wrong or revoked.", {"code": "unauthorized"}),
    "404": ("NotFound", "Nothing of yours is at this address.", {"code": "not_found"}),
    "409": ("NothingToDo", "The job is not in a state in which this does anything.", {"code": "nothing_to_do"}),
    "413": ("TooLarge", "The body is larger than the largest request that the limits allow.", {"code": "too_large"}),
    "422": (
        "Invalid",
        "Something that was asked is wrong. `fields` says of each wrong field what is wrong with it.",
        {"code": "invalid", "fields": {"width": "The width is 64 to 2048 pixels."}},
    ),
    "503": ("Unavailable", "The database does not answer just now. Try again later.", {"code": "unavailable"}),
}
HEADERS: dict[str, Json] = {
    "ETag": {
        "description": "Stands for the whole answer. Send it as `If-None-Match`.",
        "example": '"5d41402abc4b2a76"',
    },
    "Location": {"description": "The address of what was made.", "format": "uri", "example": EXAMPLE_ADDRESS},
    "Retry-After": {"description": "Seconds.", "type": "integer", "minimum": 0, "example": RETRY_AFTER},
    "WWW-Authenticate": {"description": "How to sign in.", "example": "Bearer"},
}
HEADERS_OF_ERRORS = {"401": ["WWW-Authenticate"], "503": ["Retry-After"]}
HEADERS_OF_ANSWERS = {
    ("generate", "202"): ["Location", "ETag"],
    ("job", "200"): ["ETag"],
    ("job", "304"): ["ETag"],
    ("cancel", "200"): ["ETag"],
    ("retry", "200"): ["ETag"],
    ("new_character", "201"): ["Location"],
    ("new_story", "201"): ["Location"],
}
DESCRIPTIONS = {"200": "As asked.", "201": "It is made.", "202": "It is accepted.", "304": "It is what you have."}
# Where the answer to one operation leads on.
LINKS: dict[tuple[str, str], dict[str, str]] = {
    ("generate", "202"): dict.fromkeys(("job", "cancel", "retry"), "id"),
    ("new_character", "201"): dict.fromkeys(("character", "images_of_character"), "slug"),
    ("new_story", "201"): dict.fromkeys(("story", "images_of_story"), "slug"),
}
PARAMETERS: dict[str, Json] = {
    KEY_HEADER: {
        "description": "A word of your own, best a random UUID: the same request with it, sent again within 24 hours, "
        "gives the same job. With another request it is refused.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": f"^{KEY_PATTERN}$"},
    },
    "If-None-Match": {"description": "The `ETag` of the answer that you have.", "schema": {"type": "string"}},
    "slug": {"schema": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}},
    "id": {"schema": {"type": "string", "format": "uuid"}},
}


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document(tuple(settings.GENERATION_PROVIDERS)))


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "generation/api_docs.html")


@cache
def document(providers: tuple[str, ...]) -> Json:
    """Made once. `providers` are those that the settings name, which is all that can change it."""
    made: Json = api.get_openapi_schema(path_prefix="/api/")
    made["components"]["responses"] = {name: _error(status) for status, (name, _, _) in ERRORS.items()}
    made["components"]["headers"] = {name: _header(**said) for name, said in HEADERS.items()}
    for path in made["paths"].values():
        for operation in path.values():
            _complete(operation)
    return made


def _error(status: str) -> Json:
    _, description, example = ERRORS[status]
    error = {"error": {"message": description, **example}}
    return {
        "description": description,
        "headers": _headers(HEADERS_OF_ERRORS.get(status, [])),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorJson"}, "example": error}},
    }


def _header(description: str, example: Any, **schema: Any) -> Json:
    return {"description": description, "required": True, "schema": {"type": "string", **schema}, "example": example}


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _complete(operation: Json) -> None:
    name = operation["operationId"]
    if name == "job":
        operation["parameters"].append({"name": "If-None-Match", "in": "header", "required": False})
    for parameter in operation["parameters"]:
        parameter.update(PARAMETERS.get(parameter["name"], {}))
    if name in REQUESTS:
        operation["requestBody"]["content"]["application/json"]["examples"] = REQUESTS[name]
    answers = {str(status): answer for status, answer in operation["responses"].items()}
    operation["responses"] = {status: _answer(name, status, answer) for status, answer in answers.items()}


def _answer(operation: str, status: str, answer: Json) -> Json:
    if status in ERRORS:
        return {"$ref": f"#/components/responses/{ERRORS[status][0]}"}
    answer["description"] = DESCRIPTIONS[status]
    if "content" in answer:
        answer["content"]["application/json"]["example"] = ANSWERS[operation]
    if headers := HEADERS_OF_ANSWERS.get((operation, status)):
        answer["headers"] = _headers(headers)
    if links := LINKS.get((operation, status)):
        answer["links"] = {name: _link(name, part) for name, part in links.items()}
    return answer


def _link(operation: str, part: str) -> Json:
    return {"operationId": operation, "parameters": {part: f"$response.body#/{part}"}}
