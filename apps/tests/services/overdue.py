"""Runs that ended without a result, or never began: closed with the reason."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from apps.clients.models import Client
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.tests.models import Run
from apps.tests.published import RunFinished
from apps.tests.services.pausing import tell_agents
from apps.tests.services.planning import ON_DEMAND_PATIENCE
from apps.tests.services.reserving import release_runs

MISSED_GRACE = timedelta(seconds=90)
# For as long after its start a paired run may still be handed to its initiator.
PAIR_PATIENCE = timedelta(seconds=5)
OVERDUE_PER_TICK = 1000
REASON_LENGTH = 255


def close_overdue_runs(*, now: datetime | None = None) -> int:
    """How many runs were closed: those that were missed, and those whose far end was not there.

    A result that comes in later, from an agent that was cut off, still closes its run properly.
    """
    moment = now or read_now()
    return close_missed_runs(moment) + close_lonely_runs(moment)


def close_missed_runs(now: datetime) -> int:
    """How many runs were marked missed: their end passed without a result."""
    rows = Run.objects.filter(state__in=Run.OPEN_STATES, end_at__lt=now - MISSED_GRACE)
    late = {"is_on_demand": True, "end_at__gte": now - MISSED_GRACE - ON_DEMAND_PATIENCE}
    with transaction.atomic():
        overdue = claim_runs(rows.exclude(**late))
        for run in overdue:
            was_running = run.state == Run.State.RUNNING
            run.reason = "no result came" if was_running else "not started by the agent"
        close_runs(overdue, Run.State.MISSED)
    return len(overdue)


def close_lonely_runs(now: datetime) -> int:
    """How many paired runs do not take place, because the far end did not fetch them in time."""
    rows = Run.objects.filter(
        state=Run.State.SCHEDULED,
        assignment__is_paired=True,
        peer_leased_at=None,
        start_at__lt=now - PAIR_PATIENCE,
    ).exclude(is_on_demand=True, start_at__gte=now - ON_DEMAND_PATIENCE)
    with transaction.atomic():
        lonely = claim_runs(rows)
        for run in lonely:
            run.reason = explain_absence(run.assignment.peer)[:REASON_LENGTH]
        close_runs(lonely, Run.State.NONSTART)
        release_runs(Run.objects.filter(id__in=[run.id for run in lonely]), now=now)
        tell_agents({run.assignment.client_id for run in lonely})
    return len(lonely)


def explain_absence(peer: Client | None) -> str:
    """Why the far end did not take part, as far as the server knows."""
    if peer is None or peer.deleted_at is not None:
        return "its far end was deleted"
    if peer.presence in {Client.Presence.OFFLINE, Client.Presence.NEVER}:
        return f"{peer.name} did not fetch the run in time: it is {peer.presence}"
    return f"{peer.name} did not fetch the run in time"


def claim_runs(rows: QuerySet[Run]) -> list[Run]:
    rows = rows.select_related("assignment__peer").order_by("id")
    return list(rows.select_for_update(of=("self",), skip_locked=True)[:OVERDUE_PER_TICK])


def close_runs(runs: list[Run], state: str) -> None:
    for run in runs:
        run.state = state
        publish(describe_end(run))
    Run.objects.bulk_update(runs, ["state", "reason"])


def describe_end(run: Run) -> RunFinished:
    assignment = run.assignment
    return RunFinished(run.id, assignment.id, assignment.test_id, assignment.client_id, run.state)
