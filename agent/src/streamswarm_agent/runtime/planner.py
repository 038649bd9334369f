"""Which runs an agent has to start, from its last lease alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamswarm_agent.wire.messages import Assignment, Lease, Run
from streamswarm_agent.wire.schedule import derive_runs

_LATE_START_MS = 5_000
_ON_DEMAND_PATIENCE_MS = 120_000
_SELF_DERIVED_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class PlannedRun:
    run: Run
    assignment: Assignment
    latest_start_ms: int


def plan_runs(lease: Lease, *, now_ms: int, until_ms: int) -> list[PlannedRun]:
    """The runs that may start before `until_ms`, those that are due included, by their start.

    Inside the lease's horizon these are the leased runs. Beyond it, which is reached only while
    the server is away, they are derived, for seven days after the lease, outside its pauses.
    """
    candidates = (*_list_leased(lease), *_list_derived(lease, now_ms, until_ms))
    planned = {
        candidate.run.id: candidate
        for candidate in candidates
        if candidate.run.id not in lease.cancelled
        and candidate.run.start_ms < until_ms
        and candidate.latest_start_ms >= now_ms
    }
    return sorted(planned.values(), key=lambda candidate: candidate.run.start_ms)


def _list_leased(lease: Lease) -> Iterator[PlannedRun]:
    for run in lease.runs:
        assignment = lease.assignments.get(run.assignment_id)
        if assignment is not None:
            yield PlannedRun(run, assignment, _compute_latest_start_ms(run, assignment))


def _list_derived(lease: Lease, now_ms: int, until_ms: int) -> Iterator[PlannedRun]:
    last_ms = min(until_ms, lease.server_time_ms + _SELF_DERIVED_MS)
    for assignment in lease.assignments.values():
        if assignment.is_self_derivable:
            earliest_ms = now_ms - assignment.schedule.slip_ms - _LATE_START_MS
            first_ms = max(lease.horizon_end_ms, earliest_ms)
            for run in derive_runs(assignment, from_ms=first_ms, until_ms=last_ms):
                if not _is_paused(lease, run.start_ms):
                    yield PlannedRun(run, assignment, _compute_latest_start_ms(run, assignment))


def _is_paused(lease: Lease, start_ms: int) -> bool:
    return any(pause.start_ms <= start_ms < pause.end_ms for pause in lease.pauses)


def _compute_latest_start_ms(run: Run, assignment: Assignment) -> int:
    """A slot's run may be late by its slip plus 5 s, one that somebody waits for by two minutes."""
    if run.is_on_demand:
        return run.start_ms + _ON_DEMAND_PATIENCE_MS
    return run.start_ms + assignment.schedule.slip_ms + _LATE_START_MS
