from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.clients.api.filters import ClientFilter
from apps.clients.models import Client
from apps.clients.selectors import list_clients
from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import MOMENT, NUMBER, TEXT, WHOLE, WORD, identify

STORED = (
    identify("client", "id"),
    Column("name", TEXT, "name"),
    Column("hostname", TEXT, "hostname"),
    Column("operating_system", TEXT, "operating_system"),
    Column("site", WORD, "site__slug"),
    Column("presence", WORD, "presence"),
    Column("presence_since", MOMENT, "presence_since"),
    Column("last_heartbeat_at", MOMENT, "last_heartbeat_at"),
    Column("last_address", TEXT, "last_address"),
    Column("peer_address", TEXT, "peer_address"),
    Column("link_group", TEXT, "link_group"),
    Column("agent_version", TEXT, "agent_version"),
    Column("enrolled_at", MOMENT, "enrolled_at"),
    Column("spool_depth", WHOLE, "spool_depth"),
    Column("spool_dropped", WHOLE, "spool_dropped"),
    Column("clock_offset_seconds", NUMBER, "clock_offset_seconds"),
    Column("clock_error_seconds", NUMBER, "clock_error_seconds"),
    Column("clone_suspected_at", MOMENT, "clone_suspected_at"),
)


def add_tags(columns: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """The columns, and the short names of each client's tags with blanks between."""
    tags: dict[str, list[str]] = defaultdict(list)
    links = Client.tags.through.objects.filter(client_id__in=columns[0]).order_by("tag__slug")
    for client_id, slug in links.values_list("client_id", "tag__slug"):
        tags[str(client_id)].append(slug)
    return [*columns, [" ".join(tags[client_id]) for client_id in columns[0]]]


CLIENTS = RowDataset(
    name="clients",
    title=_("Clients"),
    columns=(*STORED, Column("tags", WORD)),
    stored=STORED,
    expand=add_tags,
    filterset=ClientFilter,
    list_rows=list_clients,
    order=("enrolled_at", "id"),
)
