"""The forecast of one series: the median of four simple ones, if it is of any use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apps.ml.algorithms.forecast.grid import (
    Numbers,
    Refusal,
    Refused,
    Table,
    Whole,
    cut_after_pause,
    cut_windows,
    fill_gaps,
    find_refusal,
)
from apps.ml.algorithms.forecast.intervals import find_reach
from apps.ml.algorithms.forecast.members import (
    DAYS_OF_A_WEEK,
    PROFILE_WEEKS,
    follow_profile,
    follow_trend,
    repeat_last,
    repeat_season,
)

HOURS_OF_A_DAY = 24
LEVELS = (0.8, 0.95)
MOST_ORIGINS = 30
# No divisor of a day or a week, so that the origins fall on all hours.
LONGEST_STRIDE = 11
SEASONS_BEFORE_AN_ORIGIN = 2
FEWEST_ORIGINS = 8

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Backtest:
    """How the same forecast would have done at earlier moments of this series.

    Mean absolute errors over all origins and steps, in the unit of the series; `naive_error` is
    that of seasonal naive for the same steps.
    """

    origins: int
    error: float
    naive_error: float

    @property
    def margin(self) -> float:
        """By which share the error is smaller than that of seasonal naive; below 0 if larger."""
        return 1 - self.error / self.naive_error if self.naive_error > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Foretold:
    """What comes next: `middle`, and lower and upper bounds by level; a value for each step."""

    middle: Numbers
    bands: Mapping[float, tuple[Numbers, ...]]
    backtest: Backtest


def count_needed(horizon: int, season: int = HOURS_OF_A_DAY) -> int:
    """How many steps a history must have."""
    return SEASONS_BEFORE_AN_ORIGIN * season + horizon + season


def forecast_series(
    grid: Numbers,
    *,
    horizon: int = HOURS_OF_A_DAY,
    season: int = HOURS_OF_A_DAY,
    bounds: Bounds = (None, None),
) -> Foretold | Refused:
    """As `compute_forecast`, and refused unless it beat seasonal naive in its own backtest."""
    found = compute_forecast(grid, horizon=horizon, season=season, bounds=bounds)
    if isinstance(found, Refused) or found.backtest.margin > 0:
        return found
    origins, margin = found.backtest.origins, found.backtest.margin
    return Refused(Refusal.NOT_BETTER, origins, origins, margin)


def compute_forecast(
    grid: Numbers,
    *,
    horizon: int = HOURS_OF_A_DAY,
    season: int = HOURS_OF_A_DAY,
    bounds: Bounds = (None, None),
) -> Foretold | Refused:
    """The next `horizon` steps of an evenly spaced series, or why nothing can be said of them.

    `grid` has NaN where nothing was measured; its last value is the newest. What came before a
    pause longer than a season is not looked at. The result lies within `bounds` (lowest, highest);
    its intervals, of the levels 0.8 and 0.95, come from the errors of a rolling backtest of up to
    30 origins.
    Raises: ValueError when horizon or season are not positive.
    """
    if horizon < 1 or season < 1:
        raise ValueError("horizon and season must be positive")
    history = cut_after_pause(np.where(np.isfinite(grid), grid, np.nan), season)
    refused = find_refusal(history, count_needed(horizon, season))
    if refused is not None:
        return refused
    # Far from zero, or tiny: what is added up below must keep its digits.
    centre = float(np.nanmedian(history))
    scale = float(np.nanmax(np.abs(history - centre)))
    scaled = (history - centre) / scale
    origins = choose_origins(scaled, horizon, season)
    if len(origins) < FEWEST_ORIGINS:
        return Refused(Refusal.GAPPY, len(origins), FEWEST_ORIGINS)
    errors, naive_errors, middle = look_back(scaled, origins, horizon, season)
    is_known = ~np.isnan(errors)
    if not is_known.any():
        return Refused(Refusal.GAPPY, 0, FEWEST_ORIGINS)
    backtest = Backtest(
        origins=len(errors),
        error=float(errors[is_known].mean()) * scale,
        naive_error=float(naive_errors[is_known].mean()) * scale,
    )
    bands = {}
    for level in LEVELS:
        reach = find_reach(errors, level)
        low, high = (middle + side * reach for side in (-1, 1))
        bands[level] = tuple(restrict(edge * scale + centre, bounds) for edge in (low, high))
    return Foretold(restrict(middle * scale + centre, bounds), bands, backtest)


def look_back(
    history: Numbers, origins: Whole, horizon: int, season: int
) -> tuple[Table, Table, Numbers]:
    """The absolute errors at the origins, of ours and of seasonal naive; and the forecast.

    All are worked out in one go: the last origin is the series' end.
    """
    width = PROFILE_WEEKS * DAYS_OF_A_WEEK * season
    ends = np.append(origins, len(history))
    windows = cut_windows(fill_gaps(history), ends, width)
    found = combine(windows, horizon, season)
    truth = history[origins[:, None] + np.arange(horizon)]
    naive = repeat_season(windows[:-1], horizon, season)
    return np.abs(found[:-1] - truth), np.abs(naive - truth), found[-1]


def choose_origins(history: Numbers, horizon: int, season: int) -> Whole:
    """The places at which earlier forecasts would have begun, the newest first.

    Each stands behind a measured value: what was filled in before it knew nothing of what came
    after it.
    """
    first, last = SEASONS_BEFORE_AN_ORIGIN * season, len(history) - horizon
    stride = min(max((last - first) // MOST_ORIGINS, 1), LONGEST_STRIDE)
    places = np.flatnonzero(~np.isnan(history[first - 1 : last])) + first
    chosen: list[int] = []
    for place in places[::-1].tolist():
        if not chosen or place <= chosen[-1] - stride:
            chosen.append(place)
    return np.array(chosen[:MOST_ORIGINS], dtype=np.int64)


def combine(windows: Table, horizon: int, season: int) -> Table:
    """The median of the four members: the mean of the two in the middle."""
    with np.errstate(invalid="ignore"):
        members = [
            repeat_last(windows, horizon),
            repeat_season(windows, horizon, season),
            follow_profile(windows, horizon, season),
            follow_trend(windows, horizon, season),
        ]
    median: Table = np.median(np.stack(members), axis=0)
    return median


def restrict(values: Numbers, bounds: Bounds) -> Numbers:
    low, high = bounds
    clipped: Numbers = np.clip(values, low, high) if bounds != (None, None) else values
    return clipped
