"""Exclusive runs: alone on their participants, moved inside the slip, or not started by name."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.tests.algorithms.reservations import Span, place_run
from apps.tests.models import Reservation, Run
from apps.tests.selectors import leave_out_overlapped, list_disturbances
from apps.tests.services import pause_test, plan_runs, record_result, run_now, stop_runs
from apps.tests.services.reserving import MARGIN
from tests.factories.kinds import install_kinds
from tests.factories.pairs import make_end, make_mesh, make_pair
from tests.factories.reservations import count_overlaps
from tests.factories.results import build_result
from tests.factories.tests import make_assignment, make_test

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECONDS = st.integers(0, 200)


def span(start, end, number=0):
    return Span(NOON + timedelta(seconds=start), NOON + timedelta(seconds=end), UUID(int=number))


@st.composite
def spans(draw):
    start = draw(SECONDS)
    return span(start, start + draw(st.integers(1, 60)), draw(st.integers(1, 99)))


@given(spans(), st.integers(0, 150), st.lists(spans(), max_size=8))
def test_a_place_is_the_first_free_one_or_there_is_none(wanted, slip, taken):
    latest = wanted.start + timedelta(seconds=slip)
    placing = place_run(wanted, latest=latest, taken=taken)

    def is_free(seconds):
        moved = timedelta(seconds=seconds)
        place = Span(wanted.start + moved, wanted.end + moved, wanted.run_id)
        return not any(place.overlaps(one) for one in taken)

    first = next((seconds for seconds in range(slip + 1) if is_free(seconds)), None)
    if first is None:
        assert placing.span is None
        assert placing.blocker in taken
        assert placing.blocker.overlaps(wanted)
    else:
        assert placing.span.start == wanted.start + timedelta(seconds=first)
        assert placing.span.end - placing.span.start == wanted.end - wanted.start


# Planning


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def ends(db):
    return [make_end(name) for name in ("a", "b", "c", "d")]


def make_flood(hub, other, name="Flood", **fields):
    return make_pair(hub, other, kind="flood", name=name, **fields)


def test_an_exclusive_run_holds_both_ends_with_a_margin(ends):
    row = make_flood(*ends[:2])
    run = Run.objects.filter(assignment=row).earliest("start_at")
    held = run.reservations.all()
    assert {one.client for one in held} == set(ends[:2])
    assert {(one.start_at, one.end_at) for one in held} == {
        (run.start_at - MARGIN, run.end_at + MARGIN)
    }


def test_other_kinds_hold_nothing(ends):
    make_pair(*ends[:2])
    make_assignment(ends[0])
    assert not Reservation.objects.exists()


def test_a_parameter_can_make_a_kind_exclusive(ends):
    make_pair(*ends[:2], parameters={"is_loud": True})
    assert Reservation.objects.exists()


def test_a_kind_for_one_can_be_exclusive_too(ends):
    make_assignment(ends[0], kind="solo")
    assert set(Reservation.objects.values_list("client__name", flat=True)) == {"a"}


def test_runs_of_a_mesh_share_no_end_at_any_time(ends):
    test = make_mesh(*ends, kind="flood", every_seconds=900.0, slip_seconds=880.0)
    runs = Run.objects.filter(assignment__test=test)
    assert runs.filter(state="scheduled").count() > 12
    assert count_overlaps() == 0
    assert planned_twice(runs) == 0


def planned_twice(runs):
    """How many runs another look of the planner would move, add or take away."""
    before = set(runs.values_list("id", "start_at", "state"))
    plan_runs()
    return len(set(runs.values_list("id", "start_at", "state")) ^ before)


def once(name, *, at, hub, other, **fields):
    return make_flood(
        hub, other, name=name, schedule_kind="once", start_at=at, every_seconds=None, **fields
    )


def test_without_free_time_in_its_slip_a_run_is_not_started_and_names_the_other(ends):
    soon = read_now() + timedelta(minutes=5)
    first = once("First", at=soon, hub=ends[0], other=ends[1]).runs.get()
    second = once("Second", at=soon, hub=ends[2], other=ends[1]).runs.get()
    assert (first.state, second.state) == ("scheduled", "nonstart")
    assert str(first.id) in second.reason
    assert not second.reservations.exists()


def test_who_shares_no_end_runs_at_the_same_time(ends):
    soon = read_now() + timedelta(minutes=5)
    once("First", at=soon, hub=ends[0], other=ends[1])
    assert once("Second", at=soon, hub=ends[2], other=ends[3]).runs.get().state == "scheduled"


def test_clients_behind_one_uplink_take_turns(ends):
    for client in (ends[0], ends[2]):
        client.link_group = "dsl"
        client.save()
    soon = read_now() + timedelta(minutes=5)
    first = once("First", at=soon, hub=ends[0], other=ends[1])
    assert first.runs.get().reservations.count() == 3
    assert once("Second", at=soon, hub=ends[2], other=ends[3]).runs.get().state == "nonstart"


def test_the_empty_uplink_is_nobodys(ends):
    row = make_flood(*ends[:2])
    run = Run.objects.filter(assignment=row).earliest("start_at")
    assert run.reservations.count() == 2


def test_a_run_asked_for_waits_for_free_time(ends):
    row = make_flood(*ends[:2])
    Run.objects.all().delete()
    with time_machine.travel(read_now(), tick=False):
        once("Now", at=read_now() + timedelta(seconds=12), hub=ends[0], other=ends[2])
        (run,) = run_now(test=row.test)
    # The other lasts 10 s, and each has its margin.
    assert run.start_at == read_start("Now") + timedelta(seconds=10) + 2 * MARGIN
    assert run.end_at - run.start_at == timedelta(seconds=10)
    assert count_overlaps() == 0


def read_start(name):
    return Run.objects.get(assignment__test__name=name).start_at


def test_a_run_asked_for_that_finds_no_time_says_so(ends):
    row = make_flood(*ends[:2])
    Run.objects.all().delete()
    once("Long", at=read_now(), hub=ends[0], other=ends[2], duration_seconds=3600.0)
    (run,) = run_now(test=row.test)
    assert run.state == "nonstart"
    assert str(Run.objects.get(assignment__test__name="Long").id) in run.reason


def test_what_is_taken_back_is_free_again(ends):
    row = make_flood(*ends[:2])
    pause_test(test=row.test)
    assert not Reservation.objects.exists()


def test_stopping_frees_what_is_left(ends):
    row = make_flood(*ends[:2], duration_seconds=600.0, every_seconds=3600.0)
    Run.objects.all().delete()
    (run,) = run_now(test=row.test)
    stop_runs(test=row.test)
    ends_at = set(Reservation.objects.filter(run=run).values_list("end_at", flat=True))
    assert max(ends_at) < read_now() + MARGIN + timedelta(seconds=1)


def test_no_agent_may_make_up_an_exclusive_run(ends):
    row = make_assignment(ends[0], kind="solo")
    run = row.runs.earliest("start_at")
    result = build_result(run)
    run.delete()
    with pytest.raises(Invalid):
        record_result(client_id=ends[0].id, result=result, received_at=read_now())


# Runs beside an exclusive one


def finish(run, client, *, start, end, **fields):
    result = build_result(
        run, started_at=NOON + timedelta(seconds=start), finished_at=NOON + timedelta(seconds=end),
        **fields,
    )  # fmt: skip
    record_result(client_id=client.id, result=result, received_at=NOON + timedelta(minutes=9))
    run.refresh_from_db()
    return run


@pytest.fixture
def beside(ends):
    """An exclusive run from 12:00:00 to 12:00:10, and one in the background on each end."""
    with time_machine.travel(NOON - timedelta(seconds=1), tick=False):
        once("Flood", at=NOON, hub=ends[0], other=ends[1])
        make_test("Ping", *ends[:3], schedule_kind="once", start_at=NOON, every_seconds=None)
    runs = {run.assignment.client.name: run for run in Run.objects.filter(
        assignment__test__name="Ping").select_related("assignment__client")}  # fmt: skip
    return Run.objects.get(assignment__test__name="Flood"), runs


@pytest.mark.parametrize("is_exclusive_first", [True, False])
@pytest.mark.parametrize("name", ["a", "b"])
def test_what_ran_beside_an_exclusive_run_on_either_end_is_marked(
    ends, beside, name, is_exclusive_first
):
    flood, runs = beside
    client = next(one for one in ends if one.name == name)
    if is_exclusive_first:
        finish(flood, ends[0], start=0, end=10)
    run = finish(runs[name], client, start=5, end=15)
    if not is_exclusive_first:
        finish(flood, ends[0], start=0, end=10)
    run.refresh_from_db()
    flood.refresh_from_db()
    assert (run.is_overlapped, flood.is_overlapped) == (True, False)
    assert run.state == "finished"
    kept = leave_out_overlapped(Run.objects.filter(state="finished"))
    assert list(kept) == [flood]


@pytest.mark.parametrize(("start", "end"), [(10, 20), (-20, 0)])
def test_what_ran_before_or_after_is_not_marked(ends, beside, start, end):
    flood, runs = beside
    finish(flood, ends[0], start=0, end=10)
    assert not finish(runs["a"], ends[0], start=start, end=end).is_overlapped


def test_what_ran_elsewhere_is_not_marked(ends, beside):
    flood, runs = beside
    finish(runs["c"], ends[2], start=0, end=10)
    finish(flood, ends[0], start=0, end=10)
    runs["c"].refresh_from_db()
    assert not runs["c"].is_overlapped


def test_an_agent_marks_nobody_outside_of_the_time_it_reserved(ends, beside):
    flood, runs = beside
    run = finish(runs["a"], ends[0], start=60, end=70)
    finish(flood, ends[0], start=-3600, end=3600)
    run.refresh_from_db()
    assert not run.is_overlapped


def test_an_exclusive_run_that_ends_early_frees_its_time(ends, beside):
    flood, _runs = beside
    finish(flood, ends[0], start=0, end=2, outcome="failed", reason="refused")
    ends_at = set(flood.reservations.values_list("end_at", flat=True))
    assert ends_at == {NOON + timedelta(seconds=2) + MARGIN}


def seconds(start, end):
    return NOON + timedelta(seconds=start), NOON + timedelta(seconds=end)


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_times_of_exclusive_runs_are_told_to_what_else_their_participants_measure(
    ends, beside, name
):
    flood, runs = beside
    assignment = runs[name].assignment
    start, end = seconds(-60, 60)
    assert list_disturbances(assignment, start=start, end=end) == []
    finish(flood, ends[0], start=1, end=10)
    assert list_disturbances(assignment, start=start, end=end) == [seconds(1, 10)]
    assert list_disturbances(assignment, start=start, end=NOON) == []
    assert list_disturbances(flood.assignment, start=start, end=end) == []
    assert list_disturbances(runs["c"].assignment, start=start, end=end) == []
