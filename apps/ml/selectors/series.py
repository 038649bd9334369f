"""Which series are judged."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F

from apps.metrics.models import Source
from apps.metrics.selectors import ASSIGNMENT_KIND, FIVE_MINUTES
from apps.ml.models import SeriesWatch
from apps.tests.kinds import KINDS
from apps.tests.models import Run

# The chief metrics of each kind of source; of an assignment, the headlines of its test's kind.
WATCHED_KEYS: Mapping[str, tuple[str, ...]] = {
    "host": (
        "system.cpu.utilization",
        "system.memory.utilization",
        "system.cpu.load_average.1m",
        "system.cpu.pressure",
        "system.io.pressure",
    ),
    "interface": (
        "system.network.io.rate{direction=receive}",
        "system.network.io.rate{direction=transmit}",
    ),
    "disk": (
        "system.disk.io.rate{direction=read}",
        "system.disk.io.rate{direction=write}",
    ),
    "filesystem": ("system.filesystem.utilization",),
}
# Containers come and go with their interfaces and mounts: the first of a client are judged.
MOST_SOURCES_OF_A_KIND = 4
# A rollup is made so long after its five minutes.
SETTLED_AFTER = FIVE_MINUTES + timedelta(seconds=30)

Span = tuple[datetime, datetime]


def is_watchable(source: Source) -> bool:
    is_loopback = source.kind == "interface" and source.subject == "lo"
    return source.kind == ASSIGNMENT_KIND or (source.kind in WATCHED_KEYS and not is_loopback)


def list_due_sources(now: datetime) -> list[int]:
    """The sources that may have five minutes to be judged, those that waited longest first."""
    rows = SeriesWatch.objects.filter(
        is_watched=True,
        judged_until__lte=now - SETTLED_AFTER,
        source__latest__at__gte=F("judged_until"),
    )
    return list(rows.order_by("judged_until", "source_id").values_list("source_id", flat=True))


def find_watched_keys(source_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The metrics of each source that are judged."""
    rows = Source.objects.filter(id__in=source_ids)
    columns = rows.values_list("id", "kind", "assignment__test__kind")
    return {
        source_id: (KINDS[test_kind].headline if test_kind in KINDS else ())
        if kind == ASSIGNMENT_KIND
        else WATCHED_KEYS.get(kind, ())
        for source_id, kind, test_kind in columns
    }


def find_disturbed(source_ids: Sequence[int], since: datetime) -> dict[int, list[Span]]:
    """When runs of the sources' assignments were disturbed by an exclusive run."""
    rows = Run.objects.filter(
        assignment__source_id__in=source_ids, is_overlapped=True, end_at__gte=since
    )
    found: dict[int, list[Span]] = {}
    for source_id, start, end in rows.values_list("assignment__source_id", "start_at", "end_at"):
        found.setdefault(source_id, []).append((start, end))
    return found


def is_disturbed(at: datetime, spans: Sequence[Span]) -> bool:
    return any(start < at + FIVE_MINUTES and end >= at for start, end in spans)
