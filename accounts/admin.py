"""What people sign in with. The people themselves are in `storyapp.admin`, with what the other rooms have of them."""

from django.contrib import admin, messages
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin_lists import choice, linked, to_row
from accounts.models import ApiToken, ApiTokenQuerySet, SignInLink, User

admin.site.site_header = admin.site.site_title = "storyapp"
admin.site.index_title = "Administration"

TOKENS_IN_USE = choice("state", used=("In use", Q(revoked_at=None)), revoked=("Revoked", Q(revoked_at__isnull=False)))
LINKS_BY_STATE = choice(
    "state",
    usable=("Can be used", Q(used_at=None, expires_at__gt=Now())),
    used=("Used", Q(used_at__isnull=False)),
    expired=("Expired", Q(used_at=None, expires_at__lte=Now())),
)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens are made by their people or `manage.py create_token`; here they are looked at and revoked."""

    list_display = ["name", "hint", "person", "created_at", "last_used_at", "revoked_at"]
    list_filter = [TOKENS_IN_USE, "last_used_at", linked(User, "person", lookup="user")]
    list_select_related = ["user"]
    search_fields = ["user__username", "name", "hint"]
    search_help_text = "Name, first characters, person"
    ordering = ["-created_at"]
    fields = ["name", "hint", "person", "created_at", "last_used_at", "revoked_at"]
    readonly_fields = ["hint", "person", "created_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(ordering="user__username")
    def person(self, token: ApiToken) -> SafeString:
        return to_row(token.user)

    @admin.action(description="Revoke selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: ApiTokenQuerySet) -> None:
        # Logged before: afterwards they are no longer those in use.
        in_use = list(queryset.unrevoked())
        for token in in_use:
            self.log_change(request, token, "Revoked.")
        if revoked := ApiToken.objects.filter(pk__in=[token.pk for token in in_use]).revoke():
            tokens = "token" if revoked == 1 else "tokens"
            words = f"{revoked} {tokens} revoked: programs that hold one are refused from now on."
            self.message_user(request, words, messages.SUCCESS)
        else:
            self.message_user(request, "All of these were revoked before.", messages.WARNING)


@admin.register(SignInLink)
class SignInLinkAdmin(admin.ModelAdmin[SignInLink]):
    """Links are made by `manage.py sign_in_link`; deleting one here makes it useless."""

    list_display = ["person", "state", "created_at", "expires_at", "used_at"]
    list_filter = [LINKS_BY_STATE, linked(User, "person", lookup="user")]
    list_display_links = ["state"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    search_help_text = "Person"
    ordering = ["-created_at"]
    fields = ["person", "state", "created_at", "expires_at", "used_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SignInLink | None = None) -> bool:
        return False

    @admin.display(ordering="user__username")
    def person(self, link: SignInLink) -> SafeString:
        return to_row(link.user)

    @admin.display
    def state(self, link: SignInLink) -> str:
        if link.used_at:
            return "used"
        return "expired" if link.expires_at <= timezone.now() else "can be used"
