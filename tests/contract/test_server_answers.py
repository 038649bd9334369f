"""What the server says: by the schema, of the examples' shape, and understood by the agent."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.tests.models import Run
from apps.tests.services import plan_runs, run_now, stop_runs
from streamswarm_agent.runtime.planner import plan_runs as plan_agent_runs
from streamswarm_agent.wire.messages import Config, Enrolment, HeartbeatAnswer, Lease, RecordsAnswer
from tests.contract.wire_contract import list_paths, list_violations, read_example
from tests.factories import wire
from tests.factories.clients import INVENTORY, agent, make_enrolment
from tests.factories.maintenance import make_window
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

HOUR_MS = 3_600_000


def enrol(client, **fields):
    body = {"name": "edge", "agent_version": "1", "inventory": INVENTORY, **fields}
    return client.post("/api/v1/agent/enrol", body, content_type="application/json")


def lease(client, key, horizon_seconds=900):
    return wire.post(client, "leases", {"horizon_seconds": horizon_seconds}, key).json()


def list_plain_paths(document):
    """The fields of a document, without the names that tests and collectors bring along."""
    free = ("$.collectors.", "$.assignments[].parameters.")
    return {path for path in list_paths(document) if not path.startswith(free)}


@pytest.mark.parametrize(
    ("name", "understand"),
    [
        ("enrol", Enrolment),
        ("heartbeat", HeartbeatAnswer),
        ("leases", Lease),
        ("config", Config),
        ("records", RecordsAnswer),
    ],
)
def test_every_answer_has_the_shape_of_its_example_and_is_understood(
    name, understand, client, key, probe
):
    answer = make_answer(name, client, key, probe)
    assert list_violations(f"{name}_answer", answer) == []
    assert list_plain_paths(answer) == list_plain_paths(read_example(f"{name}_answer"))
    assert understand.parse(answer) is not None


def make_answer(name, client, key, probe):
    """An answer in which every list has an entry."""
    if name == "enrol":
        return enrol(client, token=make_enrolment()).json()
    if name == "heartbeat":
        return wire.post(client, "heartbeat", read_example("heartbeat_request"), key).json()
    if name == "config":
        return client.get("/api/v1/agent/config", **agent(key)).json()
    if name == "records":
        return wire.send(client, key, wire.frame(), wire.fact(), wire.record("magic", {}))
    assignment = make_assignment(probe)
    make_run(assignment, state=Run.State.CANCELLED, leased_at=read_now())
    run_now(test=assignment.test)
    by_cron = {"cron_expression": "30 2 * * *", "time_zone": "Europe/Berlin"}
    make_assignment(probe, "Nightly", schedule_kind="cron", every_seconds=None, **by_cron)
    make_window(starts_at=read_now() + timedelta(days=1))
    return lease(client, key)


@pytest.mark.parametrize(
    ("call", "body", "secret", "status"),
    [
        ("heartbeat", {}, "00000000.unknown", 401),
        ("heartbeat", {"sent_at": "yesterday"}, None, 400),
        ("leases", {"horizon_seconds": -1}, None, 400),
        ("records", b"no JSON", None, 400),
        ("records", b" " * 1_000_001, None, 413),
        ("enrol", {"token": "x", "name": "\x07", "agent_version": "1", "inventory": {}}, None, 400),
        ("enrol", {"token": "x", "name": "edge", "agent_version": "1", "inventory": {}}, None, 401),
    ],
)
def test_every_refusal_is_an_error_of_the_wire(call, body, secret, status, client, key):
    answer = wire.post(client, call, body, secret or key)
    assert answer.status_code == status
    assert list_violations("error", answer.json()) == []
    if status == 400:
        named = {name for error in answer.json()["data"]["errors"] for name in error}
        assert named == {"field", "code", "detail"}
    if status == 413:
        assert float(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind", ["once", "every", "continuous"])
def test_the_agent_plans_the_runs_that_the_server_plans(kind, client, key, probe, settings):
    """Inside the horizon by lease, beyond it by the same rule, without asking again."""
    assignment = make_assignment(
        probe, schedule_kind=kind, every_seconds=60.0, duration_seconds=20.0, slip_seconds=7.0
    )
    plan_runs()
    orders = Lease.parse(lease(client, key))
    until_ms = orders.server_time_ms + HOUR_MS
    planned = plan_agent_runs(orders, now_ms=orders.server_time_ms, until_ms=until_ms)
    settings.SWARM_HORIZON_SECONDS = 2 * HOUR_MS / 1000
    type(assignment).objects.update(planned_until=None)
    plan_runs()
    expected = {
        (str(run.id), run.start_at.timestamp())
        for run in Run.objects.all()
        if run.start_at.timestamp() * 1000 < until_ms
    }
    found = {(item.run.id, item.run.start_ms / 1000) for item in planned}
    assert found == expected
    # The slip moves up to one start over either end of the hour.
    at_least, at_most = {"once": (1, 1), "every": (59, 61), "continuous": (180, 180)}[kind]
    assert at_least <= len(found) <= at_most


def test_a_stopped_run_is_told_to_the_agent_as_cancelled(client, key, probe):
    assignment = make_assignment(probe)
    (run,) = run_now(test=assignment.test)
    first, *planned = Lease.parse(lease(client, key)).runs
    assert (first.id, first.is_on_demand) == (str(run.id), True)
    stop_runs(test=assignment.test)
    told = Lease.parse(lease(client, key))
    assert told.runs == tuple(planned)
    assert told.cancelled == {str(run.id)}
