"""What the processes or connections of a client were."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import NotFound
from apps.metrics.models import Document


def find_document(client_id: UUID, kind: str, at: datetime | None = None) -> Document | None:
    """The client's newest document of that kind, or its newest until `at`; None without one."""
    rows = Document.objects.filter(
        source__client_id=client_id, source__kind=kind, source__subject=""
    )
    if at is not None:
        rows = rows.filter(at__lte=at)
    return rows.order_by("-at").first()


def get_document(client_id: UUID, kind: str, at: datetime | None = None) -> Document:
    """As `find_document`.

    Raises: NotFound without one, saying since when there are some.
    """
    document = find_document(client_id, kind, at)
    if document is not None:
        return document
    kept = Document.objects.filter(source__client_id=client_id, source__kind=kind)
    oldest = kept.order_by("at").values_list("at", flat=True).first()
    detail = f"This client has sent no {kind} yet."
    if oldest is not None:
        detail = f"The oldest {kind} kept of this client are of {oldest.isoformat()}."
    raise NotFound("document_unknown", detail)
