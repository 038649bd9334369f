"""What every page shows around its content."""

import time
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.policy import Permission, may
from apps.accounts.selectors import administers_everything
from apps.core.storage_state import read_storage_fault


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the side bar; `section` is the first part of the paths it stands for."""

    label: str | Promise
    icon: str
    url_name: str
    section: str
    permission: Permission = Permission.VIEW
    is_current: bool = False

    @property
    def url(self) -> str:
        return reverse(self.url_name)


ENTRIES: tuple[Entry, ...] = (
    Entry(_("Overview"), "layout-dashboard", "dashboard:overview", ""),
    Entry(_("Health"), "heartbeat", "dashboard:health", "health"),
    Entry(_("Clients"), "server", "dashboard:clients", "clients"),
    Entry(_("Fleet"), "chart-line", "dashboard:fleet", "fleet"),
    Entry(_("Capacity"), "chart-dots", "dashboard:capacity", "capacity"),
    Entry(_("Analysis"), "chart-line", "dashboard:analysis", "analysis"),
    Entry(_("Sites and tags"), "map-pin", "dashboard:places", "places"),
    Entry(_("Tests"), "activity", "dashboard:tests", "tests"),
    Entry(_("Runs"), "history", "dashboard:runs", "runs"),
    Entry(_("Findings"), "alert-triangle", "dashboard:findings", "findings"),
    Entry(_("Diagnoses"), "stethoscope", "dashboard:diagnoses", "diagnoses"),
    Entry(_("Metrics"), "chart-line", "dashboard:catalogue", "catalogue"),
    Entry(_("Exports"), "download", "dashboard:exports", "exports"),
    Entry(_("Models"), "chart-dots", "dashboard:models", "models"),
    Entry(_("Training"), "refresh", "dashboard:training", "training"),
    Entry(_("Reports"), "book", "dashboard:reports", "reports"),
    Entry(_("Maintenance"), "calendar", "dashboard:maintenance", "maintenance"),
    Entry(_("Users"), "users", "dashboard:users", "users", Permission.ADMINISTER),
    Entry(_("Audit"), "list-details", "dashboard:audit", "audit", Permission.ADMINISTER),
    Entry(_("Quotas"), "chart-dots", "dashboard:quotas", "quotas", Permission.ADMINISTER),
    Entry(_("Storage"), "database", "dashboard:storage", "storage", Permission.ADMINISTER),
    Entry(_("Background work"), "loader", "dashboard:jobs", "jobs", Permission.ADMINISTER),
    Entry(_("API"), "api", "swagger", "api"),
    Entry(_("Settings"), "adjustments", "dashboard:settings", "settings", Permission.ADMINISTER),
    Entry(_("Administration"), "settings", "admin:index", "admin", Permission.ADMINISTER),
)


def describe_navigation(request: HttpRequest) -> dict[str, Any]:
    """The side bar, theme and clock of a template; worked out only when a template asks."""
    user = getattr(request, "user", None)
    known = user if isinstance(user, User) or getattr(user, "is_authenticated", False) else None
    return {
        "navigation": SimpleLazyObject(lambda: list_entries(request)),
        "theme": getattr(known, "theme", User.Theme.SYSTEM),
        "theme_choices": User.Theme.choices,
        "now_seconds": f"{time.time():.3f}",
        "time_zone_name": timezone.get_current_timezone_name(),
        "is_private_line": SimpleLazyObject(lambda: is_private_line(request)),
        "storage_fault": SimpleLazyObject(read_storage_fault),
        "may_administer": SimpleLazyObject(lambda: _may(request, Permission.ADMINISTER)),
        "may_operate": SimpleLazyObject(lambda: _may(request, Permission.OPERATE)),
    }


def list_entries(request: HttpRequest) -> list[Entry]:
    section = request.path.strip("/").partition("/")[0]
    return [
        Entry(
            entry.label, entry.icon, entry.url_name, entry.section, entry.permission,
            is_current=entry.section == section,
        )
        for entry in ENTRIES
        if _may(request, entry.permission)
    ]  # fmt: skip


def is_private_line(request: HttpRequest) -> bool:
    """Whether nobody on the way can read what is typed: https, or this very machine."""
    host = split_domain_port(request.get_host())[0]
    return request.is_secure() or host in {"localhost", "127.0.0.1", "[::1]"}


def _may(request: HttpRequest, permission: Permission) -> bool:
    user = getattr(request, "user", None)
    if permission == Permission.ADMINISTER:
        return user is not None and administers_everything(user)
    return user is not None and may(user, permission)
