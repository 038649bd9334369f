"""What learners about a test on a client share: which there are, and how much of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count

from apps.ml.algorithms.scopes import Scope
from apps.ml.selectors.observations import (
    LONGEST_BACK,
    MOST_RESULTS,
    list_judged_results,
    list_measured,
)
from apps.tests.models import Assignment

WORD = "assignment"


def list_assignment_scopes() -> Sequence[Scope]:
    """The assignments that run now and whose kind measures numbers."""
    rows = Assignment.objects.filter(removed_at=None).order_by("created_at", "id")
    return [
        Scope(WORD, str(assignment_id))
        for assignment_id, kind in rows.values_list("id", "test__kind")
        if list_measured(kind)
    ]


def count_results(scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
    """How many results of each there are to learn from; one query."""
    by_id = {UUID(scope.subject): scope for scope in scopes if scope.word == WORD}
    rows = list_judged_results().filter(
        run__assignment__in=list(by_id),
        run__start_at__gte=until - LONGEST_BACK,
        run__start_at__lt=until,
    )
    counts = rows.order_by().values_list("run__assignment").annotate(count=Count("run_id"))
    return {by_id[assignment_id]: min(count, MOST_RESULTS) for assignment_id, count in counts}


def find_assignment(scope: Scope) -> Assignment:
    """Raises: ValueError, in words, for a scope that is no assignment, or one that is gone."""
    rows = Assignment.objects.select_related("test")
    assignment = rows.filter(id=scope.subject).first() if scope.word == WORD else None
    if assignment is None:
        raise ValueError("there is no such assignment to learn about")
    return assignment
