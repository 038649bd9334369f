"""The links of clients: the interfaces by which traffic leaves and reaches a host."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.metrics.models import Source

INTERFACE_KIND = "interface"
# What these carry passes a real interface as well, or never leaves the host.
INNER_INTERFACES = r"^(lo[0-9]*$|docker|br-|veth|virbr|cni|flannel|cali|podman)"


def list_links(client_ids: "Iterable[UUID] | QuerySet[Any, Any]") -> QuerySet[Source]:
    """The sources of the outer interfaces of those clients, of which no traffic counts twice."""
    rows = Source.objects.filter(client_id__in=client_ids, kind=INTERFACE_KIND)
    return rows.exclude(subject__regex=INNER_INTERFACES)
