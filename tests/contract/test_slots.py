"""Both sides derive the same slots, names and keys: from the vectors, and from anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.catalogue import parse_key as read_server_key
from apps.metrics.services import hash_layout
from apps.tests.algorithms import slots as server_side
from streamswarm_agent.wire import schedule as agent_side
from streamswarm_agent.wire.keys import format_key
from streamswarm_agent.wire.layouts import hash_keys
from streamswarm_agent.wire.messages import Assignment, Schedule
from tests.contract.wire_contract import read_example, read_wire_file

VECTORS = read_wire_file("schedule_vectors.json")
METRICS = read_wire_file("metrics.json")["metrics"]
DAY_MS = 86_400_000
ATTRIBUTE_VALUES = st.text(
    st.characters(exclude_characters=",={}", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=64,
)


def build_both(assignment_id, document):
    """One schedule as the agent reads it and as the server holds it."""
    example = read_example("leases_answer")["assignments"][0]
    agent_assignment = Assignment.parse({**example, "id": assignment_id, "schedule": document})
    return agent_assignment, server_side.Schedule(assignment=assignment_id, **document)


def derive_both(assignment_id, document, from_ms, until_ms):
    agent_assignment, schedule = build_both(assignment_id, document)
    window = {"from_ms": from_ms, "until_ms": until_ms}
    by_agent = [
        (run.slot, run.start_ms, run.id)
        for run in agent_side.derive_runs(agent_assignment, **window)
    ]
    by_server = [
        (slot.number, slot.start_ms, str(slot.run_id))
        for slot in server_side.iterate_slots(schedule, **window)
    ]
    return by_agent, by_server


@pytest.mark.parametrize("entry", VECTORS["schedules"], ids=lambda entry: entry["schedule"]["kind"])
def test_both_sides_give_the_slots_of_the_vectors(entry):
    agent_assignment, schedule = build_both(entry["assignment"], entry["schedule"])
    for slot in entry["slots"]:
        number, expected = slot["slot"], (slot["start_ms"], slot["run_id"])
        revision = schedule.revision
        assert expected == (
            agent_side.compute_start_ms(agent_assignment.id, agent_assignment.schedule, number),
            agent_side.make_run_id(agent_assignment.id, revision, number),
        )
        assert expected == (
            server_side.compute_start_ms(schedule, number),
            str(server_side.derive_run_id(schedule.assignment, revision, number)),
        )


@given(
    assignment=st.uuids(),
    kind=st.sampled_from(["once", "every", "continuous"]),
    revision=st.integers(1, 1000),
    anchor_ms=st.integers(0, 2 * 10**12),
    every_ms=st.integers(60_000, DAY_MS),
    slip_ms=st.integers(0, 60_000),
    begin_ms=st.integers(-DAY_MS, DAY_MS),
)
def test_both_sides_derive_the_same_runs_of_any_schedule(
    assignment, kind, revision, anchor_ms, every_ms, slip_ms, begin_ms
):
    document = {
        "kind": kind,
        "revision": revision,
        "anchor_ms": anchor_ms,
        "every_ms": 0 if kind == "once" else every_ms,
        "slip_ms": 0 if kind == "continuous" else slip_ms,
    }
    from_ms = anchor_ms + begin_ms
    by_agent, by_server = derive_both(str(assignment), document, from_ms, from_ms + DAY_MS)
    assert by_agent == by_server


@given(
    assignment=st.uuids(),
    expression=st.sampled_from(
        ["*/5 * * * *", "30 2 * * *", "0 1-4 * * SUN", "15,45 */2 L * *", "0 9 * JAN-JUN TUE#2"]
    ),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    slip_ms=st.integers(0, 3_600_000),
    begin_hours=st.integers(0, 24 * 800),
)
def test_both_sides_derive_the_same_runs_of_a_cron_schedule(
    assignment, expression, time_zone, slip_ms, begin_hours
):
    document = {
        "kind": "cron",
        "revision": 3,
        "anchor_ms": 1_767_225_600_000,
        "every_ms": 0,
        "slip_ms": slip_ms,
        "expression": expression,
        "time_zone": time_zone,
    }
    from_ms = document["anchor_ms"] + begin_hours * 3_600_000
    by_agent, by_server = derive_both(str(assignment), document, from_ms, from_ms + 5 * DAY_MS)
    assert by_agent == by_server


def test_both_sides_read_the_same_schedule_document():
    documents = [entry["schedule"] for entry in VECTORS["schedules"]]
    assert {name for document in documents for name in document} == set(
        Schedule.__dataclass_fields__
    )


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=20))
def test_both_sides_name_a_layout_alike(keys):
    # Keys travel as UTF-8, which has no halves of surrogate pairs.
    storable = [key.encode("utf-8", "replace").decode() for key in keys]
    assert hash_keys(storable) == hash_layout(storable)


@given(metric=st.sampled_from(METRICS), values=st.lists(ATTRIBUTE_VALUES, min_size=4, max_size=4))
def test_the_server_reads_every_key_that_the_agent_writes(metric, values):
    attributes = dict(zip(metric["attributes"], values, strict=False))
    key = format_key(metric["name"], attributes)
    parsed = read_server_key(key)
    assert parsed is not None
