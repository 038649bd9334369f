"""What runs found: stored once, whichever way and however often it comes in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.bus import publish
from apps.core.errors import FieldError, Invalid
from apps.metrics.services import record_fact
from apps.tests.algorithms.comparison import compare_results, is_compared
from apps.tests.algorithms.slots import derive_run_id
from apps.tests.models import Assignment, Result, Run
from apps.tests.published import RunStarted
from apps.tests.services.hop_systems import name_systems
from apps.tests.services.overdue import describe_end
from apps.tests.services.reserving import is_exclusive, note_overlaps

REASON_LENGTH = 255
STATE_AFTER = {
    Result.Outcome.COMPLETED: Run.State.FINISHED,
    Result.Outcome.FAILED: Run.State.FAILED,
    Result.Outcome.ABORTED: Run.State.FAILED,
    Result.Outcome.CANCELLED: Run.State.CANCELLED,
}
# A run may have begun before the agent heard that it is paused, or after it was given up.
STATES_BEFORE_RUNNING = (
    Run.State.SCHEDULED,
    Run.State.LEASED,
    Run.State.PAUSED,
    Run.State.MISSED,
)


@dataclass(frozen=True, slots=True)
class NewResult:
    """A checked result of one client's run."""

    run_id: UUID
    assignment_id: UUID
    slot: int | None
    revision: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    reason: str
    is_success: bool | None
    method: str
    values: Mapping[str, float]
    absent: Mapping[str, str]
    facts: Mapping[str, str]
    document: Mapping[str, Any]


def record_result(*, client_id: UUID, result: NewResult, received_at: datetime) -> bool:
    """Whether the result was new. Runs in the caller's transaction.

    Raises: Invalid(unknown_run | unknown_assignment) when the run is not this client's.
    """
    run = find_or_make_run(client_id, result)
    result = complete_result(run, result)
    _row, is_new = Result.objects.get_or_create(
        run=run,
        defaults={
            "received_at": received_at,
            "started_at": result.started_at,
            "finished_at": result.finished_at,
            "outcome": result.outcome,
            "is_success": result.is_success,
            "reason": result.reason[:REASON_LENGTH],
            "method": result.method,
            "values": dict(result.values),
            "absent": dict(result.absent),
            "facts": dict(result.facts),
            "document": dict(result.document),
        },
    )
    if is_new:
        close_run(run, result)
        note_overlaps(run, started_at=result.started_at, finished_at=result.finished_at)
        note_last_result(run, result)
        publish(describe_end(run))
    return is_new


def find_or_make_run(client_id: UUID, result: NewResult) -> Run:
    """The run, locked; made here when the agent derived it by itself while it was cut off."""
    run = (
        Run.objects.select_related("assignment__test")
        .select_for_update(of=("self",))
        .filter(id=result.run_id)
        .first()
    )
    if run is not None:
        if run.assignment.client_id != client_id:
            raise refuse("run", "unknown_run", "there is no such run of this client")
        return run
    rows = Assignment.objects.select_related("test")
    assignment = rows.filter(id=result.assignment_id, client_id=client_id).first()
    if assignment is None:
        raise refuse(
            "assignment", "unknown_assignment", "there is no such assignment of this client"
        )
    derived = None
    if result.slot is not None:
        derived = derive_run_id(str(result.assignment_id), result.revision, result.slot)
    if derived != result.run_id:
        detail = "was neither planned here nor derived from assignment, revision and slot"
        raise refuse("run", "unknown_run", detail)
    if assignment.is_paired or is_exclusive(assignment.test):
        detail = "is of a kind whose runs are never derived by an agent"
        raise refuse("run", "unknown_run", detail)
    run, _made = Run.objects.get_or_create(
        id=result.run_id,
        defaults={
            "assignment": assignment,
            "slot": result.slot,
            "schedule_revision": result.revision,
            "start_at": result.started_at,
            "end_at": result.finished_at,
        },
    )
    return run


def complete_result(run: Run, result: NewResult) -> NewResult:
    """The result with what follows from it, the one before it and the operator's tables."""
    facts, missing = name_systems(result.document)
    if facts or missing:
        result = replace(
            result, facts={**result.facts, **facts}, absent={**result.absent, **missing}
        )
    if not is_compared(result.document):
        return result
    previous = (
        Result.objects.filter(
            run__assignment_id=run.assignment_id,
            run__start_at__lt=run.start_at,
            outcome=Result.Outcome.COMPLETED,
        )
        .order_by("-run__start_at")
        .values_list("document", flat=True)
        .first()
    )
    found = compare_results(result.document, previous)
    numbers = {key: value for key, value in found.items() if not isinstance(value, str)}
    codes = {key: value for key, value in found.items() if isinstance(value, str)}
    return replace(result, values={**result.values, **numbers}, absent={**result.absent, **codes})


def refuse(field: str, code: str, detail: str) -> Invalid:
    return Invalid([FieldError(field, code, detail)], code=code)


def close_run(run: Run, result: NewResult) -> None:
    run.state = STATE_AFTER[Result.Outcome(result.outcome)]
    run.reason = result.reason[:REASON_LENGTH]
    run.started_at = result.started_at
    run.finished_at = result.finished_at
    run.save(update_fields=["state", "reason", "started_at", "finished_at"])


def note_last_result(run: Run, result: NewResult) -> None:
    """Keep the newest result on the assignment for lists, and the facts on its source."""
    assignment = run.assignment
    if assignment.last_run_at is None or assignment.last_run_at <= result.started_at:
        assignment.last_run_at = result.started_at
        assignment.last_run_state = run.state
        assignment.last_is_success = result.is_success
        assignment.last_reason = result.reason[:REASON_LENGTH]
        assignment.last_values = dict(result.values)
        assignment.save(
            update_fields=[
                "last_run_at", "last_run_state", "last_is_success", "last_reason", "last_values",
            ]
        )  # fmt: skip
    if assignment.source_id is not None:
        for key, value in result.facts.items():
            record_fact(
                source_id=assignment.source_id, key=key, value=value, since=result.started_at
            )


@transaction.atomic
def mark_running(*, client_id: UUID, run_ids: Iterable[UUID], at: datetime) -> None:
    """Note the runs whose first sample came in; one that has ended meanwhile stays ended."""
    waiting = (
        Run.objects.filter(
            id__in=list(run_ids),
            assignment__client_id=client_id,
            state__in=STATES_BEFORE_RUNNING,
            result=None,
        )
        .select_related("assignment")
        .select_for_update(of=("self",))
        .order_by("id")
    )
    for run in waiting:
        run.state = Run.State.RUNNING
        run.started_at = at
        # An agent that derived the run by itself holds it as one that leased it does.
        run.leased_at = run.leased_at or at
        run.reason = ""
        run.save(update_fields=["state", "started_at", "leased_at", "reason"])
        assignment = run.assignment
        publish(RunStarted(run.id, assignment.id, assignment.test_id, assignment.client_id))
