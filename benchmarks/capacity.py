"""How true is "full in 34 days (27-48)"?

600 simulated file systems of 45 days each: a growth of 0.2 to 1 % a day that varies from day to
day, a rhythm of the week and noise; half of them were emptied once, by 10 to 30 %. The time until
95 % is compared with that of the growth which made them. Plain least squares over all days, and
Theil-Sen over all days, stand beside it.

    python -m benchmarks.capacity [--runs 300]
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.ml.algorithms.capacity import Outlook, find_growth, find_level, foresee_limit
from apps.ml.algorithms.forecast import Numbers
from benchmarks.measuring.report import Claim, finish_all, print_table

DAYS = 45
LIMIT = 0.95
FREE_OF_STEPS_DAYS = 8
GOAL_MEDIAN, GOAL_P90, GOAL_P90_STEP, GOAL_COVER = 0.06, 0.18, 0.30, 0.70


@dataclass(frozen=True, slots=True)
class Disk:
    daily: Numbers
    growth: float


@dataclass(frozen=True, slots=True)
class Score:
    """Relative errors of the time until full, and how often the interval held the true one."""

    errors: Numbers
    covered: float


def make_disk(generator: np.random.Generator, *, was_emptied: bool) -> Disk:
    growth = float(generator.uniform(0.002, 0.01))
    days = np.arange(DAYS)
    rhythm = generator.normal(0, 0.5 * growth, 7)[days % 7]
    noise = generator.normal(0, 0.3 * growth, DAYS)
    wander = np.cumsum(generator.normal(0, 0.35 * growth, DAYS))
    daily = 0.35 + growth * days + rhythm + noise + wander
    if was_emptied:
        daily[generator.integers(FREE_OF_STEPS_DAYS, DAYS - FREE_OF_STEPS_DAYS) :] -= (
            generator.uniform(0.1, 0.3)
        )
    return Disk(daily, growth)


def score_outlooks(disks: Sequence[Disk]) -> Score:
    errors, covered = [], 0
    for disk in disks:
        found = foresee_limit(disk.daily, LIMIT)
        if not isinstance(found, Outlook):
            raise TypeError(f"refused: {found}")
        truth = (LIMIT - found.level) / disk.growth
        guess = (LIMIT - found.level) / found.growth
        errors.append(abs(guess - truth) / truth)
        covered += found.growth_low <= disk.growth <= found.growth_high
    return Score(np.array(errors), covered / len(disks))


def score_slopes(disks: Sequence[Disk], find: Callable[[Numbers], float]) -> Numbers:
    """Errors of another way to find the growth; one that finds none is off by all of it."""
    errors = []
    for disk in disks:
        growth = find(disk.daily)
        level = find_level(disk.daily, growth)
        truth = (LIMIT - level) / disk.growth
        guess = (LIMIT - level) / growth if growth > 0 else np.inf
        errors.append(abs(guess - truth) / truth)
    return np.array(errors)


def fit_line(daily: Numbers) -> float:
    return float(np.polyfit(np.arange(len(daily)), daily, 1)[0])


def find_whole_growth(daily: Numbers) -> float:
    return float(find_growth(daily[None, :])[0])


def describe(name: str, errors: Numbers, covered: str = "") -> tuple[str, str, str, str]:
    return (
        name,
        f"{np.median(errors):.3f}",
        f"{np.quantile(errors, 0.9, method='higher'):.3f}",
        covered,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    generator = np.random.default_rng(20261128)
    even = [make_disk(generator, was_emptied=False) for _run in range(runs)]
    emptied = [make_disk(generator, was_emptied=True) for _run in range(runs)]
    began = time.process_time()
    scores = {"never emptied": score_outlooks(even), "emptied once": score_outlooks(emptied)}
    milliseconds = (time.process_time() - began) * 1000 / (2 * runs)
    rows = []
    for name, disks in (("never emptied", even), ("emptied once", emptied)):
        score = scores[name]
        rows.append((name, *describe("this product", score.errors, f"{score.covered:.0%}")))
        whole = score_slopes(disks, find_whole_growth)
        rows.append((name, *describe("Theil-Sen over all days", whole)))
        rows.append((name, *describe("least squares", score_slopes(disks, fit_line))))
    print_table(("disks", "growth by", "median error", "p90 error", "80 % covers"), rows)
    print()
    plain, stepped = scores.values()
    p90s = [float(np.quantile(score.errors, 0.9)) for score in (plain, stepped)]
    cover = min(plain.covered, stepped.covered)
    beside = {"milliseconds": round(milliseconds, 2), "p90": p90s[0]}
    finish_all(
        Claim(
            "median error of days until full", float(np.median(plain.errors)), "ratio",
            GOAL_MEDIAN, "lower", beside,
        ),
        Claim("p90 error of days until full", p90s[0], "ratio", GOAL_P90, "lower"),
        Claim("p90 error after a step", p90s[1], "ratio", GOAL_P90_STEP, "lower"),
        Claim("80 % interval covers at least", cover, "ratio", GOAL_COVER, "higher"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
