"""Runs asked for by hand, and runs stopped by hand."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from apps.accounts.actors import read_actor
from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict
from apps.tests.models import Assignment, Run, Test
from apps.tests.services.booking import wake
from apps.tests.services.planning import describe_end
from apps.tests.services.quotas import refuse_runs_beyond_quotas


@audited()
def run_now(*, test: Test, client_ids: Sequence[UUID] | None = None) -> list[Run]:
    """A run starting at once on each of the test's clients, or on `client_ids` of them.

    Clients on which a run asked for by hand is not over yet are left out.
    Raises: Conflict when none of them is assigned (nobody_assigned), when such a run is open on
    all of them (run_open), or for a quota that it would break (quota_exceeded).
    """
    rows = Assignment.objects.filter(test=test, removed_at=None).order_by("id")
    if client_ids is not None:
        rows = rows.filter(client_id__in=client_ids)
    assignments = list(rows)
    if not assignments:
        raise Conflict("nobody_assigned", "No client is assigned to this test.")
    assignments = leave_busy(assignments)
    refuse_runs_beyond_quotas(test, client_ids=[row.client_id for row in assignments])
    now = read_now()
    runs = [
        Run(
            id=uuid4(),
            assignment=row,
            schedule_revision=test.schedule_revision,
            start_at=now,
            end_at=now + timedelta(seconds=test.duration_seconds),
            is_on_demand=True,
            requested_by=read_actor().user,
        )
        for row in assignments
    ]
    Run.objects.bulk_create(runs)
    wake(row.client_id for row in assignments)
    record_audit(action="run_now", target=test, after={"runs": [str(run.id) for run in runs]})
    return runs


def leave_busy(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Those on which no run asked for by hand is open.

    Raises: Conflict(run_open) when there is none.
    """
    asked = Run.objects.filter(is_on_demand=True, state__in=Run.OPEN_STATES)
    busy = set(asked.filter(assignment__in=assignments).values_list("assignment_id", flat=True))
    free = [row for row in assignments if row.id not in busy]
    if not free:
        raise Conflict(
            "run_open", "A run that was asked for is not over yet; wait for it, or stop it."
        )
    return free


@audited()
def stop_runs(*, test: Test) -> int:
    """How many runs were stopped: those running now, and those asked for but not yet begun."""
    runs = list(
        Run.objects.filter(assignment__test=test, state__in=Run.OPEN_STATES)
        .exclude(state__in=[Run.State.SCHEDULED, Run.State.LEASED], is_on_demand=False)
        .select_related("assignment")
        .select_for_update(of=("self",))
    )
    now = read_now()
    for run in runs:
        # An agent that never heard of the run need not be told; one that did, is by its lease.
        run.state = Run.State.CANCELLED
        run.reason = f"stopped by {read_actor().label}"[:255]
        run.finished_at = now
        publish(describe_end(run))
    Run.objects.bulk_update(runs, ["state", "reason", "finished_at"])
    if runs:
        wake(run.assignment.client_id for run in runs)
        record_audit(action="stop", target=test, after={"runs": [str(run.id) for run in runs]})
    return len(runs)
