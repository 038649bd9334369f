"""What a test that is not made yet will probably measure, by what others measured."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import numpy as np
from django.db.models import F, Q, QuerySet

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.ml.algorithms.expectations import LEAST_VALUES, Expected, expect_next
from apps.ml.errors import NoModel
from apps.ml.selectors.predictions import Predictions, predict_next
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Result, Run
from apps.tests.selectors import leave_out_overlapped, list_assignments

LOOKED_BACK = timedelta(days=30)
# Assignments that a level looks at, the newest, and results of each: none may outweigh the others.
MOST_ASSIGNMENTS = 20
MOST_RESULTS_OF_EACH = 100
MOST_RESULTS = 2_000


class Basis(StrEnum):
    """Whose results an expectation rests on, the closest first."""

    SAME = "same"
    TARGET = "target"
    SITE = "site"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What to expect of each headline of a kind, and whose results say so.

    Without a basis there are not enough results of anybody; `count` is then the most there were.
    """

    basis: Basis | None
    count: int
    client_count: int
    figures: Mapping[str, Expected]
    # Of a single test of a single client, where a model beats the last value.
    predictions: Predictions | None = None
    needed: int = LEAST_VALUES


def expect_test(
    user: AnyUser, *, kind: str, target: str, client_ids: Sequence[UUID]
) -> Expectation:
    """What `user` may expect of such a test, of results that `user` may see.

    Those of these clients to this target come first, then others' to it, then those of the kind by
    clients of the same sites, then any of the kind. The first basis that has 20 results is taken.
    """
    most = 0
    for basis, condition in list_bases(target, client_ids).items():
        rows = list_assignments(user).filter(condition, test__kind=kind)
        found = read_values(rows.order_by(F("last_run_at").desc(nulls_last=True), "id"), kind)
        most = max(most, found.count)
        if found.figures:
            predictions = find_predictions(rows) if basis == Basis.SAME else None
            return Expectation(basis, found.count, found.client_count, found.figures, predictions)
    return Expectation(None, most, 0, {})


def find_predictions(assignments: QuerySet[Assignment]) -> Predictions | None:
    """What a model says of the results to come, when it is one assignment and there is a model."""
    found = list(assignments[:2])
    if len(found) != 1:
        return None
    try:
        return predict_next(found[0])
    except NoModel:
        return None


def list_bases(target: str, client_ids: Sequence[UUID]) -> dict[Basis, Q]:
    """The conditions on assignments, the closest first; only those that say something."""
    at_target = Q(test__target__address=target)
    bases = {}
    if target and client_ids:
        bases[Basis.SAME] = at_target & Q(client__in=client_ids)
    if target:
        bases[Basis.TARGET] = at_target
    if client_ids:
        sites = Client.objects.filter(id__in=client_ids, site__isnull=False)
        bases[Basis.SITE] = Q(client__site__in=sites.order_by().values("site"))
    bases[Basis.KIND] = Q()
    return bases


@dataclass(frozen=True, slots=True)
class Found:
    """What a basis has to say: results, clients, and what is expected of each headline."""

    count: int
    client_count: int
    figures: Mapping[str, Expected]


def read_values(assignments: QuerySet[Assignment], kind: str) -> Found:
    """The newest undisturbed results of these assignments, of none more than a hundred."""
    clients = dict(assignments.values_list("id", "client_id")[:MOST_ASSIGNMENTS])
    rows = Result.objects.filter(
        run__assignment__in=list(clients),
        run__start_at__gte=read_now() - LOOKED_BACK,
        run__in=leave_out_overlapped(Run.objects.all()),
        outcome=Result.Outcome.COMPLETED,
    )
    newest = rows.order_by("-run__start_at").values_list("run__assignment", "values")
    taken: Counter[UUID] = Counter()
    values: dict[str, list[float]] = defaultdict(list)
    for assignment_id, found in newest[:MOST_RESULTS]:
        if taken[assignment_id] < MOST_RESULTS_OF_EACH:
            taken[assignment_id] += 1
            for key in KINDS[kind].headline:
                values[key].append(found.get(key, np.nan))
    expected = {key: expect_next(np.array(column)) for key, column in values.items()}
    heard = {clients[assignment_id] for assignment_id in taken}
    figures = {key: one for key, one in expected.items() if one}
    return Found(taken.total(), len(heard), figures)
