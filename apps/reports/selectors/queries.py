"""Answers to instant and range queries, as Prometheus gives them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from apps.accounts.policy import AnyUser
from apps.core.errors import FieldError, Invalid
from apps.metrics.selectors import MAXIMUM_POINTS, Series, read_latest_of_sources, read_ranges
from apps.reports.algorithms.holding import Numbers, hold_values
from apps.reports.algorithms.plain_selectors import Selector
from apps.reports.selectors.exposed import ExposedSeries, Labels, iterate_series, take_series

# As long as in Prometheus: what is older says nothing of now.
LOOKBACK = timedelta(minutes=5)
MOST_STEPS = 11_000
MOST_SERIES = 20_000
MOST_SERIES_OF_RANGE = 2_000
MOST_VALUES = 1_000_000
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A series with the moments (Unix seconds) at which it has a value, and those values."""

    labels: Labels
    at: Numbers
    values: Numbers


def read_instant(user: AnyUser, selector: Selector, at: datetime) -> list[Answer]:
    """The newest value of each series within the five minutes until `at`.

    Raises: Invalid when there are more than 20,000 series.
    """
    series = take_series(user, [selector], most=MOST_SERIES, since=at - LOOKBACK)
    if series is None:
        raise refuse_many(MOST_SERIES)
    latest = read_latest_of_sources(list({one.source.source_id for one in series}))
    moment = np.array([at.timestamp()])
    found, before = [], []
    for one in series:
        newest = latest.get(one.source.source_id)
        if newest is None or newest.at > at:
            before.append(one)
        elif newest.at > at - LOOKBACK and one.key in newest.values:
            value = np.array([newest.values[one.key]]) * one.factor
            found.append(Answer(one.labels, moment, value))
    span = (at - LOOKBACK, at)
    # What a source measured since is not of that moment.
    found += hold_series(before, read_columns(before, span, MAXIMUM_POINTS), moment)
    return found


def read_steps(
    user: AnyUser, selector: Selector, *, start: datetime, end: datetime, step: timedelta
) -> list[Answer]:
    """The values at `start`, `start` + `step` and so on until `end`, of each series that has any.

    While single values are kept and few enough, the newest within five minutes; else the mean of
    the bucket that ended last, and of a counter the greatest count in it.
    Raises: Invalid naming the limit that the query breaks: 11,000 steps, 2,000 series, a million
    values.
    """
    count = count_steps(start, end, step)
    most = min(MOST_SERIES_OF_RANGE, MOST_VALUES // count)
    series = take_series(user, [selector], most=most, since=start - LOOKBACK)
    if series is None:
        raise refuse_many(most)
    moments = start.timestamp() + np.arange(count, dtype=np.float64) * step.total_seconds()
    points = min(2 * count + 2, MAXIMUM_POINTS)
    return list(hold_series(series, read_columns(series, (start - LOOKBACK, end), points), moments))


def count_steps(start: datetime, end: datetime, step: timedelta) -> int:
    if end < start:
        raise Invalid([FieldError("end", "out_of_range", "must not be before start")])
    if step <= timedelta(0):
        raise Invalid([FieldError("step", "out_of_range", "must be positive")])
    count = (end - start) // step + 1
    if count > MOST_STEPS:
        detail = f"gives {count} points a series; {MOST_STEPS} are the limit, so take a longer step"
        raise Invalid([FieldError("step", "out_of_range", detail)])
    return count


def refuse_many(most: int) -> Invalid:
    detail = f"means more than {most} series; narrow it, or take a longer step"
    return Invalid([FieldError("query", "too_many", detail)])


def read_columns(
    series: Sequence[ExposedSeries], span: tuple[datetime, datetime], points: int
) -> Mapping[tuple[int, str], Series]:
    """The numbers by source and key; those of one key together."""
    by_key: dict[str, list[int]] = defaultdict(list)
    for one in series:
        by_key[one.key].append(one.source.source_id)
    found: dict[tuple[int, str], Series] = {}
    start, end = span
    for key, ids in by_key.items():
        read = read_ranges(source_ids=ids, key=key, start=start, end=end + INSTANT, points=points)
        found |= {(source_id, key): numbers for source_id, numbers in read.items()}
    return found


def hold_series(
    series: Sequence[ExposedSeries],
    columns: Mapping[tuple[int, str], Series],
    moments: Numbers,
) -> Iterator[Answer]:
    for one in series:
        numbers = columns.get((one.source.source_id, one.key))
        if numbers is None or not numbers.at:
            continue
        is_counter = one.metric.kind == "counter"
        values = np.array(numbers.maximum if is_counter else numbers.mean)
        # A bucket speaks of the time before its end, and the last one of what there is of it.
        at = np.array(numbers.at) + numbers.step_seconds
        at = np.minimum(at, moments[-1]) if numbers.step_seconds else at
        hold = max(LOOKBACK.total_seconds(), numbers.step_seconds)
        held_at, held = hold_values(at, values, moments, hold)
        if len(held_at):
            yield Answer(one.labels, held_at, held * one.factor)


def read_label_values(
    user: AnyUser, selectors: Sequence[Selector], label: str, *, since: datetime | None
) -> list[str]:
    """The values that the label has in the series of the selectors, each once, in order."""
    found = {
        series.labels.get(label, "") for series in iterate_series(user, selectors, since=since)
    }
    return sorted(found - {""})


def read_labels(
    user: AnyUser, selectors: Sequence[Selector], *, since: datetime | None
) -> list[str]:
    """The labels that the series of the selectors have, each once, in order."""
    return sorted(
        {
            label
            for series in iterate_series(user, selectors, since=since)
            for label in series.labels
        }
    )


def list_series(
    user: AnyUser, selectors: Sequence[Selector], *, since: datetime | None
) -> list[Labels]:
    """The labels of each series of the selectors.

    Raises: Invalid when there are more than 20,000.
    """
    series = take_series(user, selectors, most=MOST_SERIES, since=since)
    if series is None:
        raise refuse_many(MOST_SERIES)
    return [one.labels for one in series]
