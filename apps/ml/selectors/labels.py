"""What people and others' measurements say of an assignment's past: labels to learn from."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from apps.ml.algorithms.witnesses import Seen, Span, Witnesses, is_within
from apps.ml.models import Feedback
from apps.ml.selectors.feedback import Label, make_label
from apps.tests.models import Assignment, Result, Run

Floats = NDArray[np.float64]

# Of others: the newest ones, which are those that tell of the newest rows.
MOST_SEEN = 20_000
UNHELD_STATES = (Run.State.MISSED, Run.State.FAILED)


@dataclass(frozen=True, slots=True)
class Word:
    """What people agree on about a finding of an assignment, and when that was."""

    label: Label
    span: Span


def list_words(assignment: Assignment) -> list[Word]:
    """What people hold for true of the assignment's findings and diagnoses; two queries at most.

    Of a finding about one result it is the moment of that result, else from begin to end.
    """
    mine = Q(finding__client=assignment.client_id, finding__test=assignment.test_id)
    if assignment.source_id is not None:
        mine |= Q(finding__source=assignment.source_id)
    rows = Feedback.objects.filter(mine).select_related("finding")
    groups: dict[UUID | None, list[Feedback]] = defaultdict(list)
    for row in rows.order_by("said_at", "id"):
        groups[row.finding_id].append(row)
    labels = [make_label(group) for group in groups.values()]
    moments = find_moments(label.run_id for label in labels if label.run_id is not None)
    return [Word(label, moments.get(label.run_id, read_span(label))) for label in labels]


def read_span(label: Label) -> Span:
    return label.started_at.timestamp(), label.ended_at.timestamp()


def find_moments(run_ids: Iterable[UUID]) -> dict[UUID | None, Span]:
    """When the results of these runs began."""
    ids = list(run_ids)
    rows = Result.objects.filter(run__in=ids) if ids else Result.objects.none()
    return {
        run_id: (at.timestamp(), at.timestamp())
        for run_id, at in rows.values_list("run_id", "started_at")
    }


def find_confirmed(assignment: Assignment, at: Floats) -> NDArray[np.bool_]:
    """Which moments lie within findings that people hold for problems.

    What most of them say counts, at a tie the newest word; so a finding that was called wrong is
    part of what is usual.
    """
    words = list_words(assignment)
    return is_within(at, [one.span for one in words if one.label.opinion.is_problem])


def read_witnesses(assignment: Assignment, at: Floats) -> Witnesses:
    """What others know of the time after these moments, oldest first; a handful of queries."""
    if not at.size:
        return Witnesses()
    start = datetime.fromtimestamp(at[0], UTC)
    words = list_words(assignment)
    return Witnesses(
        target=read_target(assignment, start),
        client=read_client(assignment, start),
        confirmed=[one.span for one in words if one.label.opinion.is_problem],
        refused=[one.span for one in words if not one.label.opinion.is_problem],
    )


def read_target(assignment: Assignment, start: datetime) -> Seen:
    """Results of the same target that are not the assignment's own.

    Of other clients with the same test, and of whatever else asks for the same target.
    """
    same = Q(run__assignment__test=assignment.test_id)
    if assignment.test.target_id is not None:
        same |= Q(run__assignment__test__target=assignment.test.target_id)
    rows = Result.objects.filter(
        same, run__start_at__gte=start, started_at__gte=start, is_success__isnull=False
    ).exclude(run__assignment=assignment)
    found = rows.order_by("-run__start_at").values_list("started_at", "is_success")[:MOST_SEEN]
    return collect((at, not is_success) for at, is_success in found)


def read_client(assignment: Assignment, start: datetime) -> Seen:
    """Whether the client's runs, of all its tests, took place: missed ones did not."""
    rows = Run.objects.filter(
        assignment__client=assignment.client_id,
        start_at__gte=start,
        state__in=(Run.State.FINISHED, *UNHELD_STATES),
    )
    found = rows.order_by("-start_at").values_list("start_at", "state")[:MOST_SEEN]
    return collect((at, state in UNHELD_STATES) for at, state in found)


def collect(found: Iterable[tuple[datetime, bool]]) -> Seen:
    rows = sorted((at.timestamp(), float(is_failure)) for at, is_failure in found)
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 2)
    return Seen(table[:, 0], table[:, 1])
