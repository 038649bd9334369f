"""The server's settings for those who administer everything, with who changed them last."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from apps.accounts.models import AuditEntry
from apps.accounts.policy import AnyUser, Permission, require
from apps.configuration.models import Setting
from apps.configuration.selectors import SettingState, list_settings


@dataclass(frozen=True, slots=True)
class ServerSetting:
    """A setting as it holds now; `changed_by` is empty while the environment's value holds."""

    state: SettingState
    changed_by: str = ""
    changed_at: datetime | None = None


def list_server_settings(user: AnyUser) -> list[ServerSetting]:
    """Every setting in the order of DEFINITIONS, in three queries.

    Raises: NotAuthenticated, Refused unless the user administers everything.
    """
    require(user, Permission.ADMINISTER, is_everywhere=True)
    authors = find_authors()
    return [
        ServerSetting(
            state,
            changed_by=authors.get(state.definition.name, "") if state.changed_at else "",
            changed_at=state.changed_at,
        )
        for state in list_settings()
    ]


def find_authors() -> dict[str, str]:
    """Who changed each setting last, by its name."""
    entries = AuditEntry.objects.filter(object_type=Setting._meta.model_name)  # noqa: SLF001 - documented API
    newest = entries.order_by().values("object_id").annotate(newest=Max("id"))
    rows = AuditEntry.objects.filter(id__in=[row["newest"] for row in newest])
    return dict(rows.values_list("object_id", "actor_label"))
