"""A change counts from the moment it is made: planned at once, and on what is stored by then."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import NotFound, Refused
from apps.tests.algorithms.slots import derive_run_id
from apps.tests.models import Assignment, Run, Test
from apps.tests.selectors import get_test_to_change, get_test_to_delete
from apps.tests.services import (
    assign_clients,
    change_test,
    delete_test,
    grant_lease,
    mark_running,
    pause_test,
    plan_runs,
    resume_test,
    run_now,
    stop_runs,
)
from apps.tests.services.planning import ONCE_PATIENCE
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import define, make_assignment, make_run, make_test

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client()


def lease(client):
    return grant_lease(client=client, horizon_seconds=900.0)


def resume(test, _probe):
    pause_test(test=test)
    resume_test(test=test)


def give_back(test, probe):
    assign_clients(test=test, clients=[])
    assign_clients(test=test, clients=[probe])


@pytest.mark.parametrize(
    ("change", "revision"),
    [
        (lambda _test, _probe: None, 1),
        (lambda test, _probe: change_test(test, define(every_seconds=30.0)), 2),
        (resume, 3),
        (give_back, 1),
    ],
)
def test_the_next_lease_after_a_change_has_its_runs_without_waiting_for_a_planner(
    probe, change, revision
):
    test = make_test("Loopback", probe)
    change(test, probe)
    granted = lease(probe)
    assert len(granted.runs) > 2
    assert {run.schedule_revision for run in granted.runs} == {revision}
    assert plan_runs() == 0


def test_a_client_that_is_added_later_is_planned_at_once_and_the_others_are_left_alone(probe):
    test, other = make_test("Loopback", probe), make_client("other")
    before = set(Run.objects.values_list("id", flat=True))
    assign_clients(test=test, clients=[probe, other])
    added = Run.objects.exclude(id__in=before)
    assert Run.objects.filter(id__in=before).count() == len(before)
    assert added.count() > 2
    assert {run.assignment.client_id for run in added} == {other.id}


def test_a_client_that_is_given_a_paused_test_has_no_runs_of_it(probe):
    test = make_test()
    pause_test(test=test)
    assign_clients(test=test, clients=[probe])
    assert not Run.objects.exists()


def test_what_happened_before_a_client_was_taken_away_is_there_when_it_comes_back(probe):
    assignment = make_assignment(probe)
    past = read_now() - timedelta(minutes=3)
    options = {"state": Run.State.CANCELLED, "slot": 7}
    stopped = make_run(assignment, start_at=past, end_at=past + timedelta(seconds=10), **options)
    asked = make_run(
        assignment,
        state=Run.State.CANCELLED,
        is_on_demand=True,
        start_at=read_now() + timedelta(seconds=5),
    )
    give_back(assignment.test, probe)
    assert Run.objects.filter(id__in=[stopped.id, asked.id]).count() == 2


def test_runs_of_a_paused_test_are_not_leased_even_when_they_are_planned(probe):
    assignment = make_assignment(probe)
    Test.objects.update(is_paused=True)
    assert Run.objects.filter(assignment=assignment, state=Run.State.SCHEDULED).exists()
    assert lease(probe).runs == []


def test_runs_of_an_earlier_schedule_are_leased_only_while_they_run(probe):
    assignment = make_assignment(probe)
    change_test(assignment.test, define(every_seconds=30.0))
    waiting = make_run(assignment, schedule_revision=1)
    running = make_run(assignment, schedule_revision=1, state=Run.State.RUNNING)
    leased = {run.id for run in lease(probe).runs}
    assert running.id in leased
    assert waiting.id not in leased


def test_a_test_that_runs_once_and_names_no_moment_runs_now(probe):
    with time_machine.travel(read_now(), tick=False):
        assignment = make_assignment(probe, schedule_kind="once", every_seconds=None, start_at=None)
        (run,) = lease(probe).runs
        assert run.assignment_id == assignment.id
        assert timedelta() <= read_now() - run.start_at < timedelta(milliseconds=1)


@pytest.mark.parametrize(("late_seconds", "count"), [(1, 1), (-1, 0)])
def test_a_moment_is_meant_for_a_minute_after_it_passed(probe, late_seconds, count):
    with time_machine.travel(read_now(), tick=False):
        start_at = read_now() - ONCE_PATIENCE + timedelta(seconds=late_seconds)
        make_test("Loopback", probe, schedule_kind="once", every_seconds=None, start_at=start_at)
        assert Run.objects.count() == count


def test_a_test_that_has_run_once_does_not_run_again_when_it_is_resumed_later(probe):
    test = make_test("Loopback", probe, schedule_kind="once", every_seconds=None, start_at=None)
    Run.objects.update(state=Run.State.FINISHED)
    with time_machine.travel(read_now() + timedelta(minutes=2), tick=False):
        resume(test, probe)
        assert Run.objects.count() == 1


def test_a_change_of_what_was_read_earlier_keeps_what_others_changed_since(probe):
    test = make_test("Loopback", probe)
    stale = Test.objects.get()
    pause_test(test=test)
    changed = change_test(stale, define(every_seconds=30.0))
    stored = Test.objects.get()
    assert (stored.is_paused, changed.is_paused) == (True, True)
    assert (stored.schedule_revision, stored.every_seconds) == (3, 30.0)
    assert not Run.objects.filter(state=Run.State.SCHEDULED).exists()


def test_pausing_what_was_read_earlier_keeps_what_others_changed_since(probe):
    test = make_test("Loopback", probe)
    stale = Test.objects.get()
    change_test(test, define(every_seconds=30.0))
    pause_test(test=stale)
    stored = Test.objects.get()
    assert (stored.every_seconds, stored.is_paused, stored.schedule_revision) == (30.0, True, 3)
    assert (stale.every_seconds, stale.is_paused) == (30.0, True)


def test_who_pauses_what_others_have_paused_meanwhile_changes_nothing(probe):
    test = make_test("Loopback", probe)
    stale = Test.objects.get()
    pause_test(test=test)
    pause_test(test=stale)
    assert Test.objects.get().schedule_revision == 2
    assert AuditEntry.objects.filter(action="pause").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda test: change_test(test, define(every_seconds=30.0)),
        lambda test: pause_test(test=test),
        lambda test: resume_test(test=test),
        lambda test: assign_clients(test=test, clients=[]),
        lambda test: delete_test(test=test),
    ],
)
def test_a_test_that_others_deleted_meanwhile_is_not_found_and_does_not_come_back(probe, change):
    test = make_test("Loopback", probe)
    delete_test(test=Test.objects.get())
    count = AuditEntry.objects.count()
    with pytest.raises(NotFound):
        change(test)
    assert (Test.objects.count(), AuditEntry.objects.count()) == (0, count)


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled"])
def test_a_sample_never_opens_a_run_that_has_ended(probe, state):
    run = make_run(make_assignment(probe), state=state, reason="as it was")
    mark_running(client_id=probe.id, run_ids=[run.id], at=read_now())
    run.refresh_from_db()
    assert (run.state, run.reason, run.started_at) == (state, "as it was", None)


def test_a_run_that_the_agent_began_by_itself_is_told_to_be_stopped(probe):
    assignment = make_assignment(probe)
    slot = Run.objects.order_by("start_at").first().slot
    run_id = derive_run_id(str(assignment.id), 1, slot)
    mark_running(client_id=probe.id, run_ids=[run_id], at=read_now())
    assert stop_runs(test=assignment.test) == 1
    assert [run.id for run in lease(probe).cancelled] == [run_id]


def test_when_a_run_was_leased_is_not_forgotten_when_it_begins(probe):
    leased_at = read_now() - timedelta(minutes=4)
    run = make_run(make_assignment(probe), state=Run.State.LEASED, leased_at=leased_at)
    mark_running(client_id=probe.id, run_ids=[run.id], at=read_now())
    run.refresh_from_db()
    assert (run.state, run.leased_at) == ("running", leased_at)


def test_the_definition_of_a_run_asked_for_stays_while_it_runs_past_its_patience(probe):
    assignment = make_assignment(probe, duration_seconds=600.0, every_seconds=3600.0)
    pause_test(test=assignment.test)
    (run,) = run_now(test=assignment.test)
    lease(probe)
    mark_running(client_id=probe.id, run_ids=[run.id], at=read_now())
    with time_machine.travel(read_now() + timedelta(minutes=5), tick=False):
        assert [row.id for row in lease(probe).assignments] == [assignment.id]


def test_an_operator_does_not_delete_what_was_measured_outside_of_the_own_site():
    mine, theirs = make_client("mine", site="vienna"), make_client("theirs", site="graz")
    operator = make_user("operator", "operator", site="vienna")
    test = make_test("Loopback", mine, theirs)
    for refuse in (get_test_to_change, get_test_to_delete):
        with pytest.raises(Refused):
            refuse(operator, test.id)
    assign_clients(test=test, clients=[mine])
    assert get_test_to_change(operator, test.id) == test
    with pytest.raises(Refused):
        get_test_to_delete(operator, test.id)
    assert get_test_to_delete(make_user("everywhere", "operator"), test.id) == test
    Assignment.objects.filter(client=theirs).delete()
    assert get_test_to_delete(operator, test.id) == test


def test_what_an_operator_cannot_see_is_not_there_to_be_deleted():
    test = make_test("Loopback", make_client("theirs", site="graz"))
    with pytest.raises(NotFound):
        get_test_to_delete(make_user("operator", "operator", site="vienna"), test.id)


def make_test_once(probe):
    """A test whose only moment is now, held by the agent and, for all the server knows, begun."""
    moment = {"schedule_kind": "once", "every_seconds": None, "start_at": read_now()}
    test = make_test("Loopback", probe, **moment)
    assert len(lease(probe).runs) == 1
    return test, moment


@pytest.mark.parametrize("seconds", [1, 59])
def test_a_moment_that_an_agent_took_up_is_not_planned_again_by_a_change(probe, seconds):
    test, moment = make_test_once(probe)
    with time_machine.travel(moment["start_at"] + timedelta(seconds=seconds), tick=False):
        change_test(test, define("Renamed", **moment))
        plan_runs()
        assert Run.objects.exclude(state="cancelled").count() == 0
        assert lease(probe).runs == []


def test_pausing_and_resuming_does_not_run_a_moment_twice(probe):
    test, moment = make_test_once(probe)
    run = Run.objects.get()
    mark_running(client_id=probe.id, run_ids=[run.id], at=moment["start_at"])
    with time_machine.travel(moment["start_at"] + timedelta(seconds=5), tick=False):
        resume(test, probe)
        assert list(Run.objects.values_list("id", flat=True)) == [run.id]


def test_another_moment_is_planned_although_the_last_was_taken_up(probe):
    test, moment = make_test_once(probe)
    later = moment["start_at"] + timedelta(seconds=30)
    with time_machine.travel(later + timedelta(seconds=1), tick=False):
        change_test(test, define(**{**moment, "start_at": later}))
        assert [run.start_at for run in lease(probe).runs] == [
            later.replace(microsecond=later.microsecond // 1000 * 1000)
        ]


def test_a_moment_that_no_agent_took_up_is_planned_again(probe):
    moment = {"schedule_kind": "once", "every_seconds": None, "start_at": read_now()}
    test = make_test("Loopback", probe, **moment)
    with time_machine.travel(moment["start_at"] + timedelta(seconds=5), tick=False):
        change_test(test, define("Renamed", **moment))
        assert len(lease(probe).runs) == 1
