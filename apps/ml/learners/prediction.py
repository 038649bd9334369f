"""The values to come of a test's headlines, learned from results of the same test and client."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.next_fitting import Problem, fit_next
from apps.ml.algorithms.next_values import (
    KIND,
    LEVEL_WINDOW,
    build_next_features,
    build_targets,
    find_last,
    find_level,
    find_said,
    list_aims,
    name_next_features,
    read_next,
    say_next,
)
from apps.ml.learners.assignments import count_results, find_assignment, list_assignment_scopes
from apps.ml.learners.base import Artifact, Progress, Rows, Scope, Trained
from apps.ml.selectors.labels import find_confirmed
from apps.ml.selectors.observations import list_measured, list_said, read_observations

Floats = NDArray[np.float64]


class PredictionLearner:
    """Gradient boosting over lags, circumstances and the calendar, 1, 6 and 12 runs ahead."""

    kind = KIND
    title = _("The values to come")
    needed = 500
    provisional = 200
    purge_seconds = 0.0
    finding_kinds = ()
    baseline = _("the same as the last value")

    def list_scopes(self) -> Sequence[Scope]:
        return list_assignment_scopes()

    def count_rows(self, scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
        """Without the first results, which have no recent level, and the newest without a next."""
        counts = count_results(scopes, until)
        return {scope: max(count - LEVEL_WINDOW, 0) for scope, count in counts.items()}

    def collect(self, scope: Scope, until: datetime) -> Rows:
        """A row for each result after which something is known that was no confirmed fault."""
        assignment = find_assignment(scope)
        kind = assignment.test.kind
        metrics, said = list_measured(kind), list_said(kind)
        observations = read_observations(assignment, metrics, until=until).observations
        features = name_next_features(metrics, said)
        aims = list_aims(said)
        at = observations.at
        targets = build_targets(observations, metrics, aims)
        confirmed = find_confirmed(assignment, at)
        for place, aim in enumerate(aims):
            is_fault = confirmed[aim.horizon :]
            targets[: is_fault.size, place][is_fault] = np.nan
        values = build_next_features(observations, metrics, said)
        rows = Rows(features, values, at, np.zeros(at.size, dtype=np.int64), targets)
        levels = np.column_stack([find_level(values, features, key) for key in said])
        is_followed, has_level = (np.isfinite(one).sum(axis=1) > 0 for one in (targets, levels))
        return rows.take(is_followed & has_level)

    def fit(self, rows: Rows, seed: int, report: Progress) -> Trained:
        """Raises: ValueError when the last value says as much in a rolling backtest."""
        fitted = fit_next(list_problems(rows), seed, report)
        return Trained(fitted.arrays, fitted.calibration)

    def evaluate(self, artifact: Artifact, rows: Rows) -> Evaluation:
        """Absolute errors in units of the last value's, the mean of all that may be said.

        What the model does not say it leaves to the last value, so that one of few outputs is no
        better for that.
        """
        model = read_next(artifact.arrays, artifact.calibration, artifact.features)
        targets, lasts = require_targets(rows), list_lasts(rows)
        said = lasts.copy()
        held: list[NDArray[np.bool_]] = []
        aims = list_aims(find_said(rows.features))
        for output in model.outputs:
            place = aims.index(output.aim)
            said[:, place] = say_next(model, output, rows.values, rows.features)
            errors = np.abs(said[:, place] - targets[:, place])
            held.append(errors[np.isfinite(errors)] <= output.widths["0.8"])
        unit = measure_units(lasts, targets)
        losses, baseline = (average(np.abs(one - targets) / unit) for one in (said, lasts))
        known = np.isfinite(losses) & np.isfinite(baseline)
        return Evaluation(
            losses=np.where(known, losses, 0.0),
            baseline_losses=np.where(known, baseline, 0.0),
            outputs=np.nan_to_num(said[:, aims.index(model.outputs[0].aim)]),
            figures={
                "backtest_ratio": model.ratio,
                "covered_80": float(np.concatenate(held).mean()),
                "outputs": float(len(model.outputs)),
            },
        )


def measure_units(lasts: Floats, targets: Floats) -> Floats:
    """The mean error of the last value of each aim; NaN where it is always right."""
    unit = average(np.abs(lasts - targets).T)
    return np.where(unit > 0, unit, np.nan)


def average(table: Floats) -> Floats:
    """The mean of each row's known figures, NaN where there are none."""
    known = np.isfinite(table)
    count = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def list_lasts(rows: Rows) -> Floats:
    """The last value of what each aim is about: shape (rows, aims)."""
    aims = list_aims(find_said(rows.features))
    return np.column_stack([find_last(rows.values, rows.features, aim.key) for aim in aims])


def list_problems(rows: Rows) -> list[Problem]:
    """What is to be learned of each aim, of the rows that know all about it.

    Raises: ValueError for rows that do not say what came next.
    """
    targets, lasts = require_targets(rows), list_lasts(rows)
    problems = []
    for place, aim in enumerate(list_aims(find_said(rows.features))):
        following, last = targets[:, place], lasts[:, place]
        level = find_level(rows.values, rows.features, aim.key)
        known = np.isfinite(following) & np.isfinite(last) & np.isfinite(level)
        # What came after the last rows was measured when the model is judged already.
        known[len(rows) - aim.horizon + 1 :] = False
        problems.append(Problem(aim, rows.values[known], last[known], following[known]))
    return problems


def require_targets(rows: Rows) -> Floats:
    """Raises: ValueError for rows that do not say what came next."""
    if rows.targets is None:
        raise ValueError("the rows do not say what came next")
    return rows.targets
