"""Which runs an agent has to start, from its last lease alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamswarm_agent.wire.messages import ALONE, RESPONDER, Assignment, Lease, Run
from streamswarm_agent.wire.schedule import derive_runs

_LATE_START_MS = 5_000
_ON_DEMAND_PATIENCE_MS = 120_000
_SELF_DERIVED_MS = 7 * 24 * 3_600_000
# How long before and after the run of another agent this one is there to answer it.
_ANSWERING_MARGIN_MS = 10_000


@dataclass(frozen=True, slots=True)
class PlannedRun:
    run: Run
    assignment: Assignment
    latest_start_ms: int

    @property
    def is_answered(self) -> bool:
        """Whether the run is another agent's, which this one answers."""
        return self.assignment.role == RESPONDER

    @property
    def begin_ms(self) -> int:
        """When this agent begins with its part."""
        return self.run.start_ms - (_ANSWERING_MARGIN_MS if self.is_answered else 0)


def plan_runs(lease: Lease, *, now_ms: int, until_ms: int) -> list[PlannedRun]:
    """The runs that may begin before `until_ms`, those that are due included, by their beginning.

    Inside the lease's horizon these are the leased runs. Beyond it, which is reached only while
    the server is away, they are derived, for seven days after the lease, outside its pauses.
    """
    candidates = (*_list_leased(lease), *_list_derived(lease, now_ms, until_ms))
    planned = {
        candidate.run.id: candidate
        for candidate in candidates
        if candidate.run.id not in lease.cancelled
        and candidate.begin_ms < until_ms
        and candidate.latest_start_ms >= now_ms
    }
    return sorted(planned.values(), key=lambda candidate: candidate.begin_ms)


def _list_leased(lease: Lease) -> Iterator[PlannedRun]:
    for run in lease.runs:
        assignment = lease.assignments.get(run.assignment_id)
        if assignment is not None:
            yield PlannedRun(run, assignment, _compute_latest_start_ms(run, assignment))


def _list_derived(lease: Lease, now_ms: int, until_ms: int) -> Iterator[PlannedRun]:
    last_ms = min(until_ms, lease.server_time_ms + _SELF_DERIVED_MS)
    for assignment in lease.assignments.values():
        if assignment.is_self_derivable and assignment.role == ALONE:
            earliest_ms = now_ms - assignment.schedule.slip_ms - _LATE_START_MS
            first_ms = max(lease.horizon_end_ms, earliest_ms)
            for run in derive_runs(assignment, from_ms=first_ms, until_ms=last_ms):
                if not _is_paused(lease, run.start_ms):
                    yield PlannedRun(run, assignment, _compute_latest_start_ms(run, assignment))


def _is_paused(lease: Lease, start_ms: int) -> bool:
    return any(pause.start_ms <= start_ms < pause.end_ms for pause in lease.pauses)


def _compute_latest_start_ms(run: Run, assignment: Assignment) -> int:
    """A slot's run may be late by its slip plus 5 s, one that somebody waits for by two minutes.

    The slip of exclusive and paired runs is used up by the server, which reserves their time. The
    runs of others are answered for as long as they may last.
    """
    patience_ms = _ON_DEMAND_PATIENCE_MS if run.is_on_demand else 0
    if assignment.role == RESPONDER:
        end_ms = run.start_ms + round(run.duration_seconds * 1000)
        return end_ms + patience_ms + _ANSWERING_MARGIN_MS
    if run.is_on_demand:
        return run.start_ms + patience_ms
    if assignment.is_exclusive or assignment.role != ALONE:
        return run.start_ms + _LATE_START_MS
    return run.start_ms + assignment.schedule.slip_ms + _LATE_START_MS
