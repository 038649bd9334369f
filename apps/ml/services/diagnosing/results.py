"""What a client's tests found around a moment, and what is usual for them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.ml.diagnosis.case import Observation, Sibling, Usual
from apps.ml.diagnosis.reading import measure_usual
from apps.tests.models import Assignment, Result, Run

# A result is of the moment when its run began at most so long before it, or three intervals.
FRESH = timedelta(hours=1)
FRESH_INTERVALS = 3
USUAL_SPAN = timedelta(days=14)
# What is judged must not have made what is usual.
USUAL_BEFORE = timedelta(minutes=15)
USUAL_RESULTS = 150
# Of all tests of a client together: thirty tests are judged by eighty results each.
USUAL_RESULTS_IN_ALL = 2400
ASSIGNMENTS_AT_MOST = 40
# They tell of the client's own resolver, whatever the target in question.
KINDS_OF_EVERY_TARGET = frozenset({"dns", "ntp"})
LOSSY_RATIO = 0.01


def list_newest(assignments: Iterable[Assignment], at: datetime) -> dict[UUID, Result]:
    """The newest result of each assignment of runs that began up to `at`; two queries."""
    ids = [one.id for one in assignments]
    newest = (
        Run.objects.filter(assignment=OuterRef("id"), result__isnull=False, start_at__lte=at)
        .order_by("-start_at")
        .values("id")[:1]
    )
    chosen = Assignment.objects.filter(id__in=ids).annotate(newest_run=Subquery(newest))
    runs = [run for run in chosen.values_list("newest_run", flat=True) if run is not None]
    rows = Result.objects.filter(run_id__in=runs).select_related("run")
    return {row.run.assignment_id: row for row in rows}


def is_fresh(assignment: Assignment, result: Result, at: datetime) -> bool:
    every = timedelta(seconds=assignment.test.every_seconds or 0)
    return result.run.start_at >= at - max(FRESH, every * FRESH_INTERVALS)


def read_usual(assignments: Sequence[Assignment], at: datetime) -> dict[UUID, dict[str, Usual]]:
    """The 5th, 50th and 95th percentile of every value of each assignment's good results before.

    Failed ones, and those that an exclusive run disturbed, are left out; two queries.
    """
    count = min(USUAL_RESULTS, USUAL_RESULTS_IN_ALL // max(len(assignments), 1))
    past = list_past_values([one.id for one in assignments], at, count)
    return {assignment_id: measure_usual(values) for assignment_id, values in past.items()}


def list_past_values(
    assignment_ids: Sequence[UUID], at: datetime, count: int
) -> dict[UUID, list[Mapping[str, float]]]:
    """By assignment the values of its `count` newest good results before the moment."""
    past: dict[UUID, list[Mapping[str, float]]] = {one: [] for one in assignment_ids}
    good = Result.objects.filter(
        run__start_at__lt=at - USUAL_BEFORE, run__is_overlapped=False, is_success=True
    )
    starts = find_starts(assignment_ids, good, at - USUAL_SPAN, count)
    # Each part walks an index from there on; numbering rows in a window would read all of them.
    parts = (
        Q(run__assignment_id=assignment_id, run__start_at__gte=start)
        for assignment_id, start in starts.items()
    )
    rows = good.filter(reduce(or_, parts)) if starts else good.none()
    for assignment_id, values in rows.values_list("run__assignment_id", "values"):
        past[assignment_id].append(values)
    return past


def find_starts(
    assignment_ids: Sequence[UUID], good: QuerySet[Result], earliest: datetime, count: int
) -> dict[UUID, datetime]:
    """By assignment when the oldest of its `count` newest good results began; not before that."""
    own = good.filter(run__assignment=OuterRef("id"), run__start_at__gte=earliest)
    oldest = own.order_by("-run__start_at").values("run__start_at")[count - 1 : count]
    rows = Assignment.objects.filter(id__in=assignment_ids).annotate(oldest=Subquery(oldest))
    return {one: start or earliest for one, start in rows.values_list("id", "oldest")}


def observe(assignment: Assignment, result: Result, usual: Mapping[str, Usual]) -> Observation:
    """The result as a judge sees it."""
    return Observation(
        kind=assignment.test.kind,
        target=name_target(assignment),
        at=result.run.start_at.timestamp(),
        is_success=result.is_success,
        reason=result.reason,
        values=result.values,
        usual=usual,
        facts=result.facts,
        document=result.document,
        assignment_id=str(assignment.id),
        run_id=str(result.run_id),
    )


def name_target(assignment: Assignment) -> str:
    """The host that a test aims at: of a URL its host, of a pair the far end."""
    if assignment.peer is not None:
        return assignment.peer.name
    address = assignment.test.target.address if assignment.test.target is not None else ""
    return (urlsplit(address).hostname or address) if "://" in address else address


def list_active(client_id: UUID) -> QuerySet[Assignment]:
    rows = Assignment.objects.filter(client_id=client_id, removed_at=None, test__is_paused=False)
    return rows.select_related("test__target", "peer", "source").order_by("-last_run_at")


def list_any(assignment_id: UUID) -> Assignment:
    """One assignment with all that a diagnosis reads of it, also when it was taken away."""
    rows = Assignment.objects.select_related("test__target", "peer", "source", "client")
    return rows.get(id=assignment_id)


def choose_related(
    assignments: Sequence[Assignment], chosen: Assignment | None
) -> list[Assignment]:
    """Those that tell of the same target; of all targets when the question is about a client."""
    if chosen is None:
        return list(assignments)
    target = name_target(chosen)
    return [
        one
        for one in assignments
        if one.id != chosen.id
        and (name_target(one) == target or one.test.kind in KINDS_OF_EVERY_TARGET)
    ]


def list_same_target(assignment: Assignment) -> tuple[Sibling, ...]:
    """How other clients fare with the same target and type."""
    if assignment.test.target_id is None:
        return ()
    rows = Assignment.objects.filter(
        test__target_id=assignment.test.target_id,
        test__kind=assignment.test.kind,
        removed_at=None,
        test__is_paused=False,
        client__deleted_at=None,
    ).exclude(client_id=assignment.client_id)
    known = rows.exclude(last_is_success=None).select_related("client")[:ASSIGNMENTS_AT_MOST]
    return tuple(Sibling(one.client.name, is_failing(one)) for one in known)


def list_same_client(
    assignments: Iterable[Assignment], chosen: Assignment | None, *, gateway: str = ""
) -> tuple[Sibling, ...]:
    """How this client's tests of other targets fare, one for each target (its worst).

    The gateway is on the way to all of them, so it is none.
    """
    own = {gateway, name_target(chosen) if chosen is not None else ""}
    worst: dict[str, bool] = {}
    for one in assignments:
        target = name_target(one)
        if target and target not in own and one.last_is_success is not None:
            worst[target] = worst.get(target, False) or is_failing(one)
    return tuple(Sibling(target, is_bad) for target, is_bad in worst.items())


def is_failing(assignment: Assignment) -> bool:
    loss = assignment.last_values.get("net.packet.loss.ratio", 0.0)
    return assignment.last_is_success is False or loss >= LOSSY_RATIO
