"""Who measures a metric now, and what."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from apps.clients.models import Client
from apps.metrics.models import Fact, Latest, Layout, Source

MOST_FACTS_READ = 1000


@dataclass(frozen=True, slots=True)
class Carrier:
    """The newest of one key of a metric at one source: a number, words, or the reason for neither.

    `at` is when a number was measured, and since when words hold.
    """

    source: Source
    key: str
    at: datetime
    value: float | None = None
    text: str = ""
    absent: str = ""


def list_number_carriers(
    clients: QuerySet[Client, Any], name: str, *, at_most: int
) -> list[Carrier]:
    """The newest numbers of the clients' sources that have the metric, by client and source.

    Up to `at_most` sources; every key of a source is there. Two queries.
    """
    rows = (
        Latest.objects.filter(layout_id__in=find_layouts(name))
        .filter(source__client_id__in=clients.values("id"))
        .select_related("source__client", "layout")
        .order_by("source__client__name", "source__kind", "source__subject", "source_id")
    )
    return [carrier for row in rows[:at_most] for carrier in cut_out(row, name)]


def find_layouts(name: str) -> list[int]:
    """The layouts with a key of the metric."""
    rows = Layout.objects.alias(text=Cast("keys", TextField())).filter(text__contains=f'"{name}')
    return [id for id, keys in rows.values_list("id", "keys") if any(pick(keys, name))]


def pick(keys: Iterable[str], name: str) -> Iterator[str]:
    return (key for key in keys if key.partition("{")[0] == name)


def cut_out(row: Latest, name: str) -> Iterator[Carrier]:
    numbers = dict(zip(row.layout.keys, row.values, strict=True))
    absent = row.absent or {}
    for key in pick(row.layout.keys, name):
        yield Carrier(row.source, key, row.at, value=numbers[key], absent=absent.get(key, ""))


def list_text_carriers(clients: QuerySet[Client, Any], name: str, *, at_most: int) -> list[Carrier]:
    """The words that hold now at the clients' sources, the newest first; one query."""
    rows = (
        Fact.objects.filter(key__startswith=name, source__client_id__in=clients.values("id"))
        .select_related("source__client")
        .order_by("-since")
    )
    newest: dict[tuple[int, str], Carrier] = {}
    for row in rows[:MOST_FACTS_READ]:
        if any(pick([row.key], name)):
            carrier = Carrier(row.source, row.key, row.since, text=row.value)
            newest.setdefault((row.source_id, row.key), carrier)
    return list(newest.values())[:at_most]
