"""Runs inside a maintenance window wait; what is set right again goes on by itself."""

from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from apps.clients.algorithms.recurrence import Occurrence
from apps.clients.models import Client, MaintenanceWindow
from apps.clients.services import change_window, delete_window, end_window
from apps.core.clock import EPOCH, read_now, to_milliseconds
from apps.core.errors import Invalid
from apps.tests.models import Run
from apps.tests.published import ScheduleChanged
from apps.tests.services import (
    change_test,
    grant_lease,
    mark_running,
    pause_test,
    plan_runs,
    record_result,
    resume_test,
    run_now,
)
from apps.tests.services.pausing import merge_spans
from apps.tests.services.results import NewResult
from apps.tests.tasks import queue_plan
from tests.factories.clients import make_client, make_tag
from tests.factories.maintenance import define_window, make_window, select
from tests.factories.tests import define, make_assignment, make_run, make_test

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client("probe-1", site="vienna")


def lease(client):
    return grant_lease(client=client, horizon_seconds=900.0)


def ahead(client, state=None):
    rows = Run.objects.filter(assignment__client=client, start_at__gt=read_now())
    return rows.filter(state=state) if state else rows


def list_states(client):
    return set(ahead(client).values_list("state", flat=True))


def build_result(run, **fields):
    return NewResult(
        **{
            "run_id": run.id,
            "assignment_id": run.assignment_id,
            "slot": run.slot,
            "revision": run.schedule_revision,
            "started_at": run.start_at,
            "finished_at": run.end_at,
            "outcome": "completed",
            "reason": "",
            "is_success": True,
            "method": "icmp",
            "values": {},
            "absent": {},
            "facts": {},
            "document": {},
            **fields,
        }
    )


def test_runs_inside_a_window_wait_and_say_why(probe):
    make_test("Loopback", probe)
    make_window()
    plan_runs()
    runs = ahead(probe)
    assert runs.count() > 2
    assert set(runs.values_list("state", "reason")) == {("paused", "maintenance: Router updates")}


def test_only_those_that_start_inside_the_window_wait(probe):
    make_test("Loopback", probe)
    begin = read_now() + timedelta(seconds=200)
    make_window(starts_at=begin, duration_seconds=300)
    plan_runs()
    for run in ahead(probe):
        is_inside = begin <= run.start_at < begin + timedelta(seconds=300)
        assert run.state == ("paused" if is_inside else "scheduled")
    assert list_states(probe) == {"paused", "scheduled"}


def test_only_selected_clients_wait(probe):
    other = make_client("other", site="graz")
    make_test("Loopback", probe, other)
    make_window(selector=select(sites=["vienna"]))
    plan_runs()
    assert (list_states(probe), list_states(other)) == ({"paused"}, {"scheduled"})


def test_a_mute_does_nothing_to_runs(probe):
    make_test("Loopback", probe)
    make_window(effect="mute")
    plan_runs()
    assert list_states(probe) == {"scheduled"}


def test_runs_planned_inside_a_window_wait_from_the_first_moment(probe):
    make_window()
    make_test("Loopback", probe)
    assert list_states(probe) == {"paused"}


def test_looking_twice_changes_nothing(probe):
    make_test("Loopback", probe)
    make_window()
    plan_runs()
    before = list(Run.objects.order_by("id").values())
    revision = Client.objects.get(id=probe.id).schedule_revision
    plan_runs()
    assert list(Run.objects.order_by("id").values()) == before
    assert Client.objects.get(id=probe.id).schedule_revision == revision


@pytest.mark.parametrize(
    "lift",
    [
        lambda window: end_window(window=window),
        lambda window: delete_window(window=window),
        lambda window: change_window(window=window, definition=define_window(effect="mute")),
        lambda window: change_window(
            window=window,
            definition=define_window(starts_at=read_now() + timedelta(days=30)),
        ),
    ],
)
def test_runs_go_on_when_the_window_is_no_more(probe, lift):
    make_test("Loopback", probe)
    window = make_window()
    plan_runs()
    lift(window)
    plan_runs()
    assert set(ahead(probe).values_list("state", "reason")) == {("scheduled", "")}


def test_a_run_of_two_windows_goes_on_after_the_last(probe):
    make_test("Loopback", probe)
    first, second = make_window("first"), make_window("second")
    plan_runs()
    delete_window(window=first)
    plan_runs()
    assert set(ahead(probe).values_list("reason", flat=True)) == {"maintenance: second"}
    delete_window(window=second)
    plan_runs()
    assert list_states(probe) == {"scheduled"}


def test_a_tag_given_or_taken_converges_at_the_next_look(probe):
    make_test("Loopback", probe)
    make_tag("edge")
    make_window(selector=select(tags=["edge"]))
    plan_runs()
    assert list_states(probe) == {"scheduled"}
    probe.tags.add(make_tag("edge"))
    plan_runs()
    assert list_states(probe) == {"paused"}
    probe.tags.clear()
    plan_runs()
    assert list_states(probe) == {"scheduled"}


def test_an_agent_that_holds_the_runs_is_told_at_once(
    probe, django_capture_on_commit_callbacks, monkeypatch
):
    told = []
    monkeypatch.setattr("apps.tests.services.pausing.publish", told.append)
    make_test("Loopback", probe)
    held = {run.id for run in lease(probe).runs}
    revision = Client.objects.get(id=probe.id).schedule_revision
    make_window()
    plan_runs()
    assert Client.objects.get(id=probe.id).schedule_revision == revision + 1
    assert told == [ScheduleChanged((probe.id,))]
    answer = lease(probe)
    future = {run.id for run in Run.objects.filter(id__in=held, start_at__gt=read_now())}
    assert {run.id for run in answer.cancelled} == future
    assert not future & {run.id for run in answer.runs}


def test_a_lease_names_the_pauses_of_the_coming_week(probe):
    begin = read_now().replace(microsecond=0) + timedelta(days=1)
    make_window(starts_at=begin, duration_seconds=600, recurrence="FREQ=DAILY")
    make_window("elsewhere", selector=select(clients=[make_client("other")]))
    pauses = lease(probe).as_document()["pauses"]
    assert len(pauses) == 7
    start_ms = to_milliseconds(begin)
    assert pauses[0] == {"start_ms": start_ms, "end_ms": start_ms + 600_000}


def test_what_is_asked_for_by_hand_runs_inside_a_window(probe):
    test = make_test("Loopback", probe)
    make_window()
    [run] = run_now(test=test)
    plan_runs()
    run.refresh_from_db()
    assert run.state == "scheduled"
    assert run.id in {leased.id for leased in lease(probe).runs}


def test_a_run_that_is_running_goes_on_to_its_end(probe):
    assignment = make_assignment(probe)
    now = read_now()
    run = make_run(assignment, state="running", start_at=now, end_at=now + timedelta(seconds=60))
    make_window()
    plan_runs()
    run.refresh_from_db()
    assert run.state == "running"
    assert run.id not in {cancelled.id for cancelled in lease(probe).cancelled}


def test_a_run_that_began_before_the_agent_heard_of_the_pause_closes_as_usual(probe):
    assignment = make_assignment(probe)
    run = assignment.runs.order_by("start_at").first()
    lease(probe)
    make_window()
    plan_runs()
    run.refresh_from_db()
    assert run.state == "paused"
    with time_machine.travel(run.start_at + timedelta(seconds=2), tick=False):
        assert run.id not in {cancelled.id for cancelled in lease(probe).cancelled}
        mark_running(client_id=probe.id, run_ids=[run.id], at=run.start_at)
        run.refresh_from_db()
        assert (run.state, run.reason) == ("running", "")
        plan_runs()
    result = build_result(run)
    assert record_result(client_id=probe.id, result=result, received_at=run.end_at)
    run.refresh_from_db()
    assert (run.state, run.reason) == ("finished", "")


def test_a_paused_run_that_lies_behind_stays_what_it_was(probe):
    assignment = make_assignment(probe)
    window = make_window()
    plan_runs()
    run = assignment.runs.order_by("start_at").first()
    with time_machine.travel(run.start_at + timedelta(seconds=1), tick=False):
        end_window(window=window)
        plan_runs()
    run.refresh_from_db()
    assert (run.state, run.reason) == ("paused", "maintenance: Router updates")


def test_a_pause_of_an_old_schedule_does_not_come_back(probe):
    test = make_test("Loopback", probe)
    window = make_window()
    plan_runs()
    change_test(test, define(every_seconds=30.0))
    delete_window(window=window)
    plan_runs()
    assert set(ahead(probe).values_list("schedule_revision", flat=True)) == {2}
    pause_test(test=test)
    assert not ahead(probe, "scheduled").exists()
    resume_test(test=test)
    assert list_states(probe) == {"scheduled"}


def test_a_tick_without_work_costs_few_queries(probe, django_assert_max_num_queries):
    make_test("Loopback", probe)
    plan_runs()
    with django_assert_max_num_queries(7):
        assert plan_runs() == 0


def test_a_changed_window_has_the_planner_woken(monkeypatch):
    asked = []
    monkeypatch.setattr("apps.tests.tasks.wake_worker", asked.append)
    queue_plan(None)
    assert asked == ["apps.tests.tasks.plan_runs"]


EVEN_MINUTES = "FREQ=HOURLY;BYMINUTE=" + ",".join(str(minute) for minute in range(0, 60, 2))


def test_windows_of_thousands_of_spans_pause_and_let_go(probe):
    """As they were stored before there was a limit."""
    starts_at = (read_now() - timedelta(hours=1)).replace(second=0, microsecond=0)
    window = make_window(starts_at=starts_at, duration_seconds=60, time_zone="UTC")
    MaintenanceWindow.objects.update(recurrence=EVEN_MINUTES)
    make_test("Loopback", probe, every_seconds=20.0)
    plan_runs()
    runs = ahead(probe)
    assert {(run.start_at.minute % 2 == 0, run.state) for run in runs} == {
        (True, "paused"), (False, "scheduled"),
    }  # fmt: skip
    delete_window(window=window)
    plan_runs()
    assert list_states(probe) == {"scheduled"}


def test_hundreds_of_windows_at_once_are_planned_around(probe):
    window = make_window(selector=select(clients=[probe]))
    copies = [
        MaintenanceWindow(
            name=f"Window {number}",
            starts_at=window.starts_at + timedelta(days=number % 7, seconds=number),
            duration_seconds=60,
            time_zone="UTC",
            selector=window.selector,
            created_at=window.created_at,
        )
        for number in range(1, 601)
    ]
    MaintenanceWindow.objects.bulk_create(copies)
    make_test("Loopback", probe)
    plan_runs()
    assert list_states(probe) == {"paused"}


def test_a_window_that_comes_too_often_is_refused_with_the_limit():
    with pytest.raises(Invalid, match="recurrence: comes more than 200 times in 7 days"):
        make_window(duration_seconds=60, recurrence=EVEN_MINUTES)
    make_window(duration_seconds=60, recurrence="FREQ=HOURLY")


def at(seconds):
    return EPOCH + timedelta(seconds=seconds)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_merged_spans_hold_the_same_moments_and_never_touch(pairs):
    spans = [Occurrence(at(start), at(start + length)) for start, length in pairs]
    merged = merge_spans(spans)
    for second in range(90):
        moment = at(second)
        was_inside = any(one.start <= moment < one.end for one in spans)
        assert any(one.start <= moment < one.end for one in merged) == was_inside
    assert all(one.end < after.start for one, after in pairwise(merged))
