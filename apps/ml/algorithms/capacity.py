"""When something that fills will be full, by how it has grown since it was last emptied."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.forecast.grid import Numbers, Refusal, Refused, fill_gaps

DAY_SECONDS = 86_400
LEAST_DAYS = 8
MOST_DAYS = 60
LONGEST_DAYS = 365.0
# A day's change so many times as far from the usual one as half of all changes is a step.
STEP_SPREADS = 6.0
BLOCK_DAYS = 7
REPETITIONS = 300
LEVEL = 0.8


class Verdict(StrEnum):
    """What is to be said of a limit."""

    REACHED = "reached"
    GROWING = "growing"
    BEYOND = "beyond"
    NOT_GROWING = "not_growing"


@dataclass(frozen=True, slots=True)
class Outlook:
    """How fast a value grows, and after how many days it reaches its limit.

    `level` is where it stands by its trend, `growth` its change a day with the bounds of an 80 %
    interval; `days` and its bounds are at most 365, and None of what does not grow. `used_days` is
    how many days the growth was read from, those since the last step.
    """

    verdict: Verdict
    level: float
    growth: float
    growth_low: float
    growth_high: float
    used_days: int
    days: float | None = None
    days_low: float | None = None
    days_high: float | None = None


def foresee_limit(daily: Numbers, limit: float, *, seed: int = 0) -> Outlook | Refused:
    """When the value reaches `limit` from below, or why that cannot be said.

    `daily` is one value a day, oldest first, NaN where nothing was measured; the last 60 count.
    The growth is the median of all slopes between two days (Theil-Sen) after the last step. Its
    interval is that of 300 histories made of blocks of seven days' changes (circular block
    bootstrap, Politis and Romano 1992), chosen by `seed`: the same values always give the same.
    It is "not growing" when the interval holds 0. Fewer than 8 days are refused.
    """
    measured = np.flatnonzero(np.isfinite(daily))
    recent = daily[measured[0] : measured[-1] + 1][-MOST_DAYS:] if len(measured) else daily[:0]
    is_known = np.isfinite(recent)
    count = int(is_known.sum())
    if count < LEAST_DAYS:
        return Refused(Refusal.TOO_SHORT if count else Refusal.EMPTY, count, LEAST_DAYS)
    whole = fill_gaps(np.where(is_known, recent, np.nan))
    used = cut_after_step(whole)
    growth = float(find_growth(used[None, :])[0])
    level = find_level(used, growth)
    low, high = (float(edge) for edge in find_growth_bounds(used, seed))
    verdict, days = judge(limit - level, growth, low, high)
    return Outlook(
        verdict=verdict,
        level=level,
        growth=growth,
        growth_low=min(low, growth),
        growth_high=max(high, growth),
        used_days=len(used),
        days=days[0],
        days_low=days[1],
        days_high=days[2],
    )


def gather_days(at: Numbers, hourly: Numbers, *, end: float, share: float) -> Numbers:
    """One value for each UTC day up to the last one before `end`; NaN for a day without hours.

    `at` is the begin of each hour in Unix seconds. A day's value is that at `share` (0 to 1) of
    its sorted hours: 1 is the highest.
    """
    is_known = np.isfinite(hourly) & (at < end)
    if not is_known.any():
        return np.empty(0)
    day = np.floor(at[is_known] / DAY_SECONDS).astype(np.int64)
    values = hourly[is_known]
    daily = np.full(int(day.max() - day.min()) + 1, np.nan)
    for number in np.unique(day):
        daily[number - day.min()] = np.quantile(values[day == number], share)
    return daily


def judge(
    room: float, growth: float, low: float, high: float
) -> tuple[Verdict, tuple[float | None, float | None, float | None]]:
    """The verdict, and the days until `room` is used: expected, soonest, latest."""
    if room <= 0:
        return Verdict.REACHED, (0.0, 0.0, 0.0)
    if low <= 0 or growth <= 0:
        return Verdict.NOT_GROWING, (None, None, None)
    days = tuple(min(room / pace, LONGEST_DAYS) for pace in (growth, max(high, growth), low))
    expected, soonest, latest = days[0], days[1], max(days[0], days[2])
    verdict = Verdict.GROWING if expected < LONGEST_DAYS else Verdict.BEYOND
    return verdict, (expected, soonest, latest)


def cut_after_step(daily: Numbers) -> Numbers:
    """The days since the last step up or down, at least the last eight.

    A step is a change of more than six median distances from the median change; values most of
    whose changes are equal have none.
    """
    changes = np.diff(daily)
    distances = np.abs(changes - np.median(changes))
    spread = float(np.median(distances))
    steps = np.flatnonzero(distances > STEP_SPREADS * spread) if spread > 0 else np.empty(0, int)
    usable = steps[steps + 1 <= len(daily) - LEAST_DAYS]
    return daily[usable[-1] + 1 :] if len(usable) else daily


def find_growth(histories: NDArray[np.float64]) -> Numbers:
    """The median slope a day between any two days of each row."""
    earlier, later = np.triu_indices(histories.shape[1], 1)
    slopes = (histories[:, later] - histories[:, earlier]) / (later - earlier)
    growth: Numbers = np.median(slopes, axis=1)
    return growth


def find_level(daily: Numbers, growth: float) -> float:
    """Where the trend stands on the last day."""
    since = np.arange(len(daily)) - (len(daily) - 1)
    return float(np.median(daily - growth * since))


def find_growth_bounds(daily: Numbers, seed: int) -> Numbers:
    """The bounds of the 80 % interval of the growth."""
    changes = np.diff(daily)
    count = len(changes)
    generator = np.random.default_rng(seed)
    begins = generator.integers(0, count, (REPETITIONS, -(-count // BLOCK_DAYS)))
    places = (begins[:, :, None] + np.arange(BLOCK_DAYS)) % count
    drawn = changes[places.reshape(REPETITIONS, -1)[:, :count]]
    histories = np.concatenate([np.zeros((REPETITIONS, 1)), np.cumsum(drawn, axis=1)], axis=1)
    bounds: Numbers = np.quantile(find_growth(histories), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return bounds
