"""How often the route of a trace changed, by the facts that its runs stated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.clock import read_now
from apps.dashboard.ranges import History
from apps.metrics.selectors import list_fact_changes
from apps.tests.models import Assignment

ROUTE_KINDS = frozenset({"trace"})
ROUTE_FACT = "path.hash"
TIMES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """How often in the range of the page, and when of late."""

    count: int
    times: Sequence[datetime]


def describe_route_changes(chosen: Assignment | None, history: History) -> RouteChanges | None:
    """None for a test that knows no route."""
    if chosen is None or chosen.test.kind not in ROUTE_KINDS:
        return None
    if chosen.source_id is None:
        return RouteChanges(0, ())
    end = history.end or read_now()
    start = history.start or end - history.span
    count, times = list_fact_changes(
        chosen.source_id, ROUTE_FACT, start=start, end=end, limit=TIMES_SHOWN
    )
    return RouteChanges(count, times)
