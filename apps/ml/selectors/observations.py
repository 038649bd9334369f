"""Results of a test on a client with what went on beside them, as models look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from apps.metrics.catalogue import read_key
from apps.metrics.selectors import find_sources_of_clients, read_many
from apps.ml.algorithms.features import CONTEXT, MOST_METRICS, Measured, Observations
from apps.ml.algorithms.next_values import MOST_SAID
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Result, Run
from apps.tests.selectors import leave_out_overlapped

Floats = NDArray[np.float64]

# The newest results of an assignment that are learned from, and how far back.
MOST_RESULTS = 10_000
LONGEST_BACK = timedelta(days=90)
# Others' results that say what failed meanwhile: the newest ones.
MOST_BESIDE = 20_000
SHORTLY = timedelta(minutes=10)
HOST_KEYS = (
    "system.cpu.utilization",
    "system.memory.utilization",
    "system.cpu.load_average.1m",
)
OF_HOST = ("host_cpu", "host_memory", "host_load", "client_failing")
# Longer than two days: then it comes by hours, for learning as for judging.
HOST_AT_LEAST = timedelta(days=3)
HOUR_SECONDS = 3600.0
# The least difference that means anything, by unit.
FLOORS = {"s": 1e-4, "1": 0.01, "bit/s": 1e4, "By": 1.0, "By/s": 1e3, "dBm": 1.0, "dB": 1.0}
OTHER_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Recorded:
    """Observations of an assignment, and the runs that they are of, in the same order."""

    observations: Observations
    run_ids: tuple[UUID, ...]


def list_measured(kind: str) -> tuple[Measured, ...]:
    """The metrics of a kind of test that models look at; empty for one that is not known."""
    known = KINDS.get(kind)
    if known is None:
        return ()
    keys = list(dict.fromkeys([*known.headline, *known.chart]))[:MOST_METRICS]
    return tuple(Measured(key, find_floor(key)) for key in keys)


def list_said(kind: str) -> tuple[str, ...]:
    """The headlines of a kind of test whose values to come are said, the chief one first."""
    known = KINDS.get(kind)
    return tuple(known.headline[:MOST_SAID]) if known else ()


def find_floor(key: str) -> float:
    known = read_key(key)
    return FLOORS.get(known.metric.unit, OTHER_FLOOR) if known else OTHER_FLOOR


def tells_of_host(subject: str) -> bool:
    """Whether a subject of features is about the client itself, not about what the test measured.

    Who sees a test between two clients may see only one of them.
    """
    return subject in {f"{CONTEXT}:{name}" for name in OF_HOST}


def list_judged_results() -> QuerySet[Result]:
    """Results that are learned from and judged: completed, and of no run that was disturbed."""
    runs = leave_out_overlapped(Run.objects.all())
    return Result.objects.filter(outcome=Result.Outcome.COMPLETED, run__in=runs)


def count_judged_results(assignment: Assignment, *, since: datetime | None = None) -> int:
    """How many there are of an assignment, of runs planned from then on."""
    rows = list_judged_results().filter(run__assignment=assignment)
    return (rows.filter(run__start_at__gte=since) if since else rows).count()


def read_observations(
    assignment: Assignment,
    metrics: Sequence[Measured],
    *,
    until: datetime,
    most: int = MOST_RESULTS,
) -> Recorded:
    """The newest results of the assignment from before `until`, oldest first, at most `most`.

    A handful of queries, whatever their number.
    """
    rows = list_judged_results().filter(
        run__assignment=assignment,
        run__start_at__gte=until - LONGEST_BACK,
        run__start_at__lt=until,
        started_at__lt=until,
    )
    found = list(
        rows.order_by("-run__start_at").values_list("run_id", "started_at", "is_success", "values")[
            :most
        ]
    )
    found.sort(key=lambda row: (row[1], row[0]))
    at = np.array([row[1].timestamp() for row in found], dtype=np.float64)
    values = [[row[3].get(metric.key, np.nan) for metric in metrics] for row in found]
    observations = Observations(
        at=at,
        values=np.array(values, dtype=np.float64).reshape(len(found), len(metrics)),
        failed=np.array([float(row[2] is False) for row in found]),
        host=read_host(assignment.client_id, at),
        client_failing=read_failing(
            at, Q(run__assignment__client=assignment.client_id), assignment
        ),
        target_failing=read_failing(at, Q(run__assignment__test=assignment.test_id), assignment),
    )
    return Recorded(observations, tuple(row[0] for row in found))


def read_host(client_id: UUID, at: Floats) -> Floats:
    """Means of the client's host over the hour of each moment, a column a key of `HOST_KEYS`."""
    host = np.full((at.size, len(HOST_KEYS)), np.nan)
    source_id = find_sources_of_clients([client_id], "host").get(client_id)
    if not at.size or source_id is None:
        return host
    end = datetime.fromtimestamp(at[-1] + HOUR_SECONDS, UTC)
    start = min(datetime.fromtimestamp(at[0] - HOUR_SECONDS, UTC), end - HOST_AT_LEAST)
    hours = at // HOUR_SECONDS * HOUR_SECONDS
    for column, key in enumerate(HOST_KEYS):
        parts = read_many(source_ids=[source_id], key=key, start=start, end=end).parts
        buckets = parts.get(source_id)
        if buckets is not None and len(buckets.start):
            place = np.searchsorted(buckets.start, hours)
            place = np.minimum(place, len(buckets.start) - 1)
            is_there = buckets.start[place] == hours
            host[is_there, column] = buckets.mean[place[is_there]]
    return host


def read_failing(at: Floats, beside: Q, assignment: Assignment) -> Floats:
    """The share of others' results in the ten minutes before each moment that failed.

    NaN where there were none.
    """
    if not at.size:
        return np.empty(0)
    start = datetime.fromtimestamp(at[0], UTC) - SHORTLY
    end = datetime.fromtimestamp(at[-1], UTC)
    rows = Result.objects.filter(
        beside,
        run__start_at__gte=start - SHORTLY,
        run__start_at__lte=end,
        finished_at__gte=start,
        finished_at__lte=end,
        is_success__isnull=False,
    ).exclude(run__assignment=assignment)
    found = list(
        rows.order_by("-run__start_at").values_list("finished_at", "is_success")[:MOST_BESIDE]
    )
    found.sort()
    moments = np.array([moment.timestamp() for moment, _success in found])
    failures = np.concatenate([[0], np.cumsum([not success for _moment, success in found])])
    last = np.searchsorted(moments, at, side="right")
    first = np.searchsorted(moments, at - SHORTLY.total_seconds(), side="left")
    count = last - first
    share = (failures[last] - failures[first]) / np.maximum(count, 1)
    return np.where(count > 0, share, np.nan)
