"""Which clients run a test: giving it to some, taking it from others, for many at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client
from apps.clients.services import wake_schedules
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.metrics.services import know_sources
from apps.tests.models import Assignment, Run, Test
from apps.tests.published import ScheduleChanged, TestChanged
from apps.tests.services.bearing import refuse_members
from apps.tests.services.definition import refuse_deleted
from apps.tests.services.pairing import Ends, list_ends
from apps.tests.services.planning import plan_locked
from apps.tests.services.quotas import refuse_beyond_quotas
from apps.tests.services.reserving import release_runs

ROWS_PER_STATEMENT = 500
LABELS_AUDITED = 200
PLANNED_AT_ONCE = 50


def lock_test(test: Test) -> Test:
    """The test as it is stored right now, locked; every change begins here.

    Locks are taken in the order test, user, clients, audit, so that two changes never wait in a
    circle.
    Raises: NotFound when it was deleted meanwhile.
    """
    locked = Test.objects.select_for_update(no_key=True).filter(id=test.id).first()
    if locked is None:
        raise NotFound("test_unknown", "There is no such test any more.")
    return locked


@audited()
def assign_clients(*, test: Test, clients: Iterable[Client]) -> None:
    """Make exactly `clients` run the test; whoever is taken away keeps its history.

    Raises: Conflict(chosen_by_rule) for a test that chooses its clients itself, Invalid naming
    those that were deleted, Conflict(quota_exceeded) naming whose limit it would break.
    """
    locked = lock_test(test)
    if locked.selection_kind != Test.SelectionKind.CLIENTS:
        raise Conflict(
            "chosen_by_rule",
            "This test chooses its clients by a rule; change its selection to name them.",
            field="clients",
        )
    client_ids = [client.id for client in clients]
    refuse_deleted(client_ids)
    refuse_members(locked, set(client_ids))
    refuse_beyond_quotas(locked, client_ids=client_ids)
    book_clients(test=locked, client_ids=client_ids)


def book_clients(*, test: Test, client_ids: Iterable[UUID], reason: str = "") -> None:
    """Make exactly those clients run the locked test; a handful of queries for any number.

    Of a test for two participants they are the members, whose pairs its topology says. Whoever
    calls it has looked after quotas. The reason, if there is one, stands in the audit.
    """
    wanted = list_ends(test, client_ids)
    known = {
        (row.client_id, row.peer_id): row
        for row in test.assignments.all()
        # One whose far end is deleted is history.
        if row.is_paired == (row.peer_id is not None)
    }
    active = {ends for ends, row in known.items() if row.removed_at is None}
    added = [ends for ends in wanted if ends not in active]
    removed = [ends for ends in known if ends in active - set(wanted)]
    remove_assignments([known[ends] for ends in removed])
    add_assignments(test, added, known)
    if added or removed:
        wake(one for ends in (*added, *removed) for one in ends if one is not None)
        audit_booking(test, before=active, after=set(wanted), reason=reason)
    publish(TestChanged(test.id))


def remove_assignments(rows: Sequence[Assignment]) -> None:
    if not rows:
        return
    ids = [row.id for row in rows]
    # Runs before their assignment, as a result that comes in locks them.
    take_back_runs(ids, "assignment removed")
    Assignment.objects.filter(id__in=ids).update(removed_at=read_now())


def add_assignments(test: Test, added: Sequence[Ends], known: Mapping[Ends, Assignment]) -> None:
    now = read_now()
    returning = [known[ends] for ends in added if ends in known]
    forget_cancelled_runs(returning)
    fresh = [
        Assignment(
            test=test,
            client_id=client_id,
            peer_id=peer_id,
            is_paired=peer_id is not None,
            created_at=now,
        )
        for client_id, peer_id in added
        if (client_id, peer_id) not in known
    ]
    rows = [*returning, *fresh]
    without_source = [row for row in rows if row.source_id is None]
    sources = know_sources(
        kind="assignment", subjects={row.id: row.client_id for row in without_source}
    )
    for row in rows:
        row.test = test
        row.removed_at = None
        row.planned_until = None
        row.plan_again_at = None
        if row.source_id is None:
            row.source_id = sources[row.id]
    Assignment.objects.bulk_create(fresh, batch_size=ROWS_PER_STATEMENT)
    Assignment.objects.bulk_update(
        returning,
        ["removed_at", "planned_until", "plan_again_at", "source"],
        batch_size=ROWS_PER_STATEMENT,
    )
    if rows and not test.is_paused:
        # The planner makes the runs of the others at its next tick; their leases end until then.
        at_once = rows[:PLANNED_AT_ONCE]
        plan_locked(at_once, now, timedelta(seconds=settings.SWARM_HORIZON_SECONDS))


def audit_booking(
    test: Test, *, before: Collection[Ends], after: Collection[Ends], reason: str
) -> None:
    """Write down who came, who went and why: the entry is read as the history of moves."""
    had, has = list_participants(before), list_participants(after)
    names = dict(Client.objects.filter(id__in=had ^ has).values_list("id", "name"))
    went: dict[str, Any] = {"clients": label_clients(sorted(had - has), names), "count": len(had)}
    came: dict[str, Any] = {"clients": label_clients(sorted(has - had), names), "count": len(has)}
    if test.topology:
        went["pairs"], came["pairs"] = len(before), len(after)
    if reason:
        came["reason"] = reason
    record_audit(action="assign", target=test, before=went, after=came)


def list_participants(ends: Collection[Ends]) -> set[UUID]:
    return {one for pair in ends for one in pair if one is not None}


def label_clients(client_ids: Sequence[UUID], names: dict[UUID, str]) -> list[str]:
    labels = sorted(names.get(client_id, str(client_id)) for client_id in client_ids)
    more = len(labels) - LABELS_AUDITED
    return [*labels[:LABELS_AUDITED], f"and {more} more"] if more > 0 else labels


def forget_cancelled_runs(rows: Sequence[Assignment]) -> None:
    """Make room for the same slots again, which were cancelled when the clients went."""
    if rows:
        Run.objects.filter(
            assignment_id__in=[row.id for row in rows],
            state=Run.State.CANCELLED,
            is_on_demand=False,
            result=None,
            start_at__gt=read_now(),
        ).delete()


def wake(client_ids: Iterable[UUID]) -> None:
    """Let the agents of these clients fetch their schedule now."""
    unique = tuple(sorted(set(client_ids)))
    wake_schedules(unique)
    publish(ScheduleChanged(unique))


def take_back_runs(assignment_ids: Iterable[UUID], reason: str) -> None:
    """Forget future runs that no agent has seen, and cancel those that one holds."""
    now = read_now()
    mine = Run.objects.filter(assignment_id__in=list(assignment_ids))
    waiting = mine.filter(
        Q(state__in=[Run.State.SCHEDULED, Run.State.LEASED])
        | Q(state=Run.State.PAUSED, start_at__gt=now)
    )
    unseen = waiting.filter(leased_at=None, peer_leased_at=None)
    unseen.exclude(state=Run.State.LEASED).delete()
    release_runs(waiting, now=now)
    waiting.update(state=Run.State.CANCELLED, reason=reason, finished_at=now)
