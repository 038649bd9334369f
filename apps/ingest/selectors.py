"""What was refused of what agents sent."""

from uuid import UUID

from django.db.models import Sum

from apps.ingest.models import RefusalCount


def sum_refusals() -> dict[str, int]:
    """How many records were ever refused, of all clients that are still known, by code."""
    rows = RefusalCount.objects.order_by("code").values_list("code")
    return dict(rows.annotate(Sum("count")))


def list_refusals(client_id: UUID) -> list[RefusalCount]:
    """What was ever refused of one client, the newest reason first."""
    return list(RefusalCount.objects.filter(client_id=client_id))
