"""Reading one metric of many sources at once, over the same buckets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from apps.core.buckets import choose_step_seconds
from apps.metrics.algorithms.grids import Grid, average_groups, build_grid
from apps.metrics.algorithms.series import Buckets, Numbers, join_buckets
from apps.metrics.algorithms.tiers import (
    DAY_SECONDS,
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    HOURS_PER_WEEK,
    TIER_NAMES,
)
from apps.metrics.selectors.series import Plan, check_range, gather_parts

# Five minutes of longer spans would be too many rows to read for a page.
LONGEST_BY_FIVE_MINUTES = timedelta(days=2)
LONGEST_BY_HOURS = timedelta(days=400)
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class ManyHours:
    """The kept buckets of one metric by source, maybe without percentiles (NaN).

    `tier` is 5m, 1h or 1d.
    """

    tier: str
    start: datetime
    end: datetime
    parts: dict[int, Buckets]

    @property
    def bucket_count(self) -> int:
        return sum(len(parts.start) for parts in self.parts.values())

    def cut(self, points: int) -> Grid:
        """The sources, in their order, over at most `points` buckets each."""
        tier_seconds = choose_tier(self.start, self.end)
        step = max(choose_step_seconds(self.start, self.end, points), tier_seconds)
        first = self.start.timestamp() // step * step
        width = int(-((first - self.end.timestamp()) // step))
        return build_grid(list(self.parts.values()), first, width, step)

    def average_by_hour(self, step_seconds: int, zone: ZoneInfo) -> tuple[Numbers, Numbers]:
        """When in the day what is usual: a row for each hour of the day in that zone.

        Also Unix seconds of the begins of the columns, of `step_seconds` each, a multiple of a day.
        NaN where nothing was measured. Only of hours: a day has no time of day.
        """
        whole = join_buckets(list(self.parts.values()))
        first = self.start.timestamp() // step_seconds * step_seconds
        width = int(-((first - self.end.timestamp()) // step_seconds))
        # Each hour of the range is looked up once, and not for each source.
        place = ((whole.start - first) // HOUR_SECONDS).astype(np.int64)
        moments = first + np.arange(width * step_seconds // HOUR_SECONDS) * HOUR_SECONDS
        hour = np.array([datetime.fromtimestamp(at, zone).hour for at in moments.tolist()])
        column = np.arange(len(moments)) * HOUR_SECONDS // step_seconds
        means = average_groups((hour * width + column)[place], whole, HOURS_PER_DAY * width)
        begins = first + np.arange(width, dtype=np.float64) * step_seconds
        return begins, means.reshape(HOURS_PER_DAY, width)


def read_many(*, source_ids: Sequence[int], key: str, start: datetime, end: datetime) -> ManyHours:
    """Every hour of `key` of the sources in [start, end).

    Up to two days come by five minutes, and more than 400 by days.

    The newest hours, which are not kept yet, come from the frames. In as many queries as for one.
    Raises: Invalid when the range is empty.
    """
    question = check_range(key, start, end, points=HOURS_PER_WEEK)
    tier_seconds = choose_tier(start, end)
    plan = Plan(tier_seconds, tier_seconds)
    parts = gather_parts(list(source_ids), question, plan, is_brief=True)
    return ManyHours(TIER_NAMES[tier_seconds], start, end, parts)


def choose_tier(start: datetime, end: datetime) -> int:
    if end - start <= LONGEST_BY_FIVE_MINUTES:
        return FIVE_MINUTES_SECONDS
    return HOUR_SECONDS if end - start <= LONGEST_BY_HOURS else DAY_SECONDS
