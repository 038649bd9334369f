import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tests.answering_server import WIRE, read_example
from streamswarm_agent.wire.messages import Assignment, Schedule
from streamswarm_agent.wire.schedule import (
    compute_phase_ms,
    compute_start_ms,
    derive_runs,
    make_run_id,
)

VECTORS = [
    (entry["assignment"], Schedule.parse(entry["schedule"]), slot)
    for entry in json.loads((WIRE / "schedule_vectors.json").read_text())["schedules"]
    for slot in entry["slots"]
]


def make_assignment(**schedule):
    document = read_example("leases_answer")["assignments"][0]
    return Assignment.parse(document | {"schedule": document["schedule"] | schedule})


@pytest.mark.parametrize(("assignment", "schedule", "slot"), VECTORS)
def test_a_slot_starts_and_is_named_as_on_the_server(assignment, schedule, slot):
    assert compute_start_ms(assignment, schedule, slot["slot"]) == slot["start_ms"]
    assert make_run_id(assignment, schedule.revision, slot["slot"]) == slot["run_id"]


@settings(deadline=None)
@given(
    every_ms=st.integers(1_000, 600_000),
    slip_ms=st.integers(0, 30_000),
    begin_ms=st.integers(-3_600_000, 3_600_000),
    length_ms=st.integers(0, 3_600_000),
)
def test_deriving_finds_exactly_the_slots_that_start_inside_the_window(
    every_ms, slip_ms, begin_ms, length_ms
):
    assignment = make_assignment(every_ms=every_ms, slip_ms=slip_ms)
    schedule = assignment.schedule
    from_ms = schedule.anchor_ms + begin_ms
    until_ms = from_ms + length_ms
    derived = [run.slot for run in derive_runs(assignment, from_ms=from_ms, until_ms=until_ms)]
    last = max(0, (until_ms - schedule.anchor_ms) // every_ms + 1)
    expected = [
        slot
        for slot in range(last + 1)
        if from_ms <= compute_start_ms(assignment.id, schedule, slot) < until_ms
    ]
    assert derived == expected


def test_runs_of_a_continuous_schedule_follow_each_other_without_a_gap():
    assignment = make_assignment(kind="continuous", every_ms=10_000, slip_ms=0)
    from_ms = assignment.schedule.anchor_ms
    runs = list(derive_runs(assignment, from_ms=from_ms, until_ms=from_ms + 60_000))
    gaps = {after.start_ms - before.start_ms for before, after in pairwise(runs)}
    assert gaps == {10_000}


def test_a_single_run_is_derived_once_and_a_schedule_of_a_later_version_never():
    once = make_assignment(kind="once", every_ms=0)
    window = {"from_ms": 0, "until_ms": once.schedule.anchor_ms + 10_000}
    assert [run.slot for run in derive_runs(once, **window)] == [0]
    assert list(derive_runs(make_assignment(kind="lunar"), **window)) == []


@pytest.mark.parametrize(
    "entry",
    [
        entry
        for entry in json.loads((WIRE / "schedule_vectors.json").read_text())["schedules"]
        if entry["schedule"]["kind"] == "cron"
    ],
    ids=lambda entry: entry["schedule"]["expression"],
)
def test_a_cron_schedule_is_derived_as_on_the_server(entry):
    document = read_example("leases_answer")["assignments"][0] | {
        "id": entry["assignment"],
        "schedule": entry["schedule"],
    }
    window = {"from_ms": entry["from_ms"], "until_ms": entry["until_ms"]}
    runs = derive_runs(Assignment.parse(document), **window)
    found = [{"slot": run.slot, "start_ms": run.start_ms, "run_id": run.id} for run in runs]
    assert found == entry["slots"]


@pytest.mark.parametrize(
    ("expression", "time_zone"),
    [
        ("* * * *", "UTC"),
        ("61 * * * *", "UTC"),
        ("", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("* * * * *", "Mars/Olympus"),
        ("* * * * *", "../../etc/passwd"),
        ("* * * * *", ""),
    ],
)
def test_a_cron_schedule_that_is_not_understood_is_left_to_the_server(expression, time_zone):
    assignment = make_assignment(
        kind="cron", every_ms=0, expression=expression, time_zone=time_zone
    )
    from_ms = assignment.schedule.anchor_ms
    assert list(derive_runs(assignment, from_ms=from_ms, until_ms=from_ms + 86_400_000)) == []


@given(st.uuids(), st.integers(1_000, 86_400_000))
def test_the_phase_lies_inside_the_period(assignment_id, every_ms):
    schedule = make_assignment(every_ms=every_ms).schedule
    assert 0 <= compute_phase_ms(str(assignment_id), schedule) < every_ms
