"""How much disk the history uses, how fast it grows and how long the disk lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.configuration.selectors import read_settings
from apps.metrics.algorithms.growth import Growth, forecast_days_left
from apps.metrics.algorithms.tiers import DAY_SECONDS, FIVE_MINUTES_SECONDS, HOUR_SECONDS
from apps.metrics.selectors import sizes

CACHE_NAME = "metrics:storage"
CACHE_SECONDS = 60
# Sooner nothing sensible can be said about a day.
SPAN_AT_LEAST = timedelta(hours=6)
BATCHES_KEPT_DAYS = 8


@dataclass(frozen=True, slots=True)
class Tier:
    """A part of what is stored; `rows` and `bytes` are estimates of the database's.

    `bytes_per_day` is what it has grown by a day since `oldest_at`; None in its first six hours.
    """

    name: str
    title: str | Promise
    step_seconds: int
    rows: int
    bytes: int
    oldest_at: datetime | None
    newest_at: datetime | None
    kept_days: int
    bytes_per_day: float | None


@dataclass(frozen=True, slots=True)
class Storage:
    """All tiers, the database and its disk.

    `bytes_per_day` is the growth until the tiers are as old as they are kept. `days_left` is None
    when that cannot be said or the disk lasts for ever, and `reason` says which; `free_bytes` is
    None when the disk of the database cannot be seen from here.
    """

    tiers: tuple[Tier, ...]
    database_bytes: int
    free_bytes: int | None
    bytes_per_day: float | None
    days_left: float | None
    reason: str | Promise


@dataclass(frozen=True, slots=True)
class Kept:
    """What makes a tier, and the setting that says how many days it is kept."""

    name: str
    title: str | Promise
    step_seconds: int = 0
    setting: str = ""


KEPT = (
    Kept("raw", _("Measured values"), 0, "raw_retention_days"),
    Kept("5m", _("Five-minute history"), FIVE_MINUTES_SECONDS, "five_minute_retention_days"),
    Kept("1h", _("Hourly history"), HOUR_SECONDS, "hour_retention_days"),
    Kept("1d", _("Daily history"), DAY_SECONDS, "day_retention_days"),
    Kept("results", _("Runs and results"), 0, "result_retention_days"),
    Kept("other", _("Everything else")),
)


def read_storage(now: datetime) -> Storage:
    """What is stored, as it was at most a minute ago; cheap on large databases."""
    known: Storage | None = cache.get(CACHE_NAME)
    if known is None:
        known = measure_storage(now)
        cache.set(CACHE_NAME, known, CACHE_SECONDS)
    return known


def measure_storage(now: datetime) -> Storage:
    days = read_settings([kept.setting for kept in KEPT if kept.setting])
    extents = sizes.measure_extents()
    tiers = tuple(
        describe_tier(kept, extents[kept.name], int(str(days.get(kept.setting, BATCHES_KEPT_DAYS))))
        for kept in KEPT
    )
    database_bytes, free_bytes = sizes.measure_database(), sizes.measure_free()
    days_left, reason = forecast(tiers, free_bytes, now)
    growing = [tier.bytes_per_day for tier in tiers if tier.bytes_per_day is not None]
    return Storage(
        tiers=tiers,
        database_bytes=database_bytes,
        free_bytes=free_bytes,
        bytes_per_day=sum(growing) if growing else None,
        days_left=days_left,
        reason=reason,
    )


def describe_tier(kept: Kept, extent: sizes.Extent, kept_days: int) -> Tier:
    return Tier(
        name=kept.name,
        title=kept.title,
        step_seconds=kept.step_seconds,
        rows=extent.rows,
        bytes=extent.bytes,
        oldest_at=extent.oldest_at,
        newest_at=extent.newest_at,
        kept_days=kept_days,
        bytes_per_day=compute_pace(extent, kept.step_seconds),
    )


def compute_pace(extent: sizes.Extent, step_seconds: int) -> float | None:
    if extent.oldest_at is None or extent.newest_at is None:
        return None
    span = extent.newest_at - extent.oldest_at + timedelta(seconds=step_seconds)
    return extent.bytes / (span / timedelta(days=1)) if span >= SPAN_AT_LEAST else None


def forecast(
    tiers: Sequence[Tier], free_bytes: int | None, now: datetime
) -> tuple[float | None, str | Promise]:
    """The days left, or None and why."""
    if free_bytes is None:
        return None, _("The database's disk cannot be seen from this server.")
    growths = [
        Growth(
            tier.bytes_per_day,
            tier.kept_days - (now - tier.oldest_at) / timedelta(days=1),
        )
        for tier in tiers
        if tier.bytes_per_day is not None and tier.oldest_at is not None
    ]
    if not growths:
        return None, _("There is too little history to say; six hours are enough.")
    days_left = forecast_days_left(growths, free_bytes)
    if days_left is None:
        return None, _("All that will be kept fits on the disk.")
    return days_left, ""
