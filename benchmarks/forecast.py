"""How good are forecasts of a day, beside repeating the day before?

The series of the Numenta Anomaly Benchmark (github.com/numenta/NAB, MIT), as hourly means: all
real ones of a week or more without a pause of over a day, which are 39. Each is foretold for 24
hours from five origins a day apart, the last one a day before its end. Errors are
absolute, at measured hours, as multiples of the in-sample error of seasonal naive (MASE). Every
forecast counts, also those that the product would not show because their backtest was no better.

    python -m benchmarks.forecast --data DIR   (a folder with NAB's data/ in it)
"""

import argparse
import csv
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from apps.ml.algorithms.forecast import (
    HOURS_OF_A_DAY,
    LEVELS,
    Foretold,
    Numbers,
    build_grid,
    compute_forecast,
)
from benchmarks.measuring.report import Claim, finish_all, print_table

HOUR_SECONDS = 3600
LEAST_HOURS = 168
LONGEST_PAUSE_HOURS = 24
ORIGINS = 5
GOAL_RATIO, GOAL_MEDIAN, GOAL_WINS, GOAL_MILLISECONDS = 0.85, 0.70, 0.70, 5.0
COVERED_FROM, COVERED_TO = 0.75, 0.88
METHODS = ("ensemble", "seasonal naive", "naive")


@dataclass(frozen=True, slots=True)
class Trial:
    """One forecast: the scaled error by method, how much its intervals covered, and its cost."""

    family: str
    errors: Mapping[str, float]
    covered: Mapping[float, float]
    margin: float
    milliseconds: float


def read_series(folder: Path) -> Iterator[tuple[str, Numbers]]:
    """Family and hourly values of each series that is long and whole enough."""
    for path in sorted(folder.rglob("real*/*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        moments = (datetime.fromisoformat(row["timestamp"]) for row in rows)
        at = np.array([moment.replace(tzinfo=UTC).timestamp() for moment in moments])
        values = np.array([float(row["value"]) for row in rows])
        grid = build_grid(at, values, step_seconds=HOUR_SECONDS, end=np.inf)
        pauses = np.diff(np.flatnonzero(~np.isnan(grid))) - 1
        if len(grid) >= LEAST_HOURS and pauses.max() <= LONGEST_PAUSE_HOURS:
            yield path.parent.name, grid


def try_forecast(family: str, grid: Numbers, origin: int) -> Trial:
    history, truth = grid[:origin], grid[origin : origin + HOURS_OF_A_DAY]
    began = time.process_time()
    found = compute_forecast(history)
    milliseconds = (time.process_time() - began) * 1000
    if not isinstance(found, Foretold):
        raise TypeError(f"{family}: no forecast: {found}")
    filled = np.interp(
        np.arange(origin), np.flatnonzero(~np.isnan(history)), history[~np.isnan(history)]
    )
    scale = np.nanmean(np.abs(history[HOURS_OF_A_DAY:] - history[:-HOURS_OF_A_DAY]))
    guesses = (found.middle, filled[-HOURS_OF_A_DAY:], np.full(HOURS_OF_A_DAY, filled[-1]))
    errors = {
        method: float(np.nanmean(np.abs(guess - truth)) / scale)
        for method, guess in zip(METHODS, guesses, strict=True)
    }
    known = truth[~np.isnan(truth)]
    # What is computed in other units is not equal to the last digit.
    slack = 1e-9 * float(np.nanmax(np.abs(history)))
    covered = {}
    for level, edges in found.bands.items():
        low, high = (edge[~np.isnan(truth)] for edge in edges)
        covered[level] = float(((known >= low - slack) & (known <= high + slack)).mean())
    return Trial(family, errors, covered, found.backtest.margin, milliseconds)


def run_trials(folder: Path) -> list[Trial]:
    trials = []
    for family, grid in read_series(folder):
        for days in range(ORIGINS, 0, -1):
            origin = len(grid) - days * HOURS_OF_A_DAY
            if not np.isnan(grid[origin : origin + HOURS_OF_A_DAY]).all():
                trials.append(try_forecast(family, grid, origin))
    return trials


def collect(trials: list[Trial], method: str) -> Numbers:
    return np.array([trial.errors[method] for trial in trials])


def find_cover(trials: list[Trial], level: float) -> float:
    return float(np.mean([trial.covered[level] for trial in trials]))


def print_tables(trials: list[Trial]) -> None:
    naive = collect(trials, "seasonal naive")
    rows = []
    for method in METHODS:
        errors = collect(trials, method)
        share = f"{(errors < naive).mean():.0%}"
        rows.append((method, f"{errors.mean():.3f}", f"{np.median(errors):.3f}", share))
    print_table(("forecast", "mean MASE", "median MASE", "beats seasonal naive"), rows)
    print()
    by_family = []
    for family in sorted({trial.family for trial in trials}):
        own = [trial for trial in trials if trial.family == family]
        means = [f"{collect(own, method).mean():.2f}" for method in METHODS]
        covers = [
            f"{np.mean([trial.covered[level] for trial in own]):.0%}" for level in (0.8, 0.95)
        ]
        by_family.append((family, len(own), *means, *covers))
    print_table(("family", "forecasts", *METHODS, "80 % covers", "95 % covers"), by_family)
    print()


def print_gate(trials: list[Trial]) -> dict[str, float]:
    """What showing only forecasts with a won backtest does."""
    shown = [trial for trial in trials if trial.margin > 0]
    hidden = [trial for trial in trials if trial.margin <= 0]
    rows = []
    ratios = {}
    for name, own in (("shown", shown), ("not shown", hidden)):
        ours, naive = collect(own, "ensemble"), collect(own, "seasonal naive")
        ratio = ours.mean() / naive.mean() if own else float("nan")
        ratios[name] = float(ratio)
        rows.append((name, len(own), f"{ratio:.3f}", f"{(ours < naive).mean():.0%}"))
    print_table(("backtest", "forecasts", "MASE / seasonal naive", "wins"), rows)
    print()
    return {"shown": len(shown), "ratio_shown": ratios["shown"]}


def make_claims(trials: list[Trial], gate: Mapping[str, float]) -> list[Claim]:
    ours, naive = collect(trials, "ensemble"), collect(trials, "seasonal naive")
    covered = {level: find_cover(trials, level) for level in LEVELS}
    cost = float(np.mean([trial.milliseconds for trial in trials]))
    middle, reach = (COVERED_FROM + COVERED_TO) / 2, (COVERED_TO - COVERED_FROM) / 2
    return [
        Claim(
            "mean MASE of seasonal naive's", round(float(ours.mean() / naive.mean()), 4), "ratio",
            GOAL_RATIO, "lower",
            {"mean": float(ours.mean()), "seasonal_naive": float(naive.mean()), **gate},
        ),
        Claim(
            "median MASE", round(float(np.median(ours)), 4), "MASE", GOAL_MEDIAN, "lower",
            {"seasonal_naive": float(np.median(naive))},
        ),
        Claim(
            "forecasts that beat seasonal naive", round(float((ours < naive).mean()), 4), "ratio",
            GOAL_WINS, "higher", {"forecasts": len(trials)},
        ),
        Claim(
            f"80 % interval's cover off {middle:g}", round(abs(covered[0.8] - middle), 4), "ratio",
            round(reach, 4), "lower", {"covers_80": covered[0.8], "covers_95": covered[0.95]},
        ),
        Claim("processor time of a forecast", round(cost, 3), "ms", GOAL_MILLISECONDS, "lower"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with NAB's data/ in it")
    trials = run_trials(parser.parse_args().data)
    if not trials:
        parser.error("there is no series of NAB in that folder")
    print_tables(trials)
    finish_all(*make_claims(trials, print_gate(trials)))


if __name__ == "__main__":
    main()
