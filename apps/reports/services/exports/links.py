"""Links by which a file is downloaded without signing in, for an hour at most."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing

from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.reports.datasets import find_dataset
from apps.reports.models import Export
from apps.reports.selectors.exports import require_file

SALT = "reports.export"
LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Link:
    """What the address of a file is given to open for anybody, and until when it does."""

    signature: str
    expires_at: datetime


def sign_link(export: Export) -> Link:
    """Raises: Conflict for a file that is not ready or not to be handed out any more."""
    require_file(export, find_dataset(export.dataset).permission)
    expires_at = min(read_now() + LIFE, export.expires_at)
    content = {"export": str(export.id), "until": expires_at.timestamp()}
    return Link(signing.dumps(content, salt=SALT), expires_at)


def open_link(export_id: UUID, signature: str) -> Export:
    """The export that the link opens.

    Raises: NotFound for a link that is forged, of another export, or over, and for an export that
    is gone.
    """
    unknown = NotFound("link_unknown", "This link is not known here, or it has expired.")
    try:
        content = signing.loads(signature, salt=SALT)
    except signing.BadSignature:
        raise unknown from None
    now = read_now()
    if content["export"] != str(export_id) or content["until"] <= now.timestamp():
        raise unknown
    rows = Export.objects.select_related("job", "requested_by")
    export = rows.filter(id=export_id, expires_at__gt=now).first()
    if export is None:
        raise unknown
    return export
