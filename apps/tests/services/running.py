"""Runs asked for by hand, and runs stopped by hand."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from django.db.models import Q

from apps.accounts.actors import read_actor
from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict
from apps.tests.models import Assignment, Run, Test
from apps.tests.services.booking import wake
from apps.tests.services.overdue import describe_end
from apps.tests.services.planning import ON_DEMAND_PATIENCE
from apps.tests.services.quotas import refuse_runs_beyond_quotas
from apps.tests.services.reserving import (
    Proposal,
    release_runs,
    reserve_runs,
    store_reservations,
)

# What both ends need to hear of a run, by the sockets that nudge them.
PAIR_LEAD = timedelta(seconds=3)


@audited()
def run_now(*, test: Test, client_ids: Sequence[UUID] | None = None) -> list[Run]:
    """A run starting at once on each of the test's clients, or on `client_ids` of them.

    Of pairs those run in which one of them takes part, some seconds later, once both ends know.
    Exclusive runs wait for free time, for two minutes at most. Clients on which a run asked for by
    hand is not over yet are left out.
    Raises: Conflict when none of them is assigned (nobody_assigned), when such a run is open on
    all of them (run_open), or for a quota that it would break (quota_exceeded).
    """
    rows = Assignment.objects.filter(test=test, removed_at=None).order_by("id")
    if client_ids is not None:
        rows = rows.filter(Q(client_id__in=client_ids) | Q(peer_id__in=client_ids))
    assignments = list(rows)
    if not assignments:
        raise Conflict("nobody_assigned", "No client is assigned to this test.")
    assignments = leave_busy(assignments)
    participants = [one for row in assignments for one in row.participant_ids]
    refuse_runs_beyond_quotas(test, client_ids=participants)
    runs = make_runs(test, assignments)
    wake(participants)
    record_audit(action="run_now", target=test, after={"runs": [str(run.id) for run in runs]})
    return runs


def make_runs(test: Test, assignments: Sequence[Assignment]) -> list[Run]:
    """The stored runs; exclusive ones that find no time are there as well, and say so."""
    now = read_now()
    runs = []
    for row in assignments:
        row.test = test
        start_at = now + PAIR_LEAD if row.is_paired else now
        run = Run(
            id=uuid4(),
            assignment=row,
            schedule_revision=test.schedule_revision,
            start_at=start_at,
            end_at=start_at + timedelta(seconds=test.duration_seconds),
            is_on_demand=True,
            requested_by=read_actor().user,
        )
        runs.append(run)
    reservations = reserve_runs(
        Proposal(run, run.start_at + ON_DEMAND_PATIENCE, ON_DEMAND_PATIENCE) for run in runs
    )
    Run.objects.bulk_create(runs)
    store_reservations(reservations)
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
        release_runs(Run.objects.filter(id__in=[run.id for run in runs]), now=now)
        wake(one for run in runs for one in run.assignment.participant_ids)
        record_audit(action="stop", target=test, after={"runs": [str(run.id) for run in runs]})
    return len(runs)
