"""Of what there are forecasts: file systems, memory, links, and what tests measure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from django.db.models import QuerySet

from apps.configuration.selectors import read_settings
from apps.metrics.models import Latest
from apps.metrics.selectors import ASSIGNMENT_KIND
from apps.ml.algorithms.forecast import Bounds

# What has sent nothing for longer is over.
SILENT_AFTER = timedelta(days=2)
RATIO: Bounds = (0.0, 1.0)
POSITIVE: Bounds = (0.0, None)
MEMORY_SETTING = "memory_threshold_percent"
PERCENT = 100


@dataclass(frozen=True, slots=True)
class Watched:
    """A metric of a kind of source: its bounds, the limit that it may reach, and its daily value.

    A day counts by the value at `day_share` of its hours, from the lowest (0) to the highest (1).
    A `setting` in percent stands for the limit.
    """

    key: str
    bounds: Bounds
    limit: float | None = None
    setting: str = ""
    day_share: float = 1.0


# A link that is busy for an hour a day is full long before its daily mean says so.
BUSY_HOUR = 0.95
HOST_METRICS: Mapping[str, Watched] = MappingProxyType(
    {
        "filesystem": Watched("system.filesystem.utilization", RATIO, limit=1.0),
        "host": Watched(
            "system.memory.utilization", RATIO, setting=MEMORY_SETTING, day_share=BUSY_HOUR
        ),
        "interface": Watched(
            "system.network.link.utilization", RATIO, limit=0.8, day_share=BUSY_HOUR
        ),
    }
)
TEST_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ping": ("net.rtt.median",),
        "tcp": ("net.rtt.tcp_connect",),
        "udp_session": ("net.rtt.median",),
        "trace": ("path.hop.rtt.median",),
        "http": ("http.client.request.duration",),
        "dns": ("dns.lookup.duration",),
        "tls": ("tls.handshake.duration",),
        "ntp": ("ntp.rtt",),
        "throughput": ("net.throughput.tcp.receive", "net.throughput.tcp.reverse"),
        "http_throughput": ("net.throughput.http.download", "net.throughput.http.upload"),
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One metric of one source, with its limit if it has one."""

    source_id: int
    watched: Watched
    limit: float | None
    is_of_test: bool

    @property
    def name(self) -> tuple[int, str]:
        return self.source_id, self.watched.key


def list_subjects(now: datetime, client_id: UUID | None = None) -> list[Subject]:
    """All that has been measured lately, of one client or of all; two queries and one setting."""
    values = read_settings([MEMORY_SETTING])
    limits = {name: float(str(value)) / PERCENT for name, value in values.items()}
    rows = Latest.objects.filter(
        at__gte=now - SILENT_AFTER, source__client__deleted_at=None
    ).select_related("layout")
    if client_id is not None:
        rows = rows.filter(source__client_id=client_id)
    return [*list_host_subjects(rows, limits), *list_test_subjects(rows)]


def list_host_subjects(rows: QuerySet[Latest], limits: Mapping[str, float]) -> Iterator[Subject]:
    kinds = rows.filter(source__kind__in=list(HOST_METRICS)).order_by("source_id")
    for row, kind in ((row, row.source.kind) for row in kinds.select_related("source")):
        watched = HOST_METRICS[kind]
        if is_measured(row, watched.key):
            limit = limits[watched.setting] if watched.setting else watched.limit
            yield Subject(row.source_id, watched, limit, is_of_test=False)


def list_test_subjects(rows: QuerySet[Latest]) -> Iterator[Subject]:
    mine = rows.filter(
        source__kind=ASSIGNMENT_KIND,
        source__assignment__removed_at=None,
        source__assignment__test__kind__in=list(TEST_METRICS),
    ).order_by("source_id")
    for row in mine.select_related("source__assignment__test"):
        for key in TEST_METRICS[row.source.assignment.test.kind]:
            if key in row.layout.keys:
                yield Subject(row.source_id, Watched(key, POSITIVE), None, is_of_test=True)


def is_measured(row: Latest, key: str) -> bool:
    """Whether the newest frame holds a number for it: a loopback interface has no speed."""
    keys = row.layout.keys
    return key in keys and row.values[keys.index(key)] is not None
