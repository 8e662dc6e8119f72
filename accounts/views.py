"""Signing in and out, and the tokens of one's programs."""

from typing import cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import TokenForm
from accounts.models import TOKENS_AT_ONCE, ApiToken, IssuedMeanwhile, SignInLink, TooManyTokens, User, digest

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
BACKEND = "django.contrib.auth.backends.ModelBackend"
REVOKED_TOKENS_SHOWN = 20


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


@never_cache
@get_or_post
def tokens(request: HttpRequest) -> HttpResponse:
    """A person's tokens, and the form for one more."""
    return _issue_token(request) if request.method == "POST" else _tokens_page(request, TokenForm())


@require_POST
def token_revoke(request: HttpRequest) -> HttpResponse:
    """The id stands in the body: addresses hold no numbers that somebody could count on from."""
    theirs = ApiToken.objects.filter(user=cast(User, request.user))
    try:
        token = forms.ModelChoiceField(theirs).clean(request.POST.get("token"))
    except ValidationError as exc:
        raise Http404 from exc
    theirs.filter(pk=token.pk).revoke()
    messages.success(request, f"“{token.name}” is revoked. Programs that use it are refused from now on.")
    return redirect("accounts:tokens")


@sensitive_variables()
def _issue_token(request: HttpRequest) -> HttpResponse:
    """The secret stands in this one answer. A redirect would have to leave it behind on its way: in a session, which
    is a row of the database, in a cookie or in an address. A reload sends the form again, which makes nothing."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _tokens_page(request, form, status=422)
    name = form.cleaned_data["name"]
    try:
        secret = ApiToken.objects.issue(cast(User, request.user), name, newest=form.cleaned_data["newest"])
    except TooManyTokens:
        return _tokens_page(request, form, status=422)
    except IssuedMeanwhile as exc:
        if exc.newest.name == name:
            messages.warning(request, f"“{name}” was made before. A token is shown once; if it is lost, make another.")
            return redirect("accounts:tokens")
        form.add_error("name", f"“{exc.newest.name}” was made meanwhile. Press Make token again for this one, too.")
        return _tokens_page(request, form, status=422)
    return _tokens_page(request, TokenForm(), made=name, secret=secret)


@sensitive_variables()
def _tokens_page(
    request: HttpRequest, form: TokenForm, *, made: str = "", secret: str = "", status: int = 200
) -> HttpResponse:
    theirs = ApiToken.objects.filter(user=cast(User, request.user)).order_by("-pk")
    unrevoked = list(theirs.unrevoked())
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "tokens": unrevoked,
        "revoked": list(theirs.revoked_lately().order_by("-revoked_at")[:REVOKED_TOKENS_SHOWN]),
        "newest": theirs.values_list("pk", flat=True).first() or 0,
        "too_many": str(TooManyTokens()) if len(unrevoked) >= TOKENS_AT_ONCE else "",
    }
    return render(request, "accounts/tokens.html", context, status=status)


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
