from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import AuditEntry, Role, Token, User


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """A model that is looked at here and changed only by the program."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class RoleInline(TabularInline):  # type: ignore[misc]  # unfold ships no types
    model = Role
    extra = 0


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold ships no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [RoleInline]
    list_display = ["username", "email", "is_active", "is_staff", "last_login"]


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "scopes", "created", "expiry", "last_used_at"]
    search_fields = ["name", "user__username"]
    exclude = ["digest", "token_key"]

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor_label", "via", "address", "action", "object_type", "object_label"]
    list_filter = ["via", "action", "object_type"]
    search_fields = ["actor_label", "object_label", "object_id"]
