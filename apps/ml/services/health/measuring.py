"""What the results of a test from a client say of its health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from statistics import fmean, median
from uuid import UUID

from django.db.models import FloatField, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from apps.ml.algorithms.health import HealthProfile, Measured
from apps.ml.algorithms.health_inputs import HealthInputs, find_inputs
from apps.ml.algorithms.tallies import (
    HOUR_SECONDS,
    HOURS_KEPT,
    Tally,
    count_incidents,
    reckon_burn_rate,
    tally_hours,
)
from apps.ml.models import HealthGoal
from apps.tests.models import Assignment, Result, Test
from apps.tests.services.shares import find_share

LEAST_WINDOW = timedelta(hours=1)
MOST_WINDOW = timedelta(days=7)
WINDOW_INTERVALS = 6
EXPECTED_FROM = timedelta(days=14)
EXPECTED_LEAST = 5
EVER = float("inf")
# Results of quicker tests come in together, and are looked at once a minute.
LEAST_INTERVAL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Span:
    """How often a test runs, and which stretch of results its health is read from."""

    interval_seconds: float
    window: timedelta


@dataclass(frozen=True, slots=True)
class Sample:
    """One result: when its run began, how it ended, and its figures by key."""

    at: datetime
    is_success: bool
    is_overlapped: bool
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures of an assignment, with the tallies to keep for the next time."""

    measured: Measured
    profile: HealthProfile
    tallies: dict[int, Tally] = field(default_factory=dict)


def find_span(test: Test, now: datetime) -> Span:
    """An hour, or six intervals where that is longer, up to a week."""
    interval = find_interval_seconds(test, now)
    if interval == EVER:
        return Span(interval, MOST_WINDOW)
    window = max(LEAST_WINDOW, timedelta(seconds=min(interval, 1e6) * WINDOW_INTERVALS))
    return Span(interval, min(window, MOST_WINDOW))


def find_interval_seconds(test: Test, now: datetime) -> float:
    if test.schedule_kind == Test.ScheduleKind.ONCE:
        return EVER
    share = find_share(test, now)
    interval = test.duration_seconds / share if share else EVER
    return max(interval, test.every_seconds or 0.0, LEAST_INTERVAL_SECONDS)


def read_assignments(
    assignments: Sequence[Assignment],
    *,
    kept: Mapping[UUID, Mapping[int, Tally]],
    now: datetime,
) -> dict[UUID, Reading]:
    """A reading of each; those without an entry in `kept` are counted over a whole day.

    Assignments come with their test. A query for each kind, window and way of counting.
    """
    readings: dict[UUID, Reading] = {}
    goals = {goal.test_id: goal for goal in HealthGoal.objects.all()}
    plans = [(one, find_span(one.test, now), one.id in kept) for one in assignments]
    ordered = sorted(plans, key=lambda plan: (plan[0].test.kind, plan[1].window, plan[2]))
    for (kind, window, is_kept), group in groupby(
        ordered, key=lambda plan: (plan[0].test.kind, plan[1].window, plan[2])
    ):
        members = list(group)
        inputs = find_inputs(kind)
        ids = [one.id for one, _span, _kept in members]
        since = find_first_hour(now, window=window, is_kept=is_kept)
        # One interval more than is counted tells an outage that goes on from one that begins.
        earliest = min(since, now - window) - window / WINDOW_INTERVALS
        samples = list_samples(ids, inputs.keys, since=earliest)
        expected = find_expected(ids, inputs, now) if inputs.throughput else {}
        for one, span, _kept in members:
            readings[one.id] = read_assignment(
                samples.get(one.id, ()),
                span=span,
                inputs=inputs,
                goal=goals.get(one.test_id),
                usual_throughput=expected.get(one.id),
                kept=kept.get(one.id, {}),
                since=since,
                now=now,
            )
    return readings


def find_first_hour(now: datetime, *, window: timedelta, is_kept: bool) -> datetime:
    """The first hour whose results are counted anew."""
    span = min(window, timedelta(hours=HOURS_KEPT)) if is_kept else timedelta(hours=HOURS_KEPT)
    return (now - span).replace(minute=0, second=0, microsecond=0)


def list_samples(
    assignment_ids: Sequence[UUID], keys: Sequence[str], *, since: datetime
) -> dict[UUID, list[Sample]]:
    """The results of runs since then that succeeded or failed, oldest first."""
    numbers = [Cast(KT(f"values__{key}"), FloatField()) for key in keys]
    rows = (
        Result.objects.filter(run__assignment_id__in=assignment_ids, run__start_at__gte=since)
        .filter(Q(is_success=True) | Q(is_success=False))
        .order_by("run__assignment_id", "run__start_at")
        .values_list(
            "run__assignment_id", "run__start_at", "is_success", "run__is_overlapped", *numbers
        )
    )
    samples: dict[UUID, list[Sample]] = {}
    for owner, at, is_success, is_overlapped, *values in rows.iterator():
        known = {key: value for key, value in zip(keys, values, strict=True) if value is not None}
        samples.setdefault(owner, []).append(Sample(at, is_success, is_overlapped, known))
    return samples


def find_expected(
    assignment_ids: Sequence[UUID], inputs: HealthInputs, now: datetime
) -> dict[UUID, float]:
    """The median throughput of each in the last two weeks, from five results on."""
    samples = list_samples(assignment_ids, [inputs.throughput], since=now - EXPECTED_FROM)
    found = {}
    for owner, rows in samples.items():
        rates = [one.values[inputs.throughput] for one in rows if one.values]
        if len(rates) >= EXPECTED_LEAST:
            found[owner] = median(rates)
    return found


def read_assignment(
    samples: Sequence[Sample],
    *,
    span: Span,
    inputs: HealthInputs,
    goal: HealthGoal | None,
    usual_throughput: float | None,
    kept: Mapping[int, Tally],
    since: datetime,
    now: datetime,
) -> Reading:
    profile = read_profile(goal) if goal is not None else inputs.profile
    expected = goal.throughput_bits_per_second if goal is not None else None
    tallies = renew_tallies(samples, kept=kept, since=since, now=now)
    now_hour = int(now.timestamp() // HOUR_SECONDS)
    recent = [one for one in samples if now - span.window < one.at <= now]
    newest = recent[-1].at if recent else None
    measured = Measured(
        result_count=len(recent),
        success_count=sum(one.is_success for one in recent),
        newest_age_seconds=(now - newest).total_seconds() if newest else EVER,
        interval_seconds=span.interval_seconds,
        burn_rate=reckon_burn_rate(
            tallies, now_hour=now_hour, goal_ratio=profile.availability_goal_ratio
        ),
        incident_count=count_incidents(tallies, now_hour=now_hour),
        **read_figures(recent, inputs, expected or usual_throughput),
    )
    return Reading(measured, profile, tallies)


def read_profile(goal: HealthGoal) -> HealthProfile:
    return HealthProfile(
        availability_goal_ratio=goal.availability_goal_ratio,
        latency_good_seconds=goal.latency_good_seconds,
        latency_bad_seconds=goal.latency_bad_seconds,
        jitter_good_seconds=goal.jitter_good_seconds,
        jitter_bad_seconds=goal.jitter_bad_seconds,
    )


def renew_tallies(
    samples: Sequence[Sample], *, kept: Mapping[int, Tally], since: datetime, now: datetime
) -> dict[int, Tally]:
    """The tallies of the last 25 hours: hours from `since` on counted anew, earlier ones kept."""
    first = int(since.timestamp() // HOUR_SECONDS)
    oldest = int(now.timestamp() // HOUR_SECONDS) - HOURS_KEPT
    counted = tally_hours((one.at.timestamp(), one.is_success) for one in samples)
    earlier = {hour: one for hour, one in kept.items() if oldest < hour < first}
    return earlier | {hour: one for hour, one in counted.items() if hour >= first}


def read_figures(
    samples: Sequence[Sample], inputs: HealthInputs, expected_throughput: float | None
) -> dict[str, float | None]:
    """The figures of performance, each the mean over the results that have it.

    Of latency that is the mean of the results' own 95th percentiles. Results that an exclusive
    run disturbed count for availability alone.
    """
    calm = [one for one in samples if not one.is_overlapped]
    throughput = take_mean(calm, (inputs.throughput,))
    return {
        "latency_p95_seconds": take_mean(calm, inputs.latency),
        "jitter_seconds": take_mean(calm, (inputs.jitter,)),
        "loss_ratio": take_mean(calm, (inputs.loss,)),
        "throughput_share": throughput / expected_throughput
        if throughput is not None and expected_throughput
        else None,
    }


def take_mean(samples: Sequence[Sample], keys: Sequence[str]) -> float | None:
    """Over the results, of the first of the keys that each has; None where none has any."""
    found = [next((one.values[key] for key in keys if key in one.values), None) for one in samples]
    known = [value for value in found if value is not None]
    return fmean(known) if known else None
