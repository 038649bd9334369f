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
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    HOURS_PER_WEEK,
    TIER_NAMES,
)
from apps.metrics.selectors.series import Plan, check_range, gather_parts

# Five minutes of longer spans would be too many rows to read for a page.
LONGEST_BY_FIVE_MINUTES = timedelta(days=2)
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class ManyHours:
    """The kept buckets of one metric by source; `tier` is 5m or 1h and says which they are."""

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
        NaN where nothing was measured.
        """
        whole = join_buckets(list(self.parts.values()))
        first = self.start.timestamp() // step_seconds * step_seconds
        width = int(-((first - self.end.timestamp()) // step_seconds))
        column = ((whole.start - first) // step_seconds).astype(np.int64)
        moments, place = np.unique(whole.start, return_inverse=True)
        hours = [datetime.fromtimestamp(moment, zone).hour for moment in moments.tolist()]
        hour = np.array(hours, dtype=np.int64)[place]
        means = average_groups(hour * width + column, whole, HOURS_PER_DAY * width)
        begins = first + np.arange(width) * float(step_seconds)
        return begins, means.reshape(HOURS_PER_DAY, width)


def read_many(
    *, source_ids: Sequence[int], key: str, start: datetime, end: datetime
) -> ManyHours:
    """Every hour of `key` of the sources in [start, end), or every five minutes of two days.

    The newest hours, which are not kept yet, come from the frames. In as many queries as for one.
    Raises: Invalid when the range is empty.
    """
    question = check_range(key, start, end, points=HOURS_PER_WEEK)
    tier_seconds = choose_tier(start, end)
    parts = gather_parts(list(source_ids), question, Plan(tier_seconds, tier_seconds))
    return ManyHours(TIER_NAMES[tier_seconds], start, end, parts)


def choose_tier(start: datetime, end: datetime) -> int:
    return FIVE_MINUTES_SECONDS if end - start <= LONGEST_BY_FIVE_MINUTES else HOUR_SECONDS
