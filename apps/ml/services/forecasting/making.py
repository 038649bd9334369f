"""Forecasts are made in turns of some seconds, each metric of many sources together."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from apps.core.clock import read_now
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.metrics.algorithms.series import Buckets
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_day, floor_moment
from apps.metrics.models import Source
from apps.ml.algorithms.capacity import Outlook, foresee_limit, gather_days
from apps.ml.algorithms.forecast import Refused, build_grid, forecast_series
from apps.ml.models import Forecast
from apps.ml.selectors.hours import read_hours
from apps.ml.selectors.subjects import Subject, list_subjects

SOURCES_AT_ONCE = 50
TURN_SECONDS = 20.0
# A forecast that was not renewed for so long is of something that is gone.
KEPT = timedelta(days=3)
NAMES = ("id", "source", "metric")
FIELDS = [
    field.name
    for field in Forecast._meta.concrete_fields  # noqa: SLF001 - documented
    if field.name not in NAMES
]


def run_forecasts(run: JobRun) -> Outcome:
    """The job: forecasts of one client or of all that were not made since a moment."""
    since = datetime.fromisoformat(run.arguments["since"])
    client_id = UUID(run.arguments["client"]) if run.arguments["client"] else None
    end = time.monotonic() + TURN_SECONDS
    made, total = 0, 0
    for made, total in make_forecasts(now=read_now(), since=since, client_id=client_id):
        words = {"made": made, "total": total}
        run.report(made / total, gettext("%(made)s of %(total)s forecasts of this turn") % words)
        if time.monotonic() >= end:
            break
    if made < total:
        return Outcome(run.note, is_complete=False)
    forget_forecasts(now=read_now())
    return Outcome(gettext("%(made)s forecasts made in the last turn") % {"made": made})


def make_forecasts(
    *, now: datetime, since: datetime, client_id: UUID | None = None
) -> Iterator[tuple[int, int]]:
    """Makes the forecasts that are older than `since`; yields how many are made, of how many.

    Each group is a transaction of its own, so whoever begins again finds only the rest to do.
    """
    known = Forecast.objects.filter(made_at__gte=since).values_list("source_id", "metric")
    made_before = set(known)
    due = [one for one in list_subjects(now, client_id) if one.name not in made_before]
    made = 0
    for group in split_subjects(due):
        store_forecasts(make_group(group, now))
        made += len(group)
        yield made, len(due)


def split_subjects(subjects: Sequence[Subject]) -> Iterator[list[Subject]]:
    """Those of one metric together, a bounded number at a time."""
    ordered = sorted(subjects, key=lambda one: (one.watched.key, one.is_of_test, one.source_id))
    for _name, same in groupby(ordered, key=lambda one: (one.watched.key, one.is_of_test)):
        group = list(same)
        for first in range(0, len(group), SOURCES_AT_ONCE):
            yield group[first : first + SOURCES_AT_ONCE]


def make_group(subjects: Sequence[Subject], now: datetime) -> list[Forecast]:
    first = subjects[0]
    hours = read_hours(
        [one.source_id for one in subjects],
        first.watched.key,
        now,
        is_of_tests=first.is_of_test,
    )
    return [make_forecast(subject, hours[subject.source_id], now) for subject in subjects]


def make_forecast(subject: Subject, hours: Buckets, now: datetime) -> Forecast:
    """The forecast of those hours, not stored."""
    return Forecast(
        source_id=subject.source_id,
        metric=subject.watched.key,
        made_at=now,
        **foretell_hours(subject, hours, now),
        **foretell_limit(subject, hours, now),
    )


def foretell_hours(subject: Subject, hours: Buckets, now: datetime) -> dict[str, Any]:
    end = floor_moment(now, HOUR_SECONDS)
    grid = build_grid(hours.start, hours.mean, step_seconds=HOUR_SECONDS, end=end.timestamp())
    found = forecast_series(grid, bounds=subject.watched.bounds)
    if isinstance(found, Refused):
        return {
            "refusal": found.reason,
            "count": found.count,
            "needed": found.needed,
            "margin": found.margin,
        }
    newest = datetime.fromtimestamp(float(hours.start.max()), now.tzinfo)
    narrow, wide = (found.bands[level] for level in sorted(found.bands))
    columns = (found.middle, *narrow, *wide)
    names = ("middle", "lower", "upper", "lowest", "highest")
    return {
        **{name: column.tolist() for name, column in zip(names, columns, strict=True)},
        "start_at": newest + timedelta(seconds=HOUR_SECONDS),
        "margin": found.backtest.margin,
        "origins": found.backtest.origins,
    }


def foretell_limit(subject: Subject, hours: Buckets, now: datetime) -> dict[str, Any]:
    if subject.limit is None:
        return {}
    share = subject.watched.day_share
    # Of a disk the fullest moment counts; of what swings, the usual height of a busy hour.
    values = hours.maximum if share == 1 else hours.mean
    daily = gather_days(hours.start, values, end=floor_day(now).timestamp(), share=share)
    found = foresee_limit(daily, subject.limit)
    if isinstance(found, Refused):
        return {
            "limit": subject.limit,
            "limit_refusal": found.reason,
            "days_there": found.count,
            "days_needed": found.needed,
        }
    return {"limit": subject.limit, **describe_outlook(found, now)}


def describe_outlook(found: Outlook, now: datetime) -> dict[str, Any]:
    days = (found.days, found.days_low, found.days_high)
    names = ("full_at", "full_soonest_at", "full_latest_at")
    return {
        "verdict": found.verdict,
        "level": found.level,
        "growth": found.growth,
        "growth_low": found.growth_low,
        "growth_high": found.growth_high,
        "used_days": found.used_days,
        **{
            name: None if count is None else now + timedelta(days=count)
            for name, count in zip(names, days, strict=True)
        },
    }


def store_forecasts(forecasts: Sequence[Forecast]) -> None:
    """Puts the forecasts in the place of those before; of sources that are gone there are none."""
    with transaction.atomic():
        ids = [one.source_id for one in forecasts]
        there = set(
            Source.objects.select_for_update(no_key=True)
            .filter(id__in=ids)
            .order_by("id")
            .values_list("id", flat=True)
        )
        Forecast.objects.bulk_create(
            [one for one in forecasts if one.source_id in there],
            update_conflicts=True,
            unique_fields=["source", "metric"],
            update_fields=FIELDS,
        )


def forget_forecasts(*, now: datetime) -> int:
    """How many forecasts went that nobody has renewed for three days."""
    count, _by_model = Forecast.objects.filter(made_at__lt=now - KEPT).delete()
    return count
