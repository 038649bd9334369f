from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.admin import AuditedAdmin, ReadOnlyAdmin
from apps.clients.models import Client, EnrolmentToken, Interface, Key, MaintenanceWindow, Site, Tag
from apps.clients.published import ClientChanged
from apps.clients.services import refuse_named, revoke_enrolment_token
from apps.core.bus import publish


class PlaceAdmin(AuditedAdmin):
    """Sites and tags: their slugs never change, because roles name them."""

    list_display = ["name", "slug"]
    search_fields = ["name", "slug"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["slug"] if obj else []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Deletion asks for each row whether anything names it.
        return {}

    def delete_model(self, request: HttpRequest, obj: Site | Tag) -> None:
        refuse_named(obj)
        super().delete_model(request, obj)


@admin.register(Site)
class SiteAdmin(PlaceAdmin):
    list_display = ["name", "slug", "latitude", "longitude"]


@admin.register(Tag)
class TagAdmin(PlaceAdmin):
    """A tag is moved in the tree by the pages, which keep the lineage of all below it."""

    list_display = ["name", "slug", "parent"]
    list_select_related = ["parent"]
    fields = ["slug", "name", "parent"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "parent"]


@admin.register(Client)
class ClientAdmin(AuditedAdmin):
    """Name, site and tags change here; deleting, with all that was measured, is for the pages."""

    list_display = [
        "name",
        "site",
        "presence",
        "last_heartbeat_at",
        "agent_version",
        "last_address",
    ]
    list_filter = ["presence", "site", "tags"]
    list_select_related = ["site"]
    search_fields = ["name", "hostname", "last_address"]
    filter_horizontal = ["tags"]
    editable_fields = frozenset({"name", "site", "tags"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        rows: QuerySet[Client] = super().get_queryset(request)
        return rows.filter(deleted_at=None)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        names = [field.name for field in Client._meta.get_fields() if field.concrete]
        return [name for name in names if name not in self.editable_fields]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        publish(ClientChanged(obj.id))


@admin.register(Interface)
class InterfaceAdmin(ReadOnlyAdmin):
    list_display = ["client", "name", "mac_address", "addresses", "is_up"]
    list_select_related = ["client"]
    search_fields = ["client__name", "name", "mac_address"]


@admin.register(EnrolmentToken)
class EnrolmentTokenAdmin(ReadOnlyAdmin):
    """Tokens are made where their secret can be shown once; here they are looked at and revoked."""

    list_display = [
        "name",
        "created_at",
        "created_by",
        "expires_at",
        "uses",
        "max_uses",
        "revoked_at",
    ]
    list_select_related = ["created_by"]
    search_fields = ["name"]
    exclude = ["digest"]
    actions = ["revoke"]

    @admin.action(description=_("Revoke the selected tokens"))
    def revoke(self, request: HttpRequest, rows: QuerySet[EnrolmentToken]) -> None:
        for token in rows.filter(revoked_at=None):
            revoke_enrolment_token(token=token)


@admin.register(Key)
class KeyAdmin(ReadOnlyAdmin):
    list_display = ["prefix", "client", "created_at", "expires_at", "revoked_at"]
    list_select_related = ["client"]
    search_fields = ["prefix", "client__name"]
    exclude = ["digest"]


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ReadOnlyAdmin):
    """Windows are made and changed on their page, which knows whose clients they touch."""

    list_display = ["name", "effect", "starts_at", "duration_seconds", "recurrence", "created_by"]
    list_filter = ["effect"]
    list_select_related = ["created_by"]
    search_fields = ["name", "recurrence"]
