"""Changes that meet: the later one waits for the earlier, and goes on from what it left."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import AuditEntry
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.core.errors import Conflict
from apps.tests.algorithms.quotas import Limits
from apps.tests.models import Assignment, Result, Run, Test
from apps.tests.services import (
    assign_clients,
    change_test,
    choose_clients,
    grant_lease,
    mark_running,
    pause_test,
    plan_runs,
    record_result,
    results,
    resume_test,
    run_now,
    set_quota,
)
from apps.tests.services.results import NewResult
from tests.factories.clients import INVENTORY, make_client, make_tag
from tests.factories.tests import define, forget_plans, make_assignment, make_run, make_test
from tests.factories.threads import run_together
from tests.servers.waiting import wait_until

WAIT_SECONDS = 30
WAITERS = (
    "SELECT count(*) FROM pg_locks"
    " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)

pytestmark = pytest.mark.django_db(transaction=True)


def on_postgresql(test):
    """SQLite lets one transaction write at a time, so that none can meet another there."""
    skips = pytest.mark.skipif(connection.vendor != "postgresql", reason="transactions must meet")
    return pytest.mark.postgresql(skips(test))


def is_waited_for():
    """Whether another session waits for a lock of this one."""
    with connection.cursor() as cursor:
        cursor.execute(WAITERS)
        return cursor.fetchone()[0] > 0


def start_behind(pool, work):
    """`work` in a session of its own; it has ended, or waits for this session, on return."""

    def run():
        try:
            return work()
        finally:
            connections.close_all()

    behind = pool.submit(run)
    wait_until(lambda: behind.done() or is_waited_for(), seconds=WAIT_SECONDS)
    return behind


def run_behind(first, work):
    """What `work` returned, which began after `first` was done and before it was committed."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            behind = start_behind(pool, work)
        return behind.result(WAIT_SECONDS)


def list_scheduled():
    return Run.objects.filter(state=Run.State.SCHEDULED)


def build_result(run):
    now = read_now()
    return NewResult(
        run_id=run.id,
        assignment_id=run.assignment_id,
        slot=run.slot,
        revision=run.schedule_revision,
        started_at=now,
        finished_at=now,
        outcome="completed",
        reason="",
        is_success=True,
        method="icmp",
        values={},
        absent={},
        facts={},
        document={},
    )


@on_postgresql
def test_pausing_takes_back_what_a_planner_was_just_making():
    test = make_assignment(make_client()).test
    forget_plans()
    run_behind(plan_runs, lambda: pause_test(test=test))
    assert not list_scheduled().exists()


@on_postgresql
def test_changing_takes_back_what_a_planner_was_just_making():
    test = make_assignment(make_client()).test
    forget_plans()
    run_behind(plan_runs, lambda: change_test(test, define(every_seconds=30.0)))
    assert set(list_scheduled().values_list("schedule_revision", flat=True)) == {2}


@on_postgresql
def test_a_planner_leaves_a_test_alone_that_is_just_being_paused():
    test = make_assignment(make_client()).test
    forget_plans()
    assert run_behind(lambda: pause_test(test=test), plan_runs) == 0
    assert not list_scheduled().exists()


@on_postgresql
def test_of_two_changes_at_once_the_second_goes_on_from_the_first():
    test = make_test("Loopback", make_client())
    run_behind(
        lambda: change_test(Test.objects.get(), define(every_seconds=30.0)),
        lambda: change_test(test, define(every_seconds=20.0)),
    )
    stored = Test.objects.get()
    assert (stored.schedule_revision, stored.every_seconds) == (3, 20.0)
    first, second = AuditEntry.objects.filter(action="change").order_by("id")
    assert second.before == first.after
    assert set(list_scheduled().values_list("schedule_revision", flat=True)) == {3}


@on_postgresql
def test_a_change_that_waited_for_a_pause_leaves_the_test_paused():
    test = make_test("Loopback", make_client())
    run_behind(
        lambda: pause_test(test=Test.objects.get()),
        lambda: change_test(test, define(every_seconds=20.0)),
    )
    assert Test.objects.get().is_paused
    assert not list_scheduled().exists()


@on_postgresql
def test_a_sample_that_waited_for_the_result_does_not_open_the_run_again():
    run = make_run(make_assignment(make_client()), state=Run.State.LEASED)
    client_id, now = run.assignment.client_id, read_now()
    run_behind(
        lambda: record_result(client_id=client_id, result=build_result(run), received_at=now),
        lambda: mark_running(client_id=client_id, run_ids=[run.id], at=now),
    )
    run.refresh_from_db()
    assert run.state == "finished"


@on_postgresql
def test_a_lease_that_met_a_change_is_known_to_be_out_of_date():
    """Whoever holds it sees a newer number in the next heartbeat and asks again."""
    probe = make_client()
    test = make_test("Loopback", probe)
    lease = run_behind(
        lambda: change_test(test, define(every_seconds=30.0)),
        lambda: grant_lease(client=probe, horizon_seconds=900.0),
    )
    assert {run.schedule_revision for run in lease.runs} == {1}
    assert lease.schedule_revision < Client.objects.get().schedule_revision
    again = grant_lease(client=probe, horizon_seconds=900.0)
    assert {run.schedule_revision for run in again.runs} == {2}


@on_postgresql
def test_a_result_and_taking_its_client_away_never_wait_in_a_circle(monkeypatch):
    run = make_run(make_assignment(make_client()), state=Run.State.LEASED)
    test, close = run.assignment.test, results.close_run
    started = []

    with ThreadPoolExecutor(1) as pool:

        def meet_assign(*arguments):
            close(*arguments)
            started.append(start_behind(pool, lambda: assign_clients(test=test, clients=[])))

        monkeypatch.setattr(results, "close_run", meet_assign)
        with transaction.atomic():
            record_result(
                client_id=run.assignment.client_id,
                result=build_result(run),
                received_at=read_now(),
            )
        started[0].result(WAIT_SECONDS)
    run.refresh_from_db()
    assert (run.state, Result.objects.count()) == ("finished", 1)
    assert run.assignment.last_run_state == "finished"
    assert run.assignment.removed_at is not None


def test_many_changes_of_shared_clients_at_once_all_succeed():
    clients = [make_client(f"probe-{n}") for n in range(4)]
    tests = [make_test(f"test-{n}", *clients) for n in range(2)]

    def change(number):
        # Each thread names the clients in another order, and meets others at the same test.
        test = tests[number % 2]
        turned = clients[number % 4 :] + clients[: number % 4]
        # Another thread's may be open.
        with suppress(Conflict):
            run_now(test=test)
        pause_test(test=test)
        assign_clients(test=test, clients=turned)
        resume_test(test=test)
        return change_test(test, define(test.name, every_seconds=20.0 + number)).id

    assert run_together(8, change) == [tests[n % 2].id for n in range(8)]
    for test in Test.objects.all():
        planned = list_scheduled().filter(assignment__test=test, is_on_demand=False)
        assert set(planned.values_list("schedule_revision", flat=True)) == {test.schedule_revision}
    revisions = set(Client.objects.values_list("schedule_revision", flat=True))
    # Each change, and of each test one run, pause and resume at least.
    assert min(revisions) >= 8 + 2 * 3


def count_active():
    return Assignment.objects.filter(removed_at=None).count()


def test_of_many_tests_made_at_once_a_client_gets_no_more_than_its_quota():
    probe = make_client(inventory=INVENTORY, presence="online")
    set_quota(scope="client", limits=Limits(tests=1))

    def make(number):
        with suppress(Conflict):
            if number % 2:
                make_test(f"named-{number}", probe)
            else:
                make_test(f"chosen-{number}", selection_kind="all")

    run_together(6, make)
    assert count_active() == 1


def test_of_many_tests_that_choose_at_once_a_client_gets_no_more_than_its_quota():
    probe = make_client(inventory=INVENTORY, presence="online")
    tag = make_tag("edge")
    set_quota(scope="client", limits=Limits(tests=1))
    rule = {"selection_kind": "all", "selector": {"tags": ["edge"]}}
    tests = [make_test(f"test-{number}", **rule) for number in range(4)]
    probe.tags.set([tag])
    run_together(4, lambda number: choose_clients(test=tests[number]))
    assert count_active() == 1


def test_of_many_asking_for_a_run_at_once_one_gets_it():
    test = make_test("Loopback", make_client())

    def ask(_number):
        with suppress(Conflict):
            run_now(test=test)

    run_together(4, ask)
    assert Run.objects.filter(is_on_demand=True).count() == 1
