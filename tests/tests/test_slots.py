"""When runs start: checked against the values that the agent is checked against too."""

import json

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from apps.tests.algorithms.slots import (
    RUN_NAMESPACE,
    Schedule,
    compute_start_ms,
    derive_run_id,
    iterate_slots,
)

VECTORS = json.loads((settings.WIRE_DIR / "schedule_vectors.json").read_text())
ANCHOR_MS = 1_767_225_600_000


def read_schedule(row):
    return Schedule(assignment=row["assignment"], **row["schedule"])


SLOTS = [(read_schedule(row), slot) for row in VECTORS["schedules"] for slot in row["slots"]]


def test_the_namespace_is_the_shared_one():
    assert str(RUN_NAMESPACE) == VECTORS["namespace"]


def test_there_are_vectors_of_every_kind():
    assert {schedule.kind for schedule, _slot in SLOTS} == {"once", "every", "cron", "continuous"}


@pytest.mark.parametrize(("schedule", "slot"), SLOTS)
def test_a_slot_starts_when_the_shared_vectors_say(schedule, slot):
    assert compute_start_ms(schedule, slot["slot"]) == slot["start_ms"]
    run_id = derive_run_id(schedule.assignment, schedule.revision, slot["slot"])
    assert str(run_id) == slot["run_id"]


@pytest.mark.parametrize(("schedule", "slot"), SLOTS)
def test_a_slot_is_found_by_its_time(schedule, slot):
    start_ms = slot["start_ms"]
    found = list(iterate_slots(schedule, from_ms=start_ms, until_ms=start_ms + 1))
    assert [(item.number, str(item.run_id)) for item in found] == [(slot["slot"], slot["run_id"])]


schedules = st.builds(
    Schedule,
    assignment=st.uuids().map(str),
    kind=st.sampled_from(["every", "continuous"]),
    revision=st.integers(1, 1000),
    anchor_ms=st.integers(ANCHOR_MS, ANCHOR_MS + 10**9),
    every_ms=st.integers(1000, 10**8),
    slip_ms=st.just(0),
) | st.integers(1000, 10**8).flatmap(
    lambda every_ms: st.builds(
        Schedule,
        assignment=st.uuids().map(str),
        kind=st.just("every"),
        revision=st.integers(1, 1000),
        anchor_ms=st.integers(ANCHOR_MS, ANCHOR_MS + 10**9),
        every_ms=st.just(every_ms),
        slip_ms=st.integers(0, every_ms - 1),
    )
)


@given(schedules, st.integers(0, 100), st.integers(0, 40))
def test_cutting_the_time_anywhere_loses_and_doubles_no_slot(schedule, first, count):
    start = schedule.anchor_ms + first * schedule.every_ms
    end = start + count * schedule.every_ms
    middle = (start + end) // 2
    whole = list(iterate_slots(schedule, from_ms=start, until_ms=end))
    halves = [
        *iterate_slots(schedule, from_ms=start, until_ms=middle),
        *iterate_slots(schedule, from_ms=middle, until_ms=end),
    ]
    assert halves == sorted(whole, key=lambda slot: (slot.start_ms >= middle, slot.number))
    assert {slot.run_id for slot in halves} == {slot.run_id for slot in whole}
    assert len(halves) == len(whole)


@given(schedules, st.integers(0, 10_000))
def test_a_start_lies_inside_its_interval_and_slip(schedule, number):
    start = compute_start_ms(schedule, number)
    earliest = schedule.anchor_ms + number * schedule.every_ms
    assert earliest <= start < earliest + schedule.every_ms + schedule.slip_ms


@given(schedules, st.integers(0, 1000))
def test_continuous_runs_follow_each_other_without_a_gap(schedule, number):
    if schedule.kind == "continuous":
        step = compute_start_ms(schedule, number + 1) - compute_start_ms(schedule, number)
        assert step == schedule.every_ms


def test_no_slot_lies_before_the_anchor():
    schedule = Schedule("a", "every", 1, ANCHOR_MS, 60_000, 0)
    assert list(iterate_slots(schedule, from_ms=0, until_ms=ANCHOR_MS)) == []


def test_another_revision_gives_other_runs():
    ids = {derive_run_id("a", revision, number) for revision in range(20) for number in range(20)}
    assert len(ids) == 400


def test_many_assignments_do_not_start_together():
    starts = {
        compute_start_ms(Schedule(f"a{n}", "every", 1, ANCHOR_MS, 60_000, 0), 0)
        for n in range(1000)
    }
    assert len(starts) > 950


@pytest.mark.parametrize("row", [row for row in VECTORS["schedules"] if "from_ms" in row])
def test_a_cron_schedule_has_just_the_slots_of_the_vectors(row):
    slots = iterate_slots(read_schedule(row), from_ms=row["from_ms"], until_ms=row["until_ms"])
    found = [
        {"slot": slot.number, "start_ms": slot.start_ms, "run_id": str(slot.run_id)}
        for slot in slots
    ]
    assert found == row["slots"]


def test_no_slot_of_a_cron_schedule_lies_before_its_anchor():
    schedule = Schedule(
        assignment="a", kind="cron", revision=1, anchor_ms=ANCHOR_MS + 1, every_ms=0,
        slip_ms=0, expression="* * * * *", time_zone="UTC",
    )  # fmt: skip
    slots = iterate_slots(schedule, from_ms=ANCHOR_MS - 600_000, until_ms=ANCHOR_MS + 120_000)
    assert [slot.start_ms for slot in slots] == [ANCHOR_MS + 60_000]
