"""Who a request with `Authorization: Bearer TOKEN` comes from: a program, in somebody's name."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers

from accounts.models import ApiToken, User

SCHEME = "bearer"


def bearer(request: HttpRequest) -> User | None:
    """Whose token the request brings. None where it brings none, or a wrong or revoked one. One query, or two."""
    token = _token(request)
    return ApiToken.objects.use(token) if token else None


def unauthorized() -> HttpResponse:
    """The answer to a request without a usable token, in the shape of all errors of the API."""
    message = "Send a token of yours that is not revoked: Authorization: Bearer TOKEN."
    return JsonResponse(
        {"error": {"code": "unauthorized", "message": message}},
        status=401,
        headers={"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"},
    )


def session_or_token(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For addresses that browsers and programs share. A token decides where one is sent, else the session.

    Only for what changes nothing: a token is no protection against forged requests of a session.
    """

    @login_not_required
    @wraps(view)
    def for_person(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _token(request) is not None:
            user = bearer(request)
            if user is None:
                return unauthorized()
            request.user = user
        elif not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["Authorization"])
        return response

    return for_person


def _token(request: HttpRequest) -> str | None:
    """None for other schemes, too: a proxy in front may have its own `Authorization: Basic …`."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == SCHEME else None
