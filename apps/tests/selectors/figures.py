"""What runs found, over time: the figures that sum a run up, which no frame holds."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import FloatField, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.core.buckets import choose_step_seconds
from apps.metrics.fields import BucketStart, UnixSeconds
from apps.metrics.selectors import MAXIMUM_POINTS, Series, list_keys
from apps.metrics.selectors.carriers import find_layouts
from apps.metrics.selectors.series import Plan, check_range, describe_points
from apps.tests.models import Assignment, Result
from apps.tests.selectors.visible import list_assignments

RUN_TIER = "run"
"""The `tier` of a series that has one value a run, out of results."""

RESULTS_LOOKED_AT = 10
# Below so many runs the values themselves are read; above, the database puts them into buckets.
VALUES_READ_GLADLY = 10_000
# As whole numbers: the database and Python must mean the same places.
HALF, NINETEEN_TWENTIETHS = (1, 2), (19, 20)
# One window for all, so that both databases sort once, and take each number out of its document
# once: as an expression of the ORM it would stand in the statement some thirty times.
RANKED = """
WITH numbers (bucket, number) AS MATERIALIZED ({numbers}),
ranked AS (
    SELECT bucket, number, count(*) OVER places AS total, avg(number) OVER places AS average,
        row_number() OVER places AS place
    FROM numbers WHERE number IS NOT NULL
    WINDOW places AS (
        PARTITION BY bucket ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT bucket, total, average, place, number FROM ranked WHERE place IN (
    1, (total - 1) / 2 + 1, (total - 1) / 2 + 2, (total - 1) * 19 / 20 + 1,
    (total - 1) * 19 / 20 + 2, total
)
"""


@dataclass(frozen=True, slots=True)
class MeasuredKeys:
    """The metric keys of an assignment: those of its newest frame, and those of results alone."""

    sampled: tuple[str, ...]
    of_runs: tuple[str, ...]


def list_measured_keys(assignment: Assignment) -> MeasuredKeys:
    """What the newest frame and the newest results have, both sorted; two queries."""
    rows = Result.objects.filter(run__assignment_id=assignment.id).order_by("-run__start_at")
    newest = rows.values_list("values", flat=True)[:RESULTS_LOOKED_AT]
    source_id = assignment.source_id or 0
    sampled = set(list_keys([source_id]).get(source_id, ()))
    of_runs = {key for values in newest for key in values} - sampled
    return MeasuredKeys(tuple(sorted(sampled)), tuple(sorted(of_runs)))


def list_carriers_of_results(
    user: AnyUser, clients: "QuerySet[Client, Any]", name: str, *, at_most: int
) -> list[Assignment]:
    """The assignments whose newest result has numbers of a metric that no frame of theirs holds.

    Of those of `clients` that `user` may see, by client and test, up to `at_most`; two queries.
    """
    rows = (
        list_assignments(user)
        .filter(client_id__in=clients.values("id"), source__isnull=False)
        .alias(text=Cast("last_values", TextField()))
        .filter(text__contains=f'"{name}')
        .exclude(source__latest__layout_id__in=find_layouts(name))
        .select_related("test__target", "source__client")
        .order_by("client__name", "test__name", "id")
    )
    return list(rows[:at_most])


def read_run_range(
    *,
    assignment_id: UUID,
    key: str,
    start: datetime,
    end: datetime,
    points: int = MAXIMUM_POINTS,
) -> Series:
    """The numbers of `key` in the results of the runs that began in [start, end).

    As `metrics.selectors.read_range` gives them, in the tier `run`: single values while they are at
    most `points`, else buckets of a nice step with exact percentiles. A result without the key is
    left out. One query up to 10,000 runs and two beyond, which give up to 10,000 rows and then six
    a bucket. Measured with 36 figures a result, a run a minute: 30 days in 0.6 s on PostgreSQL and
    1.2 s of processor on SQLite, a year (525,600 runs) in 2.3 to 3.5 s and 8 s.
    Raises: Invalid when the range is empty or `points` is not from 1 to 2,000.
    """
    check_range(key, start, end, points)
    plan = Plan(0, choose_step_seconds(start, end, points))
    rows = find_numbers(assignment_id, key, start, end)
    known = rows.filter(number__isnull=False).annotate(at=UnixSeconds("run__start_at"))
    few = known.order_by("run__start_at").values_list("at", "number")[: VALUES_READ_GLADLY + 1]
    table = np.array(list(few), dtype=np.float64).reshape(-1, 2)
    if len(table) > VALUES_READ_GLADLY:
        return describe_many(rows, plan.step_seconds)
    return replace(describe_points(table[:, 0], table[:, 1], plan, points), tier=RUN_TIER)


def find_numbers(assignment_id: UUID, key: str, start: datetime, end: datetime) -> "QuerySet[Any]":
    """The results of those runs, each with its `number`; None without such a key."""
    return Result.objects.filter(
        run__assignment_id=assignment_id, run__start_at__gte=start, run__start_at__lt=end
    ).annotate(number=Cast(KeyTextTransform(key, "values"), FloatField()))


def describe_many(rows: "QuerySet[Any]", step_seconds: int) -> Series:
    """Buckets that the database makes: of each it gives the values that its figures stand at."""
    cut = rows.annotate(bucket=BucketStart("run__start_at", step_seconds))
    numbers, parameters = cut.values_list("bucket", "number").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(RANKED.format(numbers=numbers), parameters)
        return describe_ranks(cursor.fetchall(), step_seconds)


def describe_ranks(
    rows: Iterable[tuple[float, int, float, int, float]], step_seconds: int
) -> Series:
    """The series of those buckets, each with its count, its mean and values by their place."""
    values: dict[float, dict[int, float]] = defaultdict(dict)
    whole: dict[float, tuple[int, float]] = {}
    for bucket, total, average, place, number in rows:
        values[bucket][place] = number
        whole[bucket] = (total, average)
    at = sorted(whole)
    sized = [(values[bucket], *whole[bucket]) for bucket in at]
    return Series(
        step_seconds=step_seconds,
        at=at,
        count=[total for _by_place, total, _average in sized],
        minimum=[by_place[1] for by_place, _total, _average in sized],
        # Rounding must not lead out of the values' range.
        mean=[
            min(max(average, by_place[1]), by_place[total]) for by_place, total, average in sized
        ],
        maximum=[by_place[total] for by_place, total, _average in sized],
        p50=[interpolate(by_place, total, HALF) for by_place, total, _average in sized],
        p95=[
            interpolate(by_place, total, NINETEEN_TWENTIETHS) for by_place, total, _average in sized
        ],
        tier=RUN_TIER,
    )


def interpolate(by_place: dict[int, float], total: int, share: tuple[int, int]) -> float:
    """The percentile between the two nearest places, as `summarise_groups` has it."""
    below, rest = divmod((total - 1) * share[0], share[1])
    lower = by_place[below + 1]
    upper = by_place[min(below + 2, total)]
    weight = rest / share[1]
    return min(max(lower * (1 - weight) + upper * weight, lower), upper)
