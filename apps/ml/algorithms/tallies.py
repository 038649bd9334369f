"""Hourly counts of results, from which burn rates and incidents of a day are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOUR_SECONDS = 3600
HOURS_KEPT = 25
BURN_HOURS = 6
DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Tally:
    """Results of one hour: how many, how many of them failed, how many failures began in it."""

    results: int
    failures: int
    incidents: int


def tally_hours(
    outcomes: Iterable[tuple[float, bool]], *, was_failing: bool = False
) -> dict[int, Tally]:
    """The tallies by hour (whole hours of Unix time) of results in the order of their time.

    An incident begins with a failure after a success; `was_failing` is how it stood before.
    """
    counts: dict[int, list[int]] = {}
    for at, is_success in outcomes:
        hour = counts.setdefault(int(at // HOUR_SECONDS), [0, 0, 0])
        hour[0] += 1
        hour[1] += not is_success
        hour[2] += not is_success and not was_failing
        was_failing = not is_success
    return {hour: Tally(*numbers) for hour, numbers in counts.items()}


def reckon_burn_rate(tallies: Mapping[int, Tally], *, now_hour: int, goal_ratio: float) -> float:
    """How many times faster than the goal allows failures came in the last six hours.

    1 uses up exactly what is allowed; 0 without results, or without failures.
    """
    recent = [one for hour, one in tallies.items() if now_hour - BURN_HOURS < hour <= now_hour]
    results, failures = sum(one.results for one in recent), sum(one.failures for one in recent)
    if not failures:
        return 0.0
    allowed = 1 - goal_ratio
    return failures / results / allowed if allowed > 0 else float("inf")


def count_incidents(tallies: Mapping[int, Tally], *, now_hour: int) -> int:
    """How many incidents began in the last day."""
    return sum(
        one.incidents for hour, one in tallies.items() if now_hour - DAY_HOURS < hour <= now_hour
    )
