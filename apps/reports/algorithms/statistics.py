"""What a difference between two times is worth: shares, counts, courses and trends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
DAY_SECONDS = 86_400
DAYS, HOURS = 7, 24
# Two-sided, 95 %.
NORMAL_95 = 1.959964
EXACT_UP_TO = 2_000
MOST_POINTS = 400
LEAST_POINTS = 4
MAD_TO_DEVIATION = 1.4826
SMALLEST_SPREAD_RATIO = 0.01
LEAST_VALUES = 6


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `total` succeeded; `low` and `high` bound the share by 95 %.

    The share is of successes, or of their weight where tries weigh unlike.
    """

    successes: int
    total: int
    share: float
    low: float
    high: float


def measure_share(successes: int, total: int) -> Share | None:
    """The share with Wilson's interval (Wilson 1927); None of nothing.

    Raises: ValueError when there are more successes than there were tries, or fewer than none.
    """
    return measure_weighted_share([(successes, total, 1.0)])


def measure_weighted_share(groups: Sequence[tuple[int, int, float]]) -> Share | None:
    """The share of all groups (successes, total, weight of each try) together; None of nothing.

    Tries of unlike weight bound it as so many even ones as Kish (1965) counts for them.
    Raises: ValueError when there are more successes than there were tries, or fewer than none, or
    for a weight that is not positive.
    """
    if not all(0 <= successes <= total and weight > 0 for successes, total, weight in groups):
        raise ValueError("successes must be from 0 to the total, and weights positive")
    weighed = sum(total * weight for _successes, total, weight in groups)
    if not weighed:
        return None
    share = sum(successes * weight for successes, _total, weight in groups) / weighed
    even_tries = weighed**2 / sum(total * weight**2 for _successes, total, weight in groups)
    low, high = bound_share(share, even_tries)
    successes = sum(successes for successes, _total, _weight in groups)
    return Share(successes, sum(total for _successes, total, _weight in groups), share, low, high)


def bound_share(share: float, total: float) -> tuple[float, float]:
    square = NORMAL_95**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total**2)
    half = NORMAL_95 * math.sqrt(spread) / (1 + square / total)
    # Rounding must not lead past the share itself, nor out of 0 to 1.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def compare_shares(now: tuple[int, int], before: tuple[int, int]) -> float | None:
    """How probable such a difference of two shares (successes, total) is by chance alone, 0 to 1.

    Fisher's exact test, two-sided, up to 2,000 tries together; beyond it the test of two
    proportions. None when one of them is of nothing.
    """
    (first, first_total), (second, second_total) = now, before
    if not first_total or not second_total:
        return None
    total, successes = first_total + second_total, first + second
    if total <= EXACT_UP_TO:
        return compute_fisher(first, first_total, successes, total)
    pooled = successes / total
    spread = math.sqrt(pooled * (1 - pooled) * (1 / first_total + 1 / second_total))
    if spread == 0:
        return 1.0
    return math.erfc(abs(first / first_total - second / second_total) / spread / math.sqrt(2))


def compute_fisher(first: int, first_total: int, successes: int, total: int) -> float:
    lowest, highest = max(0, successes - (total - first_total)), min(successes, first_total)
    ways = [
        log_ways(first_total, k) + log_ways(total - first_total, successes - k)
        for k in range(lowest, highest + 1)
    ]
    return sum_as_rare(ways, first - lowest)


def compare_counts(now: int, before: int, *, span_ratio: float = 1.0) -> float | None:
    """How probable two counts so far apart are by chance alone, when events come at one pace.

    `span_ratio` is how much longer the first span was. Given the sum, the first count is binomial
    (Przyborowski and Wilenski 1940); exact up to 2,000 events, else by the normal. None of no
    events at all.
    Raises: ValueError for a negative count, or a ratio that is not positive.
    """
    if min(now, before) < 0 or span_ratio <= 0:
        raise ValueError("counts must not be negative, and the ratio must be positive")
    total = now + before
    if not total:
        return None
    share = span_ratio / (1 + span_ratio)
    if total > EXACT_UP_TO:
        spread = math.sqrt(total * share * (1 - share))
        return math.erfc(abs(now - total * share) / spread / math.sqrt(2))
    ways = [
        log_ways(total, k) + k * math.log(share) + (total - k) * math.log1p(-share)
        for k in range(total + 1)
    ]
    return sum_as_rare(ways, now)


def log_ways(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def sum_as_rare(logs: Sequence[float], place: int) -> float:
    """The probability of whatever is at most as probable as what stands at `place`."""
    weights = np.exp(np.array(logs) - max(logs))
    # Equally probable outcomes differ by rounding.
    is_rare = weights <= weights[place] * (1 + 1e-7)
    return min(1.0, float(weights[is_rare].sum() / weights.sum()))


@dataclass(frozen=True, slots=True)
class Trend:
    """The change a day; `low` and `high` bound it by 95 %. It is clear when they have one sign."""

    per_day: float
    low: float
    high: float
    points: int

    @property
    def is_clear(self) -> bool:
        return self.low > 0 or self.high < 0


def find_trend(at: Numbers, values: Numbers) -> Trend | None:
    """The median of the slopes between any two values, with its interval (Theil 1950, Sen 1968).

    `at` is Unix seconds in rising order. More than 400 values are first averaged in equal groups;
    None for fewer than four.
    Raises: ValueError when the lengths differ.
    """
    if at.shape != values.shape:
        raise ValueError("at and values must be equally long")
    if len(at) > MOST_POINTS:
        at = np.array([part.mean() for part in np.array_split(at, MOST_POINTS)])
        values = np.array([part.mean() for part in np.array_split(values, MOST_POINTS)])
    count = len(at)
    if count < LEAST_POINTS:
        return None
    earlier, later = np.triu_indices(count, 1)
    days = (at[later] - at[earlier]) / DAY_SECONDS
    slopes = np.sort((values[later] - values[earlier])[days > 0] / days[days > 0])
    if not len(slopes):
        return None
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    half = NORMAL_95 * spread
    low = max(int((len(slopes) - half) / 2), 0)
    high = min(math.ceil((len(slopes) + half) / 2), len(slopes) - 1)
    return Trend(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), count)


@dataclass(frozen=True, slots=True)
class Effect:
    """Two courses by their medians; `size` is their distance in the usual spread within each.

    `dominance` is from -1 to 1: how much more often a value now is above one before than below it
    (Cliff 1993).
    """

    now: float
    before: float
    size: float
    dominance: float


def measure_effect(now: Numbers, before: Numbers) -> Effect | None:
    """How far the values have moved, beside how far they move anyway; None for fewer than six each.

    The spread is that of the median distances from the median, and at least a hundredth of the
    earlier median, so that what hardly moves at all does not count for much.
    """
    if min(len(now), len(before)) < LEAST_VALUES:
        return None
    middle, earlier = float(np.median(now)), float(np.median(before))
    spreads = [
        float(np.median(np.abs(values - np.median(values)))) * MAD_TO_DEVIATION
        for values in (now, before)
    ]
    spread = math.hypot(*spreads) / math.sqrt(2)
    spread = max(spread, SMALLEST_SPREAD_RATIO * abs(earlier), np.finfo(np.float64).tiny)
    ordered = np.sort(before)
    below = np.searchsorted(ordered, now, side="left")
    above = len(ordered) - np.searchsorted(ordered, now, side="right")
    dominance = float((below - above).mean() / len(ordered))
    return Effect(middle, earlier, (middle - earlier) / spread, dominance)


def fold_week(at: Numbers, values: Numbers, zone: ZoneInfo) -> tuple[Numbers, Numbers]:
    """The mean by weekday (Monday first) and hour of the day in that zone, and how many values.

    `at` is Unix seconds. Both tables are 7 by 24; a mean is NaN where there is no value.
    Raises: ValueError when the lengths differ.
    """
    if at.shape != values.shape:
        raise ValueError("at and values must be equally long")
    moments = [datetime.fromtimestamp(second, zone) for second in at.tolist()]
    place = np.array([one.weekday() * HOURS + one.hour for one in moments], dtype=np.int64)
    count = np.bincount(place, minlength=DAYS * HOURS).astype(np.float64)
    total = np.bincount(place, weights=values, minlength=DAYS * HOURS)
    mean = np.divide(total, count, out=np.full(DAYS * HOURS, np.nan), where=count > 0)
    return mean.reshape(DAYS, HOURS), count.reshape(DAYS, HOURS)


def compute_ratio(now: float | None, before: float | None) -> float | None:
    """(now - before) / |before|; None when one is missing or the earlier is 0."""
    if now is None or before is None or before == 0:
        return None
    return (now - before) / abs(before)
