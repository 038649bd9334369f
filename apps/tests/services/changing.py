"""Making, changing, pausing and deleting tests; a change starts a new revision of the schedule."""

from collections.abc import Iterable

from apps.accounts.actors import read_actor
from apps.accounts.services import audited, record_audit
from apps.clients.models import Client
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.tests.models import Test
from apps.tests.published import TestChanged
from apps.tests.services.bearing import refuse_members
from apps.tests.services.booking import book_clients, lock_test, take_back_runs, wake
from apps.tests.services.definition import (
    TestDefinition,
    apply_definition,
    check_definition,
    describe_test,
    refuse_deleted,
    refuse_taken_name,
)
from apps.tests.services.pairing import list_members
from apps.tests.services.planning import plan_test
from apps.tests.services.quotas import refuse_beyond_quotas
from apps.tests.services.selection import choose_clients, count_asked


@audited()
def create_test(definition: TestDefinition, *, clients: Iterable[Client] = ()) -> Test:
    """The stored test, assigned to `clients`, or to those that its rule chooses.

    Raises: Invalid naming each wrong field and its limit or deleted clients, Conflict for a name
    that is taken or a quota that it would break.
    """
    checked = check_definition(definition)
    refuse_taken_name(checked.name)
    test = Test(created_at=read_now(), created_by=read_actor().user)
    apply_definition(test, checked)
    is_named = test.selection_kind == Test.SelectionKind.CLIENTS
    client_ids = [client.id for client in clients] if is_named else []
    refuse_deleted(client_ids)
    refuse_members(test, set(client_ids))
    refuse_beyond_quotas(test, client_ids=client_ids, count=count_asked(test))
    test.save(force_insert=True)
    record_audit(action="create", target=test, after=describe_test(test))
    if client_ids:
        book_clients(test=test, client_ids=client_ids)
    choose_clients(test=test)
    test.refresh_from_db(fields=["selection_note"])
    publish(TestChanged(test.id))
    return test


@audited()
def change_test(
    test: Test, definition: TestDefinition, *, clients: Iterable[Client] | None = None
) -> Test:
    """The test with its new definition; runs planned by the old one are taken back.

    `clients` are those that run it from now on where they are named; left out, the same as so far.
    Raises: Invalid naming each wrong field and its limit or deleted clients, Conflict for a name
    that is taken or a quota that it would break.
    """
    checked = check_definition(definition)
    locked = lock_test(test)
    refuse_taken_name(checked.name, except_id=locked.id)
    before, had = describe_test(locked), locked.topology
    members = list_members(locked)
    apply_definition(locked, checked)
    is_named = locked.selection_kind == Test.SelectionKind.CLIENTS
    if is_named:
        members = members - {locked.hub_id} if clients is None else {one.id for one in clients}
        refuse_deleted(members)
        refuse_members(locked, members, is_chosen=clients is not None)
    refuse_beyond_quotas(locked, client_ids=sorted(members), count=count_asked(locked))
    locked.selection_note = ""
    locked.save()
    restart_schedule(locked)
    record_audit(action="change", target=locked, before=before, after=describe_test(locked))
    # Who measures to whom may be different now, whoever the clients are.
    if is_named and (clients is not None or had or locked.topology):
        book_clients(test=locked, client_ids=members)
    choose_clients(test=locked)
    locked.refresh_from_db(fields=["selection_note"])
    return locked


def refuse_for_bearers(test: Test) -> None:
    """Refuse the locked test as it is to be, when those who have it now cannot bear it."""
    members = sorted(list_members(test))
    refuse_beyond_quotas(test, client_ids=members, count=count_asked(test))


def restart_schedule(test: Test) -> None:
    """Plan the locked test anew under the next revision, whose slots have ids of their own."""
    assignments = list(test.assignments.filter(removed_at=None))
    take_back_runs([row.id for row in assignments], "schedule changed")
    test.schedule_revision += 1
    test.save(update_fields=["schedule_revision"])
    test.assignments.update(planned_until=None)
    plan_test(test)
    wake(one for row in assignments for one in row.participant_ids)
    publish(TestChanged(test.id))


def pause_test(*, test: Test) -> None:
    """Plan no more runs until it is resumed; a run that is running goes on to its end."""
    set_paused(test, is_paused=True)


def resume_test(*, test: Test) -> None:
    """Plan runs again, on those clients that its rule chooses by now.

    Raises: Conflict(quota_exceeded) naming whose limit it would break.
    """
    set_paused(test, is_paused=False)


@audited()
def set_paused(test: Test, *, is_paused: bool) -> None:
    locked = lock_test(test)
    if locked.is_paused != is_paused:
        locked.is_paused = is_paused
        refuse_for_bearers(locked)
        locked.save(update_fields=["is_paused"])
        restart_schedule(locked)
        record_audit(action="pause" if is_paused else "resume", target=locked)
        choose_clients(test=locked)
    test.refresh_from_db()


@audited()
def delete_test(*, test: Test) -> None:
    """Remove the test with its runs and everything measured by it."""
    locked = lock_test(test)
    assignments = list(locked.assignments.select_related("source"))
    wake(one for row in assignments for one in row.participant_ids)
    record_audit(action="delete", target=locked, before=describe_test(locked))
    sources = [row.source for row in assignments if row.source is not None]
    locked.delete()
    for source in sources:
        source.delete()
    publish(TestChanged(test.id))
