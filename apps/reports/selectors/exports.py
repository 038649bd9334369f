"""Exports as somebody may see them: the own ones, or everybody's for who administers everything."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.accounts.selectors import administers_everything
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.jobs.models import Job
from apps.reports.models import Export


def list_exports(user: AnyUser) -> QuerySet[Export]:
    """The newest first; none that has expired."""
    rows = Export.objects.select_related("job", "requested_by").filter(expires_at__gt=read_now())
    rows = rows.order_by("-created_at", "id")
    if administers_everything(user):
        return rows
    return rows.filter(requested_by=user) if isinstance(user, User) else rows.none()


def get_export(user: AnyUser, export_id: UUID | str) -> Export:
    """One export.

    Raises: NotFound when there is none, or it is somebody else's.
    """
    export = list_exports(user).filter(id=export_id).first()
    if export is None:
        raise NotFound("export_unknown", "There is no such export, or it has expired.")
    return export


def count_open(user: AnyUser) -> int:
    """How many exports of the user are not finished."""
    if not isinstance(user, User):
        return 0
    return Export.objects.filter(requested_by=user, sha256="", job__state__in=Job.OPEN).count()


def describe_scope(user: AnyUser, permission: Permission) -> dict[str, Any]:
    """On which clients `user` holds the permission, as an export keeps it."""
    scope = find_scope(user, permission)
    return {
        name: sorted([place.site_slug, place.tag_slug] for place in places)
        for name, places in (("allowed", scope.allowed), ("denied", scope.denied))
    }


def require_file(export: Export, permission: Permission) -> None:
    """Nothing, when the file may still be handed out.

    Raises: Conflict when it is not ready, or when its maker's rights are others by now.
    """
    if not export.sha256:
        raise Conflict("export_not_ready", "The file is not ready.", state=export.state)
    maker = export.requested_by
    if not maker.is_active or describe_scope(maker, permission) != export.scope:
        raise Conflict(
            "export_outdated", "The rights of who made it have changed; make the export again."
        )
