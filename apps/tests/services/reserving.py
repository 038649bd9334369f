"""Exclusive runs: each has its participants to itself, whoever plans what at the same moment."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.clients.models import Client
from apps.core.clock import format_moment
from apps.tests.algorithms.reservations import Span, place_run, widen
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Calendar, Reservation, Run, Test

# Before and after an exclusive run its participants are left alone, so that clocks that differ
# and starts that are late by the 5 s which agents allow themselves bring no two together.
MARGIN = timedelta(seconds=10)
ROWS_PER_STATEMENT = 500
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A run that is not stored yet, and the latest moment to which its start may be moved."""

    run: Run
    latest_at: datetime
    # How late it may begin beyond its start, which is reserved as well.
    patience: timedelta = timedelta()


def is_exclusive(test: Test) -> bool:
    return KINDS[test.kind].is_exclusive(test.parameters)


def reserve_runs(proposals: Iterable[Proposal]) -> list[Reservation]:
    """Reservations for the exclusive runs among the proposals; they are not stored yet.

    A run that meets another on a participant, or on a client that shares an uplink with one, is
    moved to the next free time until its latest start; one for which there is none is `nonstart`
    and names what is in its way. Their calendars stay locked until the transaction ends.
    """
    exclusive = [one for one in proposals if is_exclusive(one.run.assignment.test)]
    if not exclusive:
        return []
    bearers = lock_bearers([one.run.assignment for one in exclusive])
    earliest = min(one.run.start_at for one in exclusive) - MARGIN
    latest = max(one.latest_at + find_length(one) for one in exclusive) + MARGIN
    concerned = {one for ids in bearers.values() for one in ids}
    taken = read_taken(concerned, earliest, latest)
    made: list[Reservation] = []
    for proposal in sorted(exclusive, key=lambda one: (one.run.start_at, one.run.id)):
        client_ids = bearers[proposal.run.assignment_id]
        span = find_place(proposal, [one for key in client_ids for one in taken.get(key, ())])
        if span is None:
            continue
        for client_id in client_ids:
            taken.setdefault(client_id, []).append(span)
            made.append(
                Reservation(
                    run=proposal.run, client_id=client_id, start_at=span.start, end_at=span.end
                )
            )
    return made


def find_place(proposal: Proposal, taken: Collection[Span]) -> Span | None:
    """The time that the run gets, to which it is moved; without any it is `nonstart`."""
    run = proposal.run
    wanted = widen(run.start_at, run.end_at + proposal.patience, run.id, MARGIN)
    placing = place_run(wanted, latest=proposal.latest_at - MARGIN, taken=taken)
    if placing.span is None:
        run.state = Run.State.NONSTART
        run.reason = explain_blocker(placing.blocker)
        return None
    moved = placing.span.start - wanted.start
    run.start_at += moved
    run.end_at += moved
    return placing.span


def explain_blocker(blocker: Span | None) -> str:
    if blocker is None:
        return "no free time for an exclusive run"
    until = format_moment(blocker.end)
    return f"no free time inside its random delay: the run {blocker.run_id} is first until {until}"


def lock_bearers(assignments: Collection[Assignment]) -> dict[UUID, list[UUID]]:
    """Whose time a run of each assignment takes: its participants and who shares their uplinks.

    The calendars of all of them are locked, in the order of their ids.
    """
    ids = {client_id for row in assignments for client_id in row.participant_ids}
    groups = Client.objects.filter(id__in=ids).exclude(link_group="").values("link_group")
    concerned = Client.objects.filter(Q(id__in=ids) | Q(link_group__in=groups)).order_by("id")
    group_of = dict(concerned.values_list("id", "link_group"))
    lock_calendars(group_of)
    mates: dict[str, set[UUID]] = {}
    for client_id, group in group_of.items():
        mates.setdefault(group, set()).add(client_id)
    return {
        row.id: sorted(
            {one for key in row.participant_ids for one in list_mates(key, group_of, mates)}
        )
        for row in assignments
    }


def lock_calendars(client_ids: Iterable[UUID]) -> None:
    ordered = sorted(client_ids)
    rows = Calendar.objects.filter(client_id__in=ordered)
    known = set(rows.values_list("client_id", flat=True))
    missing = [Calendar(client_id=client_id) for client_id in ordered if client_id not in known]
    Calendar.objects.bulk_create(missing, ignore_conflicts=True)
    list(rows.order_by("client_id").select_for_update(no_key=True))


def list_mates(
    client_id: UUID, group_of: Mapping[UUID, str], mates: Mapping[str, set[UUID]]
) -> set[UUID]:
    group = group_of.get(client_id, "")
    return mates[group] if group else {client_id}


def find_length(proposal: Proposal) -> timedelta:
    return proposal.run.end_at - proposal.run.start_at + proposal.patience


def read_taken(
    client_ids: Collection[UUID], earliest: datetime, latest: datetime
) -> dict[UUID, list[Span]]:
    """What is reserved between those moments on the clients, whose calendars are locked."""
    rows = Reservation.objects.filter(
        client_id__in=client_ids, end_at__gt=earliest, start_at__lt=latest
    ).order_by()
    found: dict[UUID, list[Span]] = {}
    for client_id, start, end, run_id in rows.values_list(
        "client_id", "start_at", "end_at", "run_id"
    ):
        found.setdefault(client_id, []).append(Span(start, end, run_id))
    return found


def store_reservations(rows: Collection[Reservation]) -> None:
    Reservation.objects.bulk_create(rows, batch_size=ROWS_PER_STATEMENT)


def release_runs(runs: QuerySet[Run], *, now: datetime) -> None:
    """Free the time of runs that do not take place, or stop now."""
    mine = Reservation.objects.filter(run__in=runs.order_by().values("id"))
    mine.filter(start_at__gt=now + MARGIN).delete()
    mine.filter(end_at__gt=now + MARGIN).update(end_at=now + MARGIN)


def note_overlaps(run: Run, *, started_at: datetime, finished_at: datetime) -> None:
    """Mark the run that just ended, or the others beside it, when one of them was exclusive.

    Times are the agent's, so that those of an exclusive run count only inside what it reserved.
    """
    if is_exclusive(run.assignment.test):
        mark_neighbours(run, started_at=started_at, finished_at=finished_at)
        return
    beside = Reservation.objects.filter(
        client_id__in=run.assignment.participant_ids,
        start_at__lt=finished_at,
        end_at__gt=started_at,
        run__started_at__lt=finished_at,
        run__finished_at__gt=started_at,
    )
    if beside.exists():
        Run.objects.filter(id=run.id).update(is_overlapped=True)
        run.is_overlapped = True


def mark_neighbours(run: Run, *, started_at: datetime, finished_at: datetime) -> None:
    rows = list(run.reservations.values_list("client_id", "start_at", "end_at"))
    if not rows:
        return
    begin, end = max(started_at, rows[0][1]), min(finished_at, rows[0][2])
    run.reservations.filter(end_at__gt=end + MARGIN).update(end_at=end + MARGIN)
    client_ids = [client_id for client_id, _start, _end in rows]
    beside = Run.objects.filter(
        Q(assignment__client_id__in=client_ids) | Q(assignment__peer_id__in=client_ids),
        start_at__gt=begin - 2 * DAY,
        start_at__lt=end + DAY,
        started_at__lt=end,
        is_overlapped=False,
    ).exclude(id=run.id)
    # One that is still running, or is being closed at this moment, was beside it as well.
    beside = beside.filter(Q(finished_at__gt=begin) | Q(state=Run.State.RUNNING))
    ids = [
        one.id
        for one in beside.select_related("assignment__test")
        if not is_exclusive(one.assignment.test)
    ]
    # Locked in the order of their ids, so that two runs that end at once never wait in a circle.
    locked = Run.objects.select_for_update().filter(id__in=ids).order_by("id")
    Run.objects.filter(id__in=list(locked.values_list("id", flat=True))).update(is_overlapped=True)
