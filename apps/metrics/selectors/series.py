"""Reading series: every page, API and judgement gets its numbers here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db.models import OuterRef, Subquery

from apps.core.buckets import choose_step_seconds
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid
from apps.metrics.algorithms.merging import merge_buckets
from apps.metrics.algorithms.rates import compute_rates
from apps.metrics.algorithms.series import Buckets, Numbers, bucket_series, join_buckets
from apps.metrics.algorithms.tiers import (
    DAY_SECONDS,
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    RAW_KEPT_DAYS_AT_LEAST,
    STEPS_SECONDS,
    TIER_NAMES,
    choose_tier_seconds,
    floor_day,
    floor_moment,
)
from apps.metrics.models import Frame, Rollup, Source
from apps.metrics.selectors.columns import (
    as_buckets,
    find_places,
    find_rolled_until,
    read_frames,
    read_rollups,
)

MAXIMUM_POINTS = 2000
# Below so many frames, exact percentiles out of all of them are worth the reading.
FRAMES_READ_GLADLY = 10_000

Points = tuple[Numbers, Numbers]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one source: single values (`step_seconds` 0) or buckets, oldest first.

    `at` is Unix seconds (of a bucket: its begin). In single values all columns are the value.
    `tier` says where the numbers come from: raw, 5m, 1h or 1d; other rooms have series of their own
    tiers. `is_estimated`: some bucket was put
    together from kept ones, so that its p50 and p95 are estimates (algorithms/merging.py).
    """

    step_seconds: int
    at: list[float]
    count: list[int]
    minimum: list[float]
    mean: list[float]
    maximum: list[float]
    p50: list[float]
    p95: list[float]
    tier: str = "raw"
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Which numbers are asked for; checked."""

    key: str
    start: datetime
    end: datetime
    points: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Which kept step serves a source (0 is raw), and the step of the buckets made of it."""

    tier_seconds: int
    step_seconds: int


def read_range(
    *, source_id: int, key: str, start: datetime, end: datetime, points: int = MAXIMUM_POINTS
) -> Series:
    """The values of `key` in [start, end), as at most `points` points.

    Single values where they fit, else buckets of a nice step: of the frames themselves while they
    are few, else of the coarsest kept step that gives enough points and still reaches back to
    `start`; what that does not hold yet comes from finer steps and from the frames. A bucket that
    was kept is whole, also where the range begins or ends inside it.
    Raises: Invalid when the range is empty or `points` is not from 1 to 2,000.
    """
    found = read_ranges(source_ids=[source_id], key=key, start=start, end=end, points=points)
    return found[source_id]


def read_ranges(
    *,
    source_ids: Sequence[int],
    key: str,
    start: datetime,
    end: datetime,
    points: int = MAXIMUM_POINTS,
) -> dict[int, Series]:
    """As `read_range`, for many sources in as many queries as for one.

    Where frames might serve, one more asks how many each source has.
    """
    question = check_range(key, start, end, points)
    found: dict[int, Series] = {}
    for plan, ids in group_by_plan(source_ids, question).items():
        if plan.tier_seconds:
            found |= describe_parts(gather_parts(ids, question, plan), plan)
        else:
            places = find_places(ids, key)
            for source_id, column in read_frames(places, ids, key, start, end).items():
                table = column.as_table()
                found[source_id] = describe_points(table[:, 0], table[:, 1], plan, points)
    return found


def read_counter_rates(
    *, source_id: int, key: str, start: datetime, end: datetime, points: int = MAXIMUM_POINTS
) -> Series:
    """The rates per second of the counter `key` in [start, end), as at most `points` points.

    A counter that began again has counted from 0 since (algorithms/rates.py). Out of kept buckets,
    the counter is read at each bucket's greatest count, and the series is marked as estimated.
    Raises: Invalid as `read_range` does.
    """
    question = check_range(key, start, end, points)
    (plan,) = group_by_plan([source_id], question)
    if not plan.tier_seconds:
        rates = compute_rates(*read_values(source_id, key, start, end))
        return describe_points(*rates, plan, points)
    parts = gather_parts([source_id], question, plan)[source_id]
    by_step = merge_buckets(parts, plan.tier_seconds).buckets
    at, rates_ = compute_rates(by_step.start, by_step.maximum)
    buckets = bucket_series(at, rates_, plan.step_seconds)
    return describe_buckets(buckets, plan, is_estimated=True)


def check_range(key: str, start: datetime, end: datetime, points: int) -> Question:
    errors = []
    if start >= end:
        errors.append(FieldError("end", "out_of_range", "must be later than start"))
    if not 1 <= points <= MAXIMUM_POINTS:
        errors.append(FieldError("points", "out_of_range", f"must be from 1 to {MAXIMUM_POINTS}"))
    if errors:
        raise Invalid(errors)
    return Question(key, start, end, points)


def group_by_plan(source_ids: Sequence[int], question: Question) -> dict[Plan, list[int]]:
    step_seconds = choose_step_seconds(question.start, question.end, question.points)
    finest = find_finest_steps(source_ids, question.start)
    plans: dict[Plan, list[int]] = defaultdict(list)
    for source_id in source_ids:
        plans[choose_plan(source_id, question, step_seconds, finest[source_id])].append(source_id)
    return plans


def choose_plan(source_id: int, question: Question, step_seconds: int, finest: int) -> Plan:
    """Frames while they reach back and are few or must be few; kept buckets otherwise."""
    is_kept_step = step_seconds in STEPS_SECONDS
    limit = question.points if is_kept_step else FRAMES_READ_GLADLY
    if not finest and (
        step_seconds < FIVE_MINUTES_SECONDS or has_at_most(source_id, question, limit)
    ):
        return Plan(0, step_seconds)
    step_seconds = max(step_seconds, finest, FIVE_MINUTES_SECONDS)
    return Plan(choose_tier_seconds(step_seconds), step_seconds)


def has_at_most(source_id: int, question: Question, limit: int) -> bool:
    rows = Frame.objects.filter(
        source_id=source_id, at__gte=question.start, at__lt=question.end
    ).order_by()
    return rows.values("source_id")[: limit + 1].count() <= limit


def find_finest_steps(source_ids: Sequence[int], start: datetime) -> dict[int, int]:
    """By source, the finest kept step (0 is raw) that reaches back as far as any within the range.

    Days are forgotten as a whole, so moments are compared by their days.
    """
    if start >= read_now() - timedelta(days=RAW_KEPT_DAYS_AT_LEAST):
        return dict.fromkeys(source_ids, 0)
    frames = Frame.objects.filter(source=OuterRef("pk")).order_by("at").values("at")[:1]
    firsts = {"first_0": Subquery(frames)}
    for step in STEPS_SECONDS:
        kept = Rollup.objects.filter(source=OuterRef("pk"), step=step).order_by("at")
        firsts[f"first_{step}"] = Subquery(kept.values("at")[:1])
    rows = Source.objects.filter(id__in=source_ids).annotate(**firsts).order_by()
    finest = dict.fromkeys(source_ids, 0)
    for source_id, *moments in rows.values_list("id", *firsts):
        finest[source_id] = choose_finest(moments, start)
    return finest


def choose_finest(firsts: Sequence[datetime | None], start: datetime) -> int:
    """The first step that reaches far enough; moments in the order raw, 5 min, 1 h, 1 day."""
    days = [None if first is None else floor_day(first) for first in firsts]
    known = [day for day in days if day is not None]
    if not known:
        return 0
    reach = max(floor_day(start), min(known))
    steps = (0, *STEPS_SECONDS)
    return next(
        step for step, day in zip(steps, days, strict=True) if day is not None and day <= reach
    )


def gather_parts(
    source_ids: Sequence[int], question: Question, plan: Plan, *, is_brief: bool = False
) -> dict[int, Buckets]:
    """The kept buckets of the range by source; what is not kept yet from hours and from frames.

    With `is_brief` the percentiles may be NaN.
    """
    key, end = question.key, question.end
    places = find_places(source_ids, key)
    parts: dict[int, list[Buckets]] = {source_id: [] for source_id in source_ids}
    until = dict.fromkeys(source_ids, floor_moment(question.start, plan.step_seconds))
    steps = [plan.tier_seconds]
    if plan.tier_seconds == DAY_SECONDS:
        # A day has too many frames to be read for a chart.
        steps.append(HOUR_SECONDS)
    for step in steps:
        for moment, ids in group_by_moment(until, end):
            span = (moment, end)
            columns = read_rollups(places, ids, key, step, span, is_brief=is_brief)
            for source_id, column in columns.items():
                parts[source_id].append(as_buckets(column.as_table()))
                until[source_id] = find_rolled_until(column, step, moment)
    for moment, ids in group_by_moment(until, end):
        for source_id, column in read_frames(places, ids, key, moment, end).items():
            table = column.as_table()
            parts[source_id].append(bucket_series(table[:, 0], table[:, 1], plan.tier_seconds))
    return {source_id: join_buckets(found) for source_id, found in parts.items()}


def group_by_moment(
    until: Mapping[int, datetime], end: datetime
) -> list[tuple[datetime, list[int]]]:
    """The sources whose moment is before `end`, by that moment."""
    groups: dict[datetime, list[int]] = defaultdict(list)
    for source_id, moment in until.items():
        if moment < end:
            groups[moment].append(source_id)
    return list(groups.items())


def read_values(source_id: int, key: str, start: datetime, end: datetime) -> Points:
    """Unix seconds and values of the measured frames in [start, end), oldest first."""
    places = find_places([source_id], key)
    table = read_frames(places, [source_id], key, start, end)[source_id].as_table()
    return table[:, 0], table[:, 1]


def describe_points(at: Numbers, values: Numbers, plan: Plan, points: int) -> Series:
    """Single values when they are at most `points`, else buckets."""
    if len(at) > points:
        return describe_buckets(bucket_series(at, values, plan.step_seconds), plan)
    column = values.tolist()
    return Series(0, at.tolist(), [1] * len(column), column, column, column, column, column)


def describe_parts(parts: Mapping[int, Buckets], plan: Plan) -> dict[int, Series]:
    """The series of each source; all are merged at once, which costs hardly more than one."""
    ids = list(parts)
    lengths = [len(parts[source_id].start) for source_id in ids]
    owner = np.repeat(np.arange(len(ids)), lengths)
    merged = merge_buckets(join_buckets(list(parts.values())), plan.step_seconds, owner)
    found = {}
    for number, source_id in enumerate(ids):
        own = merged.of_series(number)
        is_estimated = bool(own.is_estimated.any())
        found[source_id] = describe_buckets(own.buckets, plan, is_estimated=is_estimated)
    return found


def describe_buckets(buckets: Buckets, plan: Plan, *, is_estimated: bool = False) -> Series:
    return Series(
        step_seconds=plan.step_seconds,
        at=buckets.start.tolist(),
        count=buckets.count.tolist(),
        minimum=buckets.minimum.tolist(),
        mean=buckets.mean.tolist(),
        maximum=buckets.maximum.tolist(),
        p50=buckets.p50.tolist(),
        p95=buckets.p95.tolist(),
        tier=TIER_NAMES[plan.tier_seconds],
        is_estimated=is_estimated,
    )
