"""Signing in and out."""

from typing import cast

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import SignInLink, User, digest

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@sensitive_post_parameters("password")
@never_cache
@get_or_post
def sign_in(request: HttpRequest) -> HttpResponse:
    """User name and password, for those who have one."""
    target = _target(request)
    if request.user.is_authenticated:
        return redirect(target)
    form = AuthenticationForm(request, request.POST or None, label_suffix="")
    if form.is_valid():
        login(request, form.get_user())
        return redirect(target)
    context = {"form": form, "next": request.POST.get("next", request.GET.get("next", ""))}
    return render(request, "accounts/sign_in.html", context)


@login_not_required
@never_cache
@get_or_post
def sign_in_link(request: HttpRequest, secret: str) -> HttpResponse:
    """One button. A GET changes nothing: mail programs and chats open links to preview them."""
    if request.method != "POST":
        link = SignInLink.objects.usable(secret).select_related("user").first()
        if link is None:
            return _no_such_link(request, secret)
        return render(request, "accounts/sign_in_link.html", {"person": link.user})
    user = SignInLink.objects.use(secret)
    if user is None:
        return _no_such_link(request, secret)
    login(request, user, backend=BACKEND)
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


def _no_such_link(request: HttpRequest, secret: str) -> HttpResponse:
    """410 for one that was used or is too old, 404 for one that never was."""
    was_there = SignInLink.objects.filter(digest=digest(secret)).exists()
    context = {"was_there": was_there, "person": cast(User, request.user)}
    return render(request, "accounts/sign_in_gone.html", context, status=410 if was_there else 404)


def _target(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    target = request.POST.get("next", request.GET.get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
