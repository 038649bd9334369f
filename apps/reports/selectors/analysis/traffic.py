"""How much the clients' links carried: the trend, the peak, the busiest hours of the week."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from apps.metrics.algorithms.series import Buckets, Numbers
from apps.metrics.algorithms.tiers import DAY_SECONDS
from apps.metrics.selectors import read_many
from apps.reports.algorithms.statistics import Trend, compute_ratio, find_trend, fold_week
from apps.reports.selectors.analysis.question import Period, Question
from apps.reports.selectors.links import list_links

RATE_KEY = "system.network.io.rate{{direction={}}}"
DIRECTIONS = ("receive", "transmit")
LISTED = 5
DAYS_FOR_DAILY_TREND = 8


@dataclass(frozen=True, slots=True)
class ClientRate:
    """What the links of one client carried."""

    name: str
    bits_per_second: float


@dataclass(frozen=True, slots=True)
class Peak:
    """When all links together carried most (mean of a bucket, bit/s), and whose they were."""

    at: datetime
    bits_per_second: float
    clients: tuple[ClientRate, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """One direction of all the clients' links together, in bit/s.

    `week` is the mean by weekday (Monday first) and hour in the question's zone, None where
    nothing was measured. `change` is against the period before.
    """

    direction: str
    step_seconds: int
    links: int
    mean: float | None
    before: float | None
    change: float | None
    peak: Peak | None
    trend: Trend | None
    week: tuple[tuple[float | None, ...], ...]

    @property
    def has_values(self) -> bool:
        return self.mean is not None


def read_traffic(question: Question) -> list[Traffic]:
    """Received and sent. A few queries for each, however many links there are."""
    links = list_links(question.select_clients()).order_by("id")
    owners = dict(links.values_list("id", "client__name"))
    return [describe_direction(question, owners, direction) for direction in DIRECTIONS]


def describe_direction(question: Question, owners: Mapping[int, str], direction: str) -> Traffic:
    period = question.period
    parts, step = read_parts(owners, direction, period)
    earlier, _step = read_parts(owners, direction, period.previous)
    at, total = add_up(parts)
    mean, before = average(total), average(add_up(earlier)[1])
    week, _count = fold_week(at, total, question.zone)
    return Traffic(
        direction=direction,
        step_seconds=step,
        links=sum(len(one.start) > 0 for one in parts.values()),
        mean=mean,
        before=before,
        change=compute_ratio(mean, before),
        peak=find_peak(parts, owners, at, total),
        trend=find_trend(*take_days(at, total, period)),
        week=tuple(tuple(None if np.isnan(one) else one for one in row) for row in week.tolist()),
    )


def read_parts(
    owners: Mapping[int, str], direction: str, period: Period
) -> tuple[dict[int, Buckets], int]:
    many = read_many(
        source_ids=list(owners),
        key=RATE_KEY.format(direction),
        start=period.start,
        end=period.end,
    )
    steps = {"5m": 300, "1h": 3600, "1d": DAY_SECONDS}
    return many.parts, steps[many.tier]


def add_up(parts: Mapping[int, Buckets]) -> tuple[Numbers, Numbers]:
    """Unix seconds of the buckets in which anything was measured, and what all carried together.

    A link that was not measured in a bucket adds nothing to it.
    """
    starts = [one.start for one in parts.values() if len(one.start)]
    if not starts:
        return np.empty(0), np.empty(0)
    at, place = np.unique(np.concatenate(starts), return_inverse=True)
    means = np.concatenate([one.mean for one in parts.values() if len(one.start)])
    total: Numbers = np.bincount(place, weights=means, minlength=len(at)).astype(np.float64)
    return at, total


def average(total: Numbers) -> float | None:
    return float(total.mean()) if len(total) else None


def find_peak(
    parts: Mapping[int, Buckets], owners: Mapping[int, str], at: Numbers, total: Numbers
) -> Peak | None:
    if not len(total):
        return None
    place = int(np.argmax(total))
    shares: dict[str, float] = {}
    for source_id, one in parts.items():
        for mean in one.mean[one.start == at[place]].tolist():
            name = owners[source_id]
            shares[name] = shares.get(name, 0.0) + mean
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:LISTED]
    clients = tuple(ClientRate(name, rate) for name, rate in ranked)
    moment = datetime.fromtimestamp(float(at[place]), UTC)
    return Peak(moment, float(total[place]), clients)


def take_days(at: Numbers, total: Numbers, period: Period) -> tuple[Numbers, Numbers]:
    """The means of the days of a long period, whose hours rise and fall each day; else as it is."""
    if period.length.days < DAYS_FOR_DAILY_TREND or not len(at):
        return at, total
    # Days counted from the end, so that no day is a part of one.
    day = np.floor((period.end.timestamp() - at - 1) / DAY_SECONDS).astype(np.int64)
    numbers, place = np.unique(day, return_inverse=True)
    means = np.bincount(place, weights=total) / np.bincount(place)
    middle: Numbers = period.end.timestamp() - (numbers.astype(np.float64) + 0.5) * DAY_SECONDS
    return middle[::-1], means[::-1]
