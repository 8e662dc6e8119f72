"""What goes wrong in the API, in one shape: `{"error": {"code", "message", "fields"?}}`."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NotRequired

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, ValidationError
from typing_extensions import TypedDict

from accounts.bearer import unauthorized

RETRY_AFTER = 5

log = logging.getLogger(__name__)


class ErrorBody(TypedDict):
    """`code` is for programs, `message` for people. `fields` says of each wrong field what is wrong with it."""

    code: str
    message: str
    fields: NotRequired[dict[str, str]]


class ErrorJson(TypedDict):
    error: ErrorBody


class ApiError(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: int, code: str, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    def answer(self) -> HttpResponse:
        error: ErrorBody = {"code": self.code, "message": self.message}
        if self.fields is not None:
            error["fields"] = dict(self.fields)
        return JsonResponse({"error": error}, status=self.status)


class Malformed(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(400, "malformed", message)


class NotFound(ApiError):
    """Also for what belongs to somebody else: who asks cannot tell the two apart."""

    def __init__(self, message: str = "There is nothing of yours at this address.") -> None:
        super().__init__(404, "not_found", message)


class NotAllowed(ApiError):
    """What takes GET takes HEAD, too."""

    def __init__(self, allowed: Iterable[str]) -> None:
        known = set(allowed)
        methods = ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
        super().__init__(405, "method_not_allowed", f"This address takes {methods}.")
        self.methods = methods

    def answer(self) -> HttpResponse:
        response = super().answer()
        response["Allow"] = self.methods
        return response


class NothingToDo(ApiError):
    def __init__(self, message: str) -> None:
        super().__init__(409, "nothing_to_do", message)


class TooLarge(ApiError):
    def __init__(self, most: int) -> None:
        super().__init__(413, "too_large", f"A request has at most {most:,} bytes.")


class Invalid(ApiError):
    """What was asked is understood and cannot be done. `fields` are named as the client names them."""

    def __init__(self, fields: Mapping[str, str], *, code: str = "invalid") -> None:
        super().__init__(422, code, " ".join(dict.fromkeys(fields.values())), fields=fields)


class Unavailable(ApiError):
    def __init__(self) -> None:
        super().__init__(503, "unavailable", "The database does not answer just now. Try again in a moment.")

    def answer(self) -> HttpResponse:
        response = super().answer()
        response["Retry-After"] = str(RETRY_AFTER)
        return response


def tell_errors(api: NinjaAPI) -> None:
    """Give `api` our answer to everything that an operation, its authentication or its parameters can raise."""
    for kind in (ApiError, AuthenticationError, Http404, ValidationError, OperationalError, InterfaceError, Exception):
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, exc: Any) -> HttpResponse:
    match exc:
        case ApiError():
            return exc.answer()
        case AuthenticationError():
            return unauthorized()
        case Http404():
            return NotFound().answer()
        case ValidationError():
            return Invalid(_fields(exc.errors)).answer()
        case OperationalError() | InterfaceError():
            log.warning("api.database_away", extra={"path": request.path, "error": type(exc).__name__})
            return Unavailable().answer()
    # Programs read no error page. Never the exception's own text: it can hold anything.
    log.error("api.failed", extra={"path": request.path}, exc_info=exc)
    return ApiError(500, "internal_error", "Something went wrong here. It has been noted.").answer()


# What pydantic finds wrong, in words for a person. Limits are not among them: those are ours to tell.
SENTENCES = {
    "missing": "This is needed.",
    "string_type": "This must be text.",
    "list_type": "This must be a list.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "float_type": "This must be a number.",
    "uuid_parsing": "This is no place in this list. Take it from `next`.",
}


def _fields(errors: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The first fault of each field. Of a list the field is the whole list, and the sentence says which part."""
    fields: dict[str, str] = {}
    for error in errors:
        name, number = _place(error["loc"])
        sentence = SENTENCES.get(error["type"], error["msg"])
        fields.setdefault(name, sentence if number is None else sentence.replace("This", f"Scene {number + 1}", 1))
    return fields


def _place(loc: tuple[str | int, ...]) -> tuple[str, int | None]:
    """The field, and where it is a list the position in it."""
    last = loc[-1]
    return (str(loc[-2]), last) if isinstance(last, int) else (last, None)
