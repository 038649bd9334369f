"""What an agent is told to do, what it is told to stop, and what is none of its business."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine

from apps.core.clock import format_moment, read_now, to_milliseconds
from apps.core.errors import Conflict
from apps.tests.models import Assignment, Run
from apps.tests.services import (
    assign_clients,
    change_test,
    grant_lease,
    pause_test,
    plan_runs,
    run_now,
    stop_runs,
)
from tests.factories.clients import make_client
from tests.factories.tests import define, forget_plans, make_assignment, make_run, make_test

pytestmark = pytest.mark.django_db

HORIZON_SECONDS = 900.0


@pytest.fixture
def probe():
    return make_client()


def lease(client):
    return grant_lease(client=client, horizon_seconds=HORIZON_SECONDS).as_document()


def test_a_lease_carries_the_whole_definition(probe):
    assignment = make_assignment(probe, slip_seconds=5.0)
    test = assignment.test
    (row,) = lease(probe)["assignments"]
    assert row == {
        "id": str(assignment.id),
        "test_id": str(test.id),
        "name": "Loopback",
        "kind": "ping",
        "target": "127.0.0.1",
        "parameters": test.parameters,
        "schedule": {
            "kind": "every",
            "revision": 1,
            "anchor_ms": to_milliseconds(test.start_at),
            "every_ms": 60_000,
            "slip_ms": 5_000,
        },
        "duration_seconds": 10.0,
        "sample_interval_seconds": 1.0,
        "is_self_derivable": True,
    }


def test_leased_runs_are_those_inside_the_horizon_and_marked_as_leased(probe):
    make_assignment(probe)
    plan_runs()
    document = lease(probe)
    end = document["horizon_end"]
    assert document["runs"]
    states = {str(run.id): run for run in Run.objects.all()}
    for item in document["runs"]:
        assert states[item["id"]].state == "leased"
        assert format_moment(states[item["id"]].start_at) < end
        assert item["start_ms"] == to_milliseconds(states[item["id"]].start_at)
        assert item["duration_seconds"] == 10.0
    beyond = [
        run for name, run in states.items() if name not in {i["id"] for i in document["runs"]}
    ]
    assert all(format_moment(run.start_at) >= end for run in beyond)


def test_a_lease_asked_for_again_is_the_same(probe):
    make_assignment(probe)
    plan_runs()
    with time_machine.travel(read_now(), tick=False):
        assert lease(probe) == lease(probe)


def test_a_horizon_is_never_longer_than_the_servers(probe, settings):
    with time_machine.travel(read_now(), tick=False):
        granted = grant_lease(client=probe, horizon_seconds=86_400.0)
        ahead = granted.horizon_end - granted.server_time
    assert ahead.total_seconds() == settings.SWARM_HORIZON_SECONDS


def test_runs_that_are_over_are_not_leased(probe):
    assignment = make_assignment(probe)
    forget_plans()
    past = read_now() - timedelta(minutes=5)
    make_run(assignment, start_at=past, end_at=past + timedelta(seconds=10))
    make_run(assignment, state=Run.State.FINISHED)
    make_run(assignment, state=Run.State.MISSED)
    assert lease(probe)["runs"] == []


def test_a_run_asked_for_starts_now_and_comes_first(probe):
    assignment = make_assignment(probe)
    plan_runs()
    with time_machine.travel(read_now(), tick=False):
        (run,) = run_now(test=assignment.test)
        first = lease(probe)["runs"][0]
        assert first == {
            "id": str(run.id),
            "assignment_id": str(assignment.id),
            "slot": None,
            "start_ms": to_milliseconds(read_now()),
            "duration_seconds": 10.0,
            "is_on_demand": True,
        }


def test_a_run_asked_for_is_given_up_after_two_minutes(probe):
    assignment = make_assignment(probe)
    run_now(test=assignment.test)
    with time_machine.travel(read_now() + timedelta(seconds=121), tick=False):
        assert not [run for run in lease(probe)["runs"] if run["is_on_demand"]]


def test_a_run_can_be_asked_for_on_some_of_the_clients(probe):
    other = make_client("other")
    test = make_test("Loopback", probe, other)
    runs = run_now(test=test, client_ids=[other.id])
    assert [run.assignment.client_id for run in runs] == [other.id]
    with pytest.raises(Conflict):
        run_now(test=test, client_ids=[uuid4()])


def test_a_run_that_was_asked_for_is_not_asked_for_again_until_it_is_over(probe):
    other = make_client("other")
    test = make_test("Loopback", probe, other)
    run_now(test=test, client_ids=[probe.id])
    assert [run.assignment.client_id for run in run_now(test=test)] == [other.id]
    with pytest.raises(Conflict) as refused:
        run_now(test=test)
    assert refused.value.code == "run_open"
    assert Run.objects.filter(is_on_demand=True).count() == 2
    stop_runs(test=test)
    assert len(run_now(test=test)) == 2


def test_a_paused_test_is_gone_from_the_lease_unless_a_run_was_asked_for(probe):
    assignment = make_assignment(probe)
    pause_test(test=assignment.test)
    assert lease(probe)["assignments"] == []
    run_now(test=assignment.test)
    (row,) = lease(probe)["assignments"]
    assert row["is_self_derivable"] is False


def test_a_removed_assignment_is_gone_from_the_lease(probe):
    assignment = make_assignment(probe)
    plan_runs()
    lease(probe)
    assign_clients(test=assignment.test, clients=[])
    document = lease(probe)
    assert (document["assignments"], document["runs"]) == ([], [])


def test_leased_runs_of_an_old_revision_are_told_to_be_cancelled(probe):
    assignment = make_assignment(probe)
    plan_runs()
    leased = {run["id"] for run in lease(probe)["runs"]}
    change_test(assignment.test, define(every_seconds=30.0))
    assert set(lease(probe)["cancelled"]) == leased


def test_stopping_ends_what_runs_and_what_was_asked_for_but_no_planned_run(probe):
    assignment = make_assignment(probe)
    plan_runs()
    planned = Run.objects.count()
    running = make_run(assignment, state=Run.State.RUNNING, leased_at=read_now())
    (asked,) = run_now(test=assignment.test)
    assert stop_runs(test=assignment.test) == 2
    assert Run.objects.filter(state=Run.State.SCHEDULED).count() == planned
    states = Run.objects.in_bulk([running.id, asked.id])
    assert {run.state for run in states.values()} == {"cancelled"}
    assert all(run.reason.startswith("stopped by") for run in states.values())
    # The agent never heard of the run that was asked for, so it need not stop it.
    assert lease(probe)["cancelled"] == [str(running.id)]
    assert stop_runs(test=assignment.test) == 0


def test_an_agent_gets_nothing_of_another_client(probe):
    make_assignment(make_client("other"))
    plan_runs()
    document = lease(probe)
    assert (document["assignments"], document["runs"], document["cancelled"]) == ([], [], [])


def test_a_run_that_is_running_keeps_its_definition_while_its_test_is_paused(probe):
    assignment = make_assignment(probe)
    make_run(assignment, state=Run.State.RUNNING)
    pause_test(test=assignment.test)
    (row,) = lease(probe)["assignments"]
    assert (row["id"], row["is_self_derivable"]) == (str(assignment.id), False)


def test_a_client_that_is_given_back_gets_the_same_slots_again(probe):
    assignment = make_assignment(probe)
    before = {run["id"] for run in lease(probe)["runs"]}
    assign_clients(test=assignment.test, clients=[])
    assert lease(probe)["runs"] == []
    assign_clients(test=assignment.test, clients=[probe])
    after = lease(probe)
    assert {run["id"] for run in after["runs"]} == before
    assert after["cancelled"] == []


def test_a_lease_says_no_more_than_the_planner_knows(probe):
    assignment = make_assignment(probe)
    planned_until = read_now() + timedelta(seconds=30)
    Assignment.objects.filter(id=assignment.id).update(planned_until=planned_until)
    assert lease(probe)["horizon_end"] == format_moment(planned_until)
