"""Whether a test will miss its goal within the hour, learned from what came after its results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from apps.ml.algorithms.features import build_features, name_features
from apps.ml.algorithms.flattening import flatten_forest
from apps.ml.algorithms.forward_labels import AHEAD_SECONDS, GOAL, count_incidents, look_ahead
from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.health_class import KIND, LIKELIER, NOW, read_class, say_probability
from apps.ml.algorithms.witnesses import hear_witnesses
from apps.ml.learners.base import Artifact, Progress, Rows, Scope, Trained
from apps.ml.selectors.labels import read_witnesses
from apps.ml.selectors.observations import (
    LONGEST_BACK,
    MOST_RESULTS,
    list_judged_results,
    list_measured,
    read_observations,
)
from apps.tests.models import Assignment, Test

LEAST_INCIDENTS = 30
LEAST_CLIENTS = 2
# The newest results of a test are shared by as many of its clients.
MOST_CLIENTS = 20
TREES = 100


class HealthClassLearner:
    """A random forest over labels of the hour ahead; incidents count, not rows.

    A label is what the test's own later results say, what others met meanwhile at its target and
    on its client, and what people said of findings (`algorithms.witnesses`).
    """

    kind = KIND
    title = _("Goal missed within the hour")
    needed = 1000
    provisional = 500
    # What a row is labelled by lies up to an hour after it.
    purge_seconds = AHEAD_SECONDS
    finding_kinds = ()
    baseline = _("the best of: as now, always the usual rate, by the burn rate")

    def list_scopes(self) -> Sequence[Scope]:
        rows = Test.objects.filter(assignments__removed_at=None).order_by("created_at", "id")
        kinds = rows.distinct().values_list("id", "kind")
        return [Scope("test", str(test_id)) for test_id, kind in kinds if list_measured(kind)]

    def count_rows(self, scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
        """None of tests that too few clients run, or that failed too seldom to learn from."""
        by_id = {UUID(scope.subject): scope for scope in scopes if scope.word == "test"}
        rows = list_judged_results().filter(
            run__assignment__test__in=list(by_id),
            run__start_at__gte=until - LONGEST_BACK,
            run__start_at__lt=until,
        )
        counted = (
            rows.order_by()
            .values_list("run__assignment__test")
            .annotate(
                count=Count("run_id"),
                failures=Count("run_id", filter=Q(is_success=False)),
                clients=Count("run__assignment__client", distinct=True),
            )
        )
        return {
            by_id[test_id]: min(count, MOST_RESULTS)
            for test_id, count, failures, clients in counted
            if failures >= LEAST_INCIDENTS and clients >= LEAST_CLIENTS
        }

    def collect(self, scope: Scope, until: datetime) -> Rows:
        """Rows of all clients of the test whose hour ahead is over, in the order of time."""
        rows = Assignment.objects.select_related("test").filter(test_id=scope.subject)
        assignments = list(rows.order_by("-last_run_at", "id")[:MOST_CLIENTS])
        if not assignments:
            raise ValueError("there is no such test to learn about")
        metrics = list_measured(assignments[0].test.kind)
        tables, moments, groups, targets, incidents = [], [], [], [], 0
        heard: Counter[str] = Counter()
        for number, assignment in enumerate(assignments):
            most = MOST_RESULTS // len(assignments)
            recorded = read_observations(assignment, metrics, until=until, most=most)
            observations = recorded.observations
            outlook = look_ahead(observations.at, observations.failed)
            witnesses = read_witnesses(assignment, observations.at)
            labels = hear_witnesses(
                observations.at, observations.failed, witnesses, until=until.timestamp()
            )
            heard.update(labels.changed)
            known = np.isfinite(labels.missed)
            own = build_features(observations, metrics)
            tables.append(np.column_stack([own, outlook.now])[known])
            moments.append(observations.at[known])
            groups.append(np.full(np.count_nonzero(known), number, dtype=np.int64))
            targets.append(labels.missed[known])
            incidents += count_incidents(labels.missed)
        at = np.concatenate(moments)
        order = np.argsort(at, kind="stable")
        return Rows(
            (*name_features(metrics), NOW),
            np.vstack(tables)[order],
            at[order],
            np.concatenate(groups)[order],
            np.concatenate(targets)[order],
            incidents,
            heard,
        )

    def fit(self, rows: Rows, seed: int, report: Progress) -> Trained:
        """Raises: ValueError with too few incidents or clients: rules alone decide then."""
        labels = require_labels(rows)
        missed = labels == 1
        clients = np.unique(rows.groups[missed]).size
        if rows.incidents < LEAST_INCIDENTS or clients < LEAST_CLIENTS or missed.all():
            raise ValueError(
                f"{rows.incidents} incidents on {clients} clients; {LEAST_INCIDENTS} on "
                f"{LEAST_CLIENTS} are needed: rules alone decide"
            )
        # Only the worker that trains pays the seconds and the memory of this import.
        from sklearn.ensemble import RandomForestClassifier

        report(0.1, "grows trees")
        known = np.isfinite(rows.values).any(axis=0)
        model = RandomForestClassifier(
            n_estimators=TREES, min_samples_leaf=10, max_features="sqrt", random_state=seed
        ).fit(np.where(known, rows.values, 0.0), labels)
        calibration = {"rate": float(missed.mean()), "labels": dict(rows.labels)}
        return Trained(flatten_forest(model), calibration)

    def evaluate(self, artifact: Artifact, rows: Rows) -> Evaluation:
        """Squared errors of the probability (Brier), beside the best of three baselines."""
        model = read_class(artifact.arrays, artifact.calibration, artifact.features)
        labels = require_labels(rows)
        said = say_probability(model, rows.values, rows.features)
        now = rows.values[:, -1]
        baselines = {
            "persistence": (now > 1 - GOAL).astype(np.float64),
            "majority": np.full(labels.size, model.rate),
            "burn_rate": np.clip(now / (1 - GOAL) / 10, 0.0, 1.0),
        }
        squares = {name: (guess - labels) ** 2 for name, guess in baselines.items()}
        best = min(squares, key=lambda name: float(squares[name].mean()))
        usual = labels == 0
        figures = {f"brier_{name}": float(one.mean()) for name, one in squares.items()}
        return Evaluation(
            losses=(said - labels) ** 2,
            baseline_losses=squares[best],
            outputs=said,
            false_positive_rate=float((said[usual] >= LIKELIER).mean()) if usual.any() else None,
            figures=figures,
        )


def require_labels(rows: Rows) -> NDArray[np.float64]:
    """Raises: ValueError for rows without labels."""
    if rows.targets is None:
        raise ValueError("the rows do not say what came after them")
    return rows.targets
