"""The admin's ground rules, used by every app: the policy decides, and every change is audited."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from apps.accounts.models import (
    AuditCheck,
    AuditEntry,
    AuditHead,
    Invitation,
    PasswordLink,
    Role,
    SetupCode,
    Token,
    User,
)
from apps.accounts.places import find_unknown_places
from apps.accounts.selectors import administers_everything
from apps.accounts.services import keep_an_administrator, record_audit

# Signing in happens on our own page, with its second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # documented

SECRET_FIELDS = frozenset({"password", "digest", "token_key", "data"})
Snapshot = dict[str, Any]


class PolicyMixin:
    """Everything in the admin is for those who administer everything, whatever Django's flags."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return administers_everything(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)


class AuditedAdmin(PolicyMixin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A model that may be changed here; each change is written down with before and after.

    `audited_relations` names related rows that are edited together with the object.
    """

    audited_relations: tuple[str, ...] = ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        if change:
            stored = type(obj)._default_manager.get(pk=obj.pk)
            request.audit_before = self.describe(stored)  # type: ignore[attr-defined]  # a note for log_change
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        record_audit(action="create", target=obj, after=self.describe(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        before: Snapshot = getattr(request, "audit_before", {})
        after = self.describe(type(obj)._default_manager.get(pk=obj.pk))
        names = [name for name in after if before.get(name) != after[name]] if before else []
        # Without a snapshot only the view for another's password calls this.
        changes = {name: after[name] for name in names} if before else {"password": "changed"}
        if changes:
            record_audit(
                action="change",
                target=obj,
                before={name: before[name] for name in names},
                after=changes,
            )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[models.Model]) -> Any:
        rows = list(queryset)
        for row in rows:
            record_audit(action="delete", target=row, before=self.describe(row))
        return super().log_deletions(request, rows)

    def describe(self, row: models.Model) -> Snapshot:
        """The row's fields without its secrets, and the names of what belongs to it."""
        options = row._meta
        fields = [field for field in options.concrete_fields if field.name not in SECRET_FIELDS]
        related = [field.name for field in options.many_to_many] + list(self.audited_relations)
        return {
            **{field.name: field.value_from_object(row) for field in fields},
            **{name: sorted(str(item) for item in getattr(row, name).all()) for name in related},
        }


class ReadOnlyAdmin(AuditedAdmin):
    """A model that is looked at here and changed only by the program."""

    # Counting all rows of a table that grows with every measurement would take long.
    paginator = InfinitePaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RoleAdminForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A role whose site and tag exist: a denial that names nothing would protect nothing."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for slug_field, places in (
            ("site_slug", ({cleaned.get("site_slug", "")}, ())),
            ("tag_slug", ((), {cleaned.get("tag_slug", "")})),
        ):
            for error in find_unknown_places(*places, field=slug_field):
                self.add_error(slug_field, ValidationError(error.detail, code=error.code))
        return cleaned


class RoleInline(PolicyMixin, TabularInline):  # type: ignore[misc]  # unfold ships no types
    model = Role
    form = RoleAdminForm
    extra = 0


@admin.register(User)
class UserAdmin(DjangoUserAdmin, AuditedAdmin):  # type: ignore[misc,type-arg]  # as above
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [RoleInline]
    audited_relations = ("roles",)
    list_display = ["username", "email", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff", "roles__name"]
    search_fields = ["username", "email", "first_name", "last_name"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined"]
    # What a user may do stands in the roles; Django's groups and permissions play no part.
    fieldsets = [
        (None, {"fields": ["username", "password", "email", "first_name", "last_name"]}),
        (_("Access"), {"fields": ["is_active", "is_staff", "last_login", "date_joined"]}),
        (_("Preferences"), {"fields": ["time_zone", "language", "theme"]}),
    ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        obj.confirmed_email = obj.email
        super().save_model(request, obj, form, change)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with guard_change(request):
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with guard_change(request):
            return super().delete_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # "Delete selected" comes here too.
        with guard_change(request):
            return super().changelist_view(request, *args, **kwargs)


def guard_change(request: HttpRequest) -> AbstractContextManager[None]:
    """What is posted is undone when it would leave no administrator."""
    return keep_an_administrator() if request.method == "POST" else nullcontext()


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    list_display = ["user", "name", "effect", "site_slug", "tag_slug"]
    list_filter = ["name", "effect"]
    list_select_related = ["user"]
    search_fields = ["user__username", "site_slug", "tag_slug"]


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "scopes", "created", "expiry", "last_used_at"]
    ordering = ["-created"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    exclude = ["digest", "token_key"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at"]
    list_select_related = ["invited_by"]
    search_fields = ["email"]
    exclude = ["digest"]


@admin.register(PasswordLink)
class PasswordLinkAdmin(ReadOnlyAdmin):
    list_display = ["user", "created_at", "expires_at", "used_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    exclude = ["digest"]


@admin.register(AuditCheck)
class AuditCheckAdmin(ReadOnlyAdmin):
    list_display = ["at", "count", "last_entry_id", "fault"]
    search_fields = ["fault"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor_label", "via", "address", "action", "object_type", "object_label"]
    list_filter = ["via", "action", "object_type"]
    search_fields = ["actor_label", "object_label", "object_id"]
    date_hierarchy = "at"


@admin.register(AuditHead)
class AuditHeadAdmin(ReadOnlyAdmin):
    list_display = ["count", "digest"]
    search_fields = ["digest"]


@admin.register(SetupCode)
class SetupCodeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "used_at"]
    search_fields = ["created_at"]
    exclude = ["digest"]


# What the libraries registered by themselves follows the same rules.
for registered in (
    Group,
    EmailAddress,
    Authenticator,
    UserSession,
    OutstandingToken,
    BlacklistedToken,
):
    admin.site.unregister(registered)


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    list_display = ["email", "user", "primary", "verified"]
    list_select_related = ["user"]
    search_fields = ["email", "user__username"]


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Deleting one lets a user in again who has lost the device."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    list_display = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    list_select_related = ["user"]
    search_fields = ["user__username", "ip"]
    exclude = ["session_key"]


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """Deleting one lifts a lock-out."""

    list_display = ["username", "ip_address", "failures_since_start", "attempt_time"]
    ordering = ["-attempt_time"]
    search_fields = ["username", "ip_address"]
    fields = ["username", "ip_address", "failures_since_start", "attempt_time"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return administers_everything(request.user)


@admin.register(OutstandingToken)
class OutstandingTokenAdmin(ReadOnlyAdmin):
    """The refresh tokens of JSON Web Tokens; their text is nowhere."""

    list_display = ["user", "created_at", "expires_at", "blacklistedtoken"]
    list_select_related = ["user", "blacklistedtoken"]
    ordering = ["-created_at"]
    search_fields = ["user__username"]
    fields = ["user", "created_at", "expires_at"]
