"""What history costs, as the storage page tells it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise

from apps.configuration.definitions import BY_NAME
from apps.metrics.selectors import Storage, Tier

WARNING_DAYS = 14
# Of the drawn bar, which has its own unit: thousandths of the whole.
BAR_UNITS = 1000
LEAST_PART_UNITS = 4
RETENTION_SETTINGS = {
    "raw": "raw_retention_days",
    "5m": "five_minute_retention_days",
    "1h": "hour_retention_days",
    "1d": "day_retention_days",
    "results": "result_retention_days",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A tier with its share of all tiers, and its place in the bar; `tone` is its colour."""

    tier: Tier
    share: float
    tone: int
    begins_at: int
    width: int
    setting_group: str


@dataclass(frozen=True, slots=True)
class StorageView:
    """`days_left` and `reason` as in `Storage`; `standing` is good, warning, bad or idle."""

    parts: tuple[Part, ...]
    row_total: int
    byte_total: int
    database_bytes: int
    free_bytes: int | None
    bytes_per_day: float | None
    days_left: float | None
    reason: str | Promise
    standing: str
    oldest_at: datetime | None

    @property
    def whole_days_left(self) -> int | None:
        return None if self.days_left is None else int(self.days_left)

    @property
    def bar_units(self) -> int:
        return sum(part.width for part in self.parts)


def describe_storage(storage: Storage) -> StorageView:
    oldest = [tier.oldest_at for tier in storage.tiers if tier.oldest_at is not None]
    return StorageView(
        parts=tuple(build_parts(storage.tiers)),
        row_total=sum(tier.rows for tier in storage.tiers),
        byte_total=sum(tier.bytes for tier in storage.tiers),
        database_bytes=storage.database_bytes,
        free_bytes=storage.free_bytes,
        bytes_per_day=storage.bytes_per_day,
        days_left=storage.days_left,
        reason=storage.reason,
        standing=judge(storage),
        oldest_at=min(oldest, default=None),
    )


def judge(storage: Storage) -> str:
    """Whether the disk lasts: warning below 14 days, bad below one, idle when nobody can tell."""
    if storage.days_left is None:
        return "idle"
    if storage.days_left < 1:
        return "bad"
    return "warning" if storage.days_left < WARNING_DAYS else "good"


def build_parts(tiers: tuple[Tier, ...]) -> list[Part]:
    total = sum(tier.bytes for tier in tiers)
    parts = []
    begins_at = 0
    for tone, tier in enumerate(tiers, start=1):
        share = tier.bytes / total if total else 0.0
        # What there is can be seen, however small.
        width = max(round(share * BAR_UNITS), LEAST_PART_UNITS if tier.bytes else 0)
        parts.append(Part(tier, share, tone, begins_at, width, find_group(tier)))
        begins_at += width
    return parts


def find_group(tier: Tier) -> str:
    """The group of settings that says how long the tier is kept; empty when none does."""
    definition = BY_NAME.get(RETENTION_SETTINGS.get(tier.name, ""))
    return definition.group if definition else ""
