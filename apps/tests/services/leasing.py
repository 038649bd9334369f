"""Handing runs to agents ahead of time, so that they keep time without the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from apps.clients.algorithms.recurrence import Occurrence
from apps.clients.models import Client
from apps.clients.selectors import list_pauses
from apps.core.clock import format_moment, read_now, to_milliseconds
from apps.tests.algorithms.slots import Schedule
from apps.tests.models import Assignment, Run
from apps.tests.services.pausing import PAUSES_AHEAD, tell_agents
from apps.tests.services.peers import RunPeer, find_run_peers
from apps.tests.services.planning import ON_DEMAND_PATIENCE, describe_schedule
from apps.tests.services.reserving import MARGIN, is_exclusive

CANCELLED_FOR = timedelta(minutes=10)
RUNS_PER_LEASE = 2000
# Agents ask for their orders every 10 s.
SOON = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Lease:
    """What an agent is to do until the horizon; `as_document` is the wire's answer."""

    client_id: UUID
    server_time: datetime
    horizon_end: datetime
    schedule_revision: int
    assignments: list[Assignment]
    runs: list[Run]
    cancelled: list[Run]
    pauses: list[Occurrence]
    # Of the runs that need two: the other end of each, by its id.
    peers: Mapping[UUID, RunPeer]

    def as_document(self) -> dict[str, Any]:
        return {
            "server_time": format_moment(self.server_time),
            "schedule_revision": self.schedule_revision,
            "horizon_end": format_moment(self.horizon_end),
            "assignments": [describe_assignment(row, self.client_id) for row in self.assignments],
            "runs": [describe_run(run, self.peers.get(run.id)) for run in self.runs],
            "cancelled": [str(run.id) for run in self.cancelled],
            "pauses": [describe_pause(pause) for pause in self.pauses],
        }


def describe_assignment(row: Assignment, client_id: UUID) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": str(row.id),
        "test_id": str(row.test_id),
        "name": row.test.name,
        "kind": row.test.kind,
        "target": row.test.target.address if row.test.target else None,
        "parameters": row.test.parameters,
        "schedule": describe_rhythm(describe_schedule(row)),
        "duration_seconds": row.test.duration_seconds,
        "sample_interval_seconds": row.test.sample_interval_seconds,
        # A paused test stays in the lease while a run asked for by hand needs its definition.
        "is_self_derivable": not (row.test.is_paused or row.is_paired or is_exclusive(row.test)),
    }
    if row.is_paired:
        document["role"] = "initiator" if row.client_id == client_id else "responder"
    if is_exclusive(row.test):
        document["is_exclusive"] = True
    return document


def describe_rhythm(schedule: Schedule) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": schedule.kind,
        "revision": schedule.revision,
        "anchor_ms": schedule.anchor_ms,
        "every_ms": schedule.every_ms,
        "slip_ms": schedule.slip_ms,
    }
    if schedule.kind == "cron":
        document |= {"expression": schedule.expression, "time_zone": schedule.time_zone}
    return document


def describe_pause(pause: Occurrence) -> dict[str, int]:
    return {"start_ms": to_milliseconds(pause.start), "end_ms": to_milliseconds(pause.end)}


def describe_run(run: Run, peer: RunPeer | None = None) -> dict[str, Any]:
    document = {
        "id": str(run.id),
        "assignment_id": str(run.assignment_id),
        "slot": run.slot,
        "start_ms": to_milliseconds(run.start_at),
        "duration_seconds": (run.end_at - run.start_at).total_seconds(),
        "is_on_demand": run.is_on_demand,
    }
    return document if peer is None else {**document, "peer": peer.as_document()}


@transaction.atomic
def grant_lease(*, client: Client, horizon_seconds: float) -> Lease:
    """The client's assignments and the runs it is to start inside the horizon, now leased to it."""
    now = read_now()
    # Read before the rest: what changes from here on is for the next lease, under a newer number.
    revision = Client.objects.values_list("schedule_revision", flat=True).get(id=client.id)
    horizon_end = now + timedelta(seconds=min(horizon_seconds, settings.SWARM_HORIZON_SECONDS))
    duties = lease_duties(client, now, horizon_end)
    runs = list_leasable_runs(client, now, horizon_end)
    new = [run.id for run in runs if run.state == Run.State.SCHEDULED]
    Run.objects.filter(id__in=new, state=Run.State.SCHEDULED).update(
        state=Run.State.LEASED, leased_at=now
    )
    assignments = list_definitions(client, [*runs, *duties])
    cancelled = list_taken_back(client, now)
    pauses = list_pauses(client, start=now, end=now + PAUSES_AHEAD)
    horizon_end = limit_horizon(horizon_end, now, assignments, runs)
    peers = find_run_peers(client.id, [*runs, *duties], {row.id: row for row in assignments})
    return Lease(
        client.id, now, horizon_end, revision, assignments, [*runs, *duties], cancelled, pauses,
        peers,
    )  # fmt: skip


def lease_duties(client: Client, now: datetime, horizon_end: datetime) -> list[Run]:
    """The runs of others that the client is to answer, which their initiators may have by now."""
    if not Assignment.objects.filter(peer=client, removed_at=None).exists():
        return []
    duties = list_open_runs(Q(assignment__peer=client), now, horizon_end)
    new = [run for run in duties if run.peer_leased_at is None]
    Run.objects.filter(id__in=[run.id for run in new], peer_leased_at=None).update(
        peer_leased_at=now
    )
    # What begins later is fetched in time by the agents' own rhythm.
    soon = [run.assignment_id for run in new if run.start_at < now + SOON]
    waiting = Assignment.objects.filter(id__in=soon).order_by()
    tell_agents(set(waiting.values_list("client_id", flat=True)) if soon else set())
    return duties


def list_definitions(client: Client, runs: Sequence[Run]) -> list[Assignment]:
    """The client's assignments and those that it answers; of paused tests what is still needed."""
    taking_part = Q(assignment__client=client) | Q(assignment__peer=client)
    running = Run.objects.filter(taking_part, state=Run.State.RUNNING)
    needed = {run.assignment_id for run in runs}
    needed |= set(running.values_list("assignment_id", flat=True))
    rows = Assignment.objects.filter(Q(client=client) | Q(peer=client), removed_at=None)
    return [
        row
        for row in rows.select_related("test__target").order_by("id")
        if not row.test.is_paused or row.id in needed
    ]


def list_taken_back(client: Client, now: datetime) -> list[Run]:
    """Runs leased earlier that must stop, or must not start: cancelled, or paused before it.

    Of runs that the client answers those as well that are over, so that it listens no longer.
    """
    is_cancelled = Q(state=Run.State.CANCELLED, end_at__gt=now - CANCELLED_FOR, result=None)
    # One whose start has passed may have begun; that goes on to its end.
    is_paused = Q(state=Run.State.PAUSED, start_at__gt=now)
    own = Run.objects.filter(assignment__client=client, leased_at__isnull=False)
    found = list(own.filter(is_cancelled | is_paused).only("id"))
    is_over = Q(end_at__gt=now - ON_DEMAND_PATIENCE - MARGIN) & ~Q(state__in=Run.OPEN_STATES)
    duties = Run.objects.filter(assignment__peer=client, peer_leased_at__isnull=False)
    return [*found, *duties.filter(is_over | is_cancelled | is_paused).only("id")]


def limit_horizon(
    horizon_end: datetime, now: datetime, assignments: list[Assignment], runs: list[Run]
) -> datetime:
    """How far the lease is complete: from there on the agent derives its slots by itself.

    Nearer than the horizon when the planner is behind, or when there were too many runs to send.
    """
    planned = [row.planned_until or now for row in assignments if not row.test.is_paused]
    cut = [runs[-1].start_at] if len(runs) >= RUNS_PER_LEASE else []
    return max(now, min([horizon_end, *planned, *cut]))


def list_leasable_runs(client: Client, now: datetime, horizon_end: datetime) -> list[Run]:
    """The client's open runs; those with a far end once that has them, and is there to answer."""
    is_ready = Q(assignment__is_paired=False) | Q(peer_leased_at__isnull=False)
    return list_open_runs(Q(assignment__client=client) & is_ready, now, horizon_end)


def list_open_runs(whose: Q, now: datetime, horizon_end: datetime) -> list[Run]:
    """Open runs that begin before the horizon and whose end, or patience, is not over."""
    open_runs = Run.objects.filter(
        whose,
        assignment__removed_at=None,
        state__in=Run.OPEN_STATES,
        start_at__lt=horizon_end,
    )
    planned = open_runs.filter(is_on_demand=False, end_at__gt=now).filter(
        # A run of an earlier schedule is left only while it is running.
        Q(state=Run.State.RUNNING)
        | Q(
            assignment__test__is_paused=False,
            schedule_revision=F("assignment__test__schedule_revision"),
        )
    )
    asked_for = open_runs.filter(is_on_demand=True, start_at__gt=now - ON_DEMAND_PATIENCE)
    return [*asked_for.order_by("start_at"), *planned.order_by("start_at")[:RUNS_PER_LEASE]]
