"""Results close runs: once, whichever way and however late they come in."""

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.core.clock import read_now
from apps.metrics.models import Fact
from apps.tests.algorithms.slots import derive_run_id
from apps.tests.models import Assignment, Result, Run
from apps.tests.services import assign_clients, close_overdue_runs, plan_runs
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import forget_plans, make_assignment, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


@pytest.fixture
def assignment(probe):
    row = make_assignment(probe)
    forget_plans()
    return row


def derived(assignment, slot=5, revision=1, **fields):
    """The result of a run that the agent made by itself."""
    run_id = derive_run_id(str(assignment.id), revision, slot)
    return wire.result(assignment.id, run=run_id, slot=slot, revision=revision, **fields)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("completed", "finished"),
        ("failed", "failed"),
        ("aborted", "failed"),
        ("cancelled", "cancelled"),
    ],
)
def test_a_result_closes_its_run(client, key, assignment, outcome, state):
    run = make_run(assignment, state=Run.State.LEASED)
    record = wire.result(assignment.id, run=run.id, outcome=outcome, reason="because")
    assert wire.send(client, key, record)["stored"] == [record["id"]]
    run.refresh_from_db()
    assert (run.state, run.reason) == (state, "because")
    assert run.started_at < run.finished_at
    assert run.result.outcome == outcome


def test_a_result_twice_is_a_duplicate(client, key, assignment):
    run = make_run(assignment)
    first = wire.result(assignment.id, run=run.id)
    second = wire.result(assignment.id, run=run.id, outcome="failed")
    assert wire.send(client, key, first)["stored"] == [first["id"]]
    assert wire.send(client, key, second)["duplicate"] == [second["id"]]
    assert Result.objects.get().outcome == "completed"


def test_a_result_twice_in_one_batch_is_a_duplicate(client, key, assignment):
    run = make_run(assignment)
    records = [wire.result(assignment.id, run=run.id) for _ in range(2)]
    answer = wire.send(client, key, *records)
    assert (answer["stored"], answer["duplicate"]) == ([records[0]["id"]], [records[1]["id"]])


def test_a_run_the_agent_derived_by_itself_is_made(client, key, assignment):
    record = derived(assignment, slot=12345)
    assert wire.send(client, key, record)["stored"] == [record["id"]]
    run = Run.objects.get()
    assert (run.slot, run.state, run.schedule_revision) == (12345, "finished", 1)
    assert str(run.id) == record["data"]["run"]


def test_a_run_planned_here_and_derived_there_is_the_same_run(client, key, assignment):
    assignment.refresh_from_db()
    plan_runs()
    planned = Run.objects.order_by("start_at").first()
    count = Run.objects.count()
    wire.send(client, key, derived(assignment, slot=planned.slot))
    planned.refresh_from_db()
    assert planned.state == "finished"
    assert Run.objects.count() == count


def test_a_run_derived_for_an_assignment_that_was_taken_away_since_still_counts(
    client, key, assignment
):
    assign_clients(test=assignment.test, clients=[])
    record = derived(assignment)
    assert wire.send(client, key, record)["stored"] == [record["id"]]


@pytest.mark.parametrize(
    "lie",
    [
        {"run": str(uuid4())},
        {"slot": None},
        {"slot": 6},
        {"revision": 2},
    ],
)
def test_a_run_that_was_neither_planned_nor_rightly_derived_is_refused(
    client, key, assignment, lie
):
    record = derived(assignment, slot=5)
    record["data"] |= lie
    assert wire.codes(wire.send(client, key, record)) == {record["id"]: "unknown_run"}
    assert not Run.objects.exists()


def test_results_for_anothers_run_or_assignment_are_refused(client, key):
    foreign = make_assignment(make_client("other"), "Other")
    forget_plans()
    run = make_run(foreign)
    records = [wire.result(foreign.id, run=run.id), derived(foreign)]
    answer = wire.send(client, key, *records)
    assert wire.codes(answer) == {
        records[0]["id"]: "unknown_run",
        records[1]["id"]: "unknown_assignment",
    }
    run.refresh_from_db()
    assert run.state == "scheduled"
    assert not Result.objects.exists()


def test_a_late_result_turns_a_missed_run_into_what_it_was(client, key, assignment):
    long_ago = read_now() - timedelta(days=3)
    run = make_run(assignment, start_at=long_ago, end_at=long_ago + timedelta(seconds=10))
    close_overdue_runs()
    run.refresh_from_db()
    assert run.state == "missed"
    wire.send(client, key, wire.result(assignment.id, run=run.id, at=long_ago))
    run.refresh_from_db()
    assert (run.state, run.reason) == ("finished", "")


def test_total_loss_is_a_result_and_no_failure(client, key, assignment):
    run = make_run(assignment)
    record = wire.result(
        assignment.id,
        run=run.id,
        is_success=False,
        values={"net.packet.loss.ratio": 1.0},
        absent={"net.rtt.median": "T"},
    )
    wire.send(client, key, record)
    run.refresh_from_db()
    assert (run.state, run.result.is_success) == ("finished", False)
    assert run.result.absent == {"net.rtt.median": "T"}


def test_the_assignment_shows_the_newest_result_and_not_the_last_to_arrive(client, key, assignment):
    now = read_now()
    for age, value in ((60, 0.06), (10, 0.01), (30, 0.03)):
        run = make_run(assignment)
        at = now - timedelta(seconds=age)
        values = {"net.rtt.median": value}
        wire.send(client, key, wire.result(assignment.id, run=run.id, at=at, values=values))
    stored = Assignment.objects.get()
    assert stored.last_values == {"net.rtt.median": 0.01}
    assert stored.last_run_at == now - timedelta(seconds=10)
    assert (stored.last_run_state, stored.last_is_success) == ("finished", True)


def test_facts_of_a_result_stand_at_its_source(client, key, assignment):
    run = make_run(assignment)
    wire.send(client, key, wire.result(assignment.id, run=run.id, facts={"http.status": "200"}))
    fact = Fact.objects.get()
    assert (fact.source_id, fact.key, fact.value) == (assignment.source_id, "http.status", "200")


def test_frames_of_a_run_open_it_before_its_result_closes_it(client, key, assignment):
    run = make_run(assignment, state=Run.State.LEASED)
    source = ("assignment", str(assignment.id))
    sample = wire.frame(source=source, keys=wire.PING_KEYS, run=str(run.id))
    wire.send(client, key, sample)
    run.refresh_from_db()
    assert (run.state, run.started_at is not None) == ("running", True)
    wire.send(client, key, wire.result(assignment.id, run=run.id))
    late = wire.frame(source=source, keys=wire.PING_KEYS, run=str(run.id))
    wire.send(client, key, late)
    run.refresh_from_db()
    assert run.state == "finished"


def test_frames_of_a_missed_run_open_it_again(client, key, assignment):
    run = make_run(assignment, state=Run.State.MISSED, reason="not started by the agent")
    source = ("assignment", str(assignment.id))
    wire.send(client, key, wire.frame(source=source, keys=wire.PING_KEYS, run=str(run.id)))
    run.refresh_from_db()
    assert (run.state, run.reason) == ("running", "")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"values": {"no.such.metric": 1.0}}, "unknown_metric", "data.values"),
        ({"absent": {"no.such.metric": "T"}}, "unknown_metric", "data.absent"),
        ({"absent": {"net.rtt.median": "Z"}}, "malformed", "data.absent[...]"),
        ({"outcome": "great"}, "malformed", "data.outcome"),
        ({"slot": -1}, "out_of_range", "data.slot"),
        ({"revision": 2**31}, "out_of_range", "data.revision"),
        ({"method": "x" * 33}, "too_long", "data.method"),
        ({"reason": "\x00"}, "bad_text", "data.reason"),
        ({"started_at": "2020-01-01T00:00:00Z"}, "too_old", "data.started_at"),
        ({"finished_at": "2999-01-01T00:00:00Z"}, "in_future", "data.finished_at"),
        ({"document": {"a": ["\x00"]}}, "bad_text", "data.document.a[0]"),
        ({"document": {"\x00": 1}}, "bad_text", "data.document"),
        ({"facts": {"k": "x" * 1025}}, "too_long", "data.facts[...]"),
    ],
)
def test_a_result_that_breaks_a_rule_is_refused_by_name(
    client, key, assignment, change, code, field
):
    run = make_run(assignment)
    record = wire.result(assignment.id, run=run.id, **change)
    (refusal,) = wire.send(client, key, record)["rejected"]
    assert (refusal["code"], refusal["field"]) == (code, field)
    run.refresh_from_db()
    assert run.state == "scheduled"


def test_a_reason_longer_than_a_column_is_cut_and_not_lost(client, key, assignment):
    run = make_run(assignment)
    wire.send(client, key, wire.result(assignment.id, run=run.id, reason="x" * 1000))
    run.refresh_from_db()
    assert run.reason == "x" * 255


@pytest.mark.parametrize(
    ("table", "fact", "code"),
    [("1.0.0.0\t1.0.0.9\t64500\tAU\tONE\n", "2 AS64500 ONE", None),
     ("2.0.0.0\t2.0.0.9\t64500\tAU\tONE\n", "none", None), ("", None, "U")],
)  # fmt: skip
def test_hops_of_a_trace_get_their_autonomous_systems(
    client, key, assignment, settings, tmp_path, table, fact, code
):
    path = tmp_path / "asn.tsv"
    path.write_text(table)
    settings.SWARM_ASN_TABLE = str(path) if table else ""
    run = make_run(assignment, state=Run.State.LEASED)
    hops = [
        {"ttl": ttl, "stations": [{"address": f"{place}.0.0.1"} for place in places]}
        for ttl, places in ((1, (10,)), (2, (1, 1)), (3, ()))
    ]
    wire.send(client, key, wire.result(assignment.id, run=run.id, document={"hops": hops}))
    run.refresh_from_db()
    assert run.result.facts.get("path.hop.asn") == fact
    assert run.result.absent.get("path.hop.asn") == code


@pytest.mark.parametrize("hops", ["x", [1], [{"stations": 1}], {"a": 1}, None])
def test_hops_that_are_none_are_stored_as_they_came(client, key, assignment, hops):
    run = make_run(assignment, state=Run.State.LEASED)
    record = wire.result(assignment.id, run=run.id, document={"hops": hops})
    assert wire.send(client, key, record)["stored"] == [record["id"]]
    run.refresh_from_db()
    assert "path.hop.asn" not in run.result.absent
