"""The four simple forecasts whose median is ours; each for many origins at once.

A row of `windows` is the past of one origin, its newest value last; NaN before the series began.
Each gives a row of `horizon` values for each of them, directly and not step by step.
Measured against others on 39 series: benchmarks/forecast.py.
"""

import numpy as np

from apps.ml.algorithms.forecast.grid import Numbers, Table

DAYS_OF_A_WEEK = 7
LEAST_WEEKS = 3
PROFILE_WEEKS = 4
# Of an hourly series: half of what the newest value is off its usual height is gone after 14 hours.
DAMPING = 0.95
SMOOTHINGS = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.99])
# One-sided 95 %, halved in power once more: a season that is not sure is none.
SEASONAL_LIMIT = 1.645 * 1.5


def repeat_last(windows: Table, horizon: int) -> Table:
    """Naive: all goes on as it is now."""
    return np.repeat(windows[:, -1:], horizon, axis=1)


def repeat_season(windows: Table, horizon: int, season: int) -> Table:
    """Seasonal naive: all will be as it was a season before."""
    return windows[:, -season:][:, np.arange(horizon) % season]


def follow_profile(windows: Table, horizon: int, season: int) -> Table:
    """The usual height at that time, and what the newest value is off it, fading away.

    Usual is the median of the same hour of up to four weeks' days; once three whole weeks are
    known, of the same hour of the week.
    """
    week = DAYS_OF_A_WEEK * season
    by_week = windows[:, -PROFILE_WEEKS * week :].reshape(len(windows), -1, week)
    knows_weeks = (~np.isnan(by_week)).all(axis=2).sum(axis=1) >= LEAST_WEEKS
    by_day = windows[:, -2 * week :].reshape(len(windows), -1, season)
    usual = np.tile(find_medians(by_day), (1, DAYS_OF_A_WEEK))
    if knows_weeks.any():
        usual[knows_weeks] = find_medians(by_week[knows_weeks])
    fading = DAMPING ** np.arange(1, horizon + 1)
    shift = windows[:, -1:] - usual[:, -1:]
    return usual[:, np.arange(horizon) % week] + shift * fading


def find_medians(cube: Table) -> Table:
    """The medians along the second of three axes, over what is not NaN; NaN where nothing is."""
    # numpy's own nanmedian is seven times slower on so short an axis.
    ranked = np.sort(cube, axis=1)
    count = (~np.isnan(cube)).sum(axis=1, keepdims=True)
    lower = np.take_along_axis(ranked, np.maximum(count - 1, 0) // 2, axis=1)
    upper = np.take_along_axis(ranked, count // 2, axis=1)
    medians: Table = ((lower + upper) / 2)[:, 0]
    return medians


def follow_trend(windows: Table, horizon: int, season: int) -> Table:
    """Theta: the season taken off, a smoothed level with half of the trend, the season put back.

    Source: Assimakopoulos and Nikolopoulos 2000; in the form of Hyndman and Billah 2003, simple
    exponential smoothing with a drift of half the slope of the straight line through all values.
    The season is the median at each place of a day's distance from its mean, and only there when
    the autocorrelation says so. The smoothing is that of the least squared error one step ahead.
    """
    width = windows.shape[1]
    # A day that climbs with the trend must not be taken for a season that climbs.
    climb = find_slope(windows)[:, None] * np.arange(width)
    season_table = find_season(windows - climb, season)
    level_part = windows - np.tile(season_table, (1, width // season))
    slope = find_slope(level_part)
    level, smoothing = smooth(level_part[:, -2 * DAYS_OF_A_WEEK * season :])
    ahead = np.arange(horizon) + 1 / smoothing[:, None]
    drift = slope[:, None] / 2 * ahead
    return level[:, None] + drift + season_table[:, np.arange(horizon) % season]


def find_season(windows: Table, season: int) -> Table:
    """What each place of the season adds, zero on average; all zero where there is no season."""
    by_season = windows.reshape(len(windows), -1, season)
    # A season that is not whole has no mean that the others could be compared with.
    offsets = by_season - by_season.mean(axis=2, keepdims=True)
    found = find_medians(offsets)
    found -= found.mean(axis=1, keepdims=True)
    count = (~np.isnan(windows)).sum(axis=1)
    centred = np.nan_to_num(windows - np.nanmean(windows, axis=1, keepdims=True))
    power = np.einsum("ij,ij->i", centred, centred)
    echo = np.einsum("ij,ij->i", centred[:, season:], centred[:, :-season])
    is_seasonal = echo > SEASONAL_LIMIT / np.sqrt(count) * power
    return np.where(is_seasonal[:, None], found, 0.0)


def find_slope(windows: Table) -> Numbers:
    """The slope a step of the straight line through each row's values."""
    is_known = ~np.isnan(windows)
    places = np.where(is_known, np.arange(windows.shape[1], dtype=np.float64), np.nan)
    places -= np.nanmean(places, axis=1, keepdims=True)
    offsets = windows - np.nanmean(windows, axis=1, keepdims=True)
    slope: Numbers = np.nansum(places * offsets, axis=1) / np.nansum(places**2, axis=1)
    return slope


def smooth(windows: Table) -> tuple[Numbers, Numbers]:
    """The level after the newest value, and the smoothing of the least squared error."""
    first = np.argmax(~np.isnan(windows), axis=1)
    begin = windows[np.arange(len(windows)), first]
    # Before the first value the level stands at it, which adds no error.
    steps = np.where(np.isnan(windows), begin[:, None], windows).T[:, :, None]
    level = np.repeat(begin[:, None], len(SMOOTHINGS), axis=1)
    squares = np.zeros_like(level)
    error = np.empty_like(level)
    for step in steps:
        np.subtract(step, level, out=error)
        level += SMOOTHINGS * error
        squares += np.square(error, out=error)
    best = np.argmin(squares, axis=1)
    return level[np.arange(len(level)), best], SMOOTHINGS[best]
