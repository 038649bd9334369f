import json

import pytest
from jsonschema import Draft202012Validator

from agent.tests.answering_server import WIRE, list_violations
from streamswarm_agent.wire.messages import (
    Config,
    Enrolment,
    HeartbeatAnswer,
    Lease,
    RecordsAnswer,
)

VALID = sorted((WIRE / "examples" / "valid").glob("*.json"))
INVALID = sorted((WIRE / "examples" / "invalid").glob("*.json"))
SCHEMA = json.loads((WIRE / "schema.json").read_text())
PARSERS = {
    "enrol_answer": Enrolment,
    "heartbeat_answer": HeartbeatAnswer,
    "leases_answer": Lease,
    "config_answer": Config,
    "records_answer": RecordsAnswer,
}


def test_the_schema_is_json_schema_2020_12():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_example_keeps_the_rules_of_its_definition(path):
    definition = path.stem.partition(".")[0]
    assert list_violations(definition, json.loads(path.read_text())) == []


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_example_breaks_the_schema_exactly_when_it_says_so(path):
    example = json.loads(path.read_text())
    assert path.stem.partition(".")[0] == example["code"]
    is_against_schema = bool(list_violations("records_request", example["batch"]))
    assert is_against_schema == example["is_against_schema"]


def test_every_call_record_kind_and_rejection_has_an_example():
    shown = {path.stem.partition(".")[0] for path in VALID}
    calls = {name for name in SCHEMA["$defs"] if name.endswith(("_request", "_answer"))}
    kinds = {"record_frame", "record_fact", "record_result", "record_inventory"}
    assert calls | kinds | {"error", "nudge"} <= shown
    rejected = {path.stem.partition(".")[0] for path in INVALID}
    assert rejected == set(SCHEMA["$defs"]["rejection_code"]["enum"])


@pytest.mark.parametrize("name", PARSERS)
def test_the_agent_understands_the_example_of_an_answer_and_ignores_unknown_fields(name):
    document = json.loads((WIRE / "examples" / "valid" / f"{name}.json").read_text())
    assert PARSERS[name].parse(document | {"later_field": [1]}) == PARSERS[name].parse(document)


def test_the_lease_example_is_read_in_full():
    document = json.loads((WIRE / "examples" / "valid" / "leases_answer.json").read_text())
    lease = Lease.parse(document)
    assert lease.horizon_end_ms - lease.server_time_ms == 900_000
    assert [run.is_on_demand for run in lease.runs] == [False, True]
    assert lease.assignments[lease.runs[0].assignment_id].schedule.every_ms == 60_000
