"""The agents' other calls: who may make them, and what they answer."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine

from apps.clients.models import Client, Key
from apps.clients.services import revoke_keys, rotate_key
from apps.clients.services.inventory import hash_inventory
from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.ingest import authentication, known_keys
from apps.tests.models import Run
from apps.tests.services import run_now
from tests.factories import wire
from tests.factories.clients import INVENTORY, agent, make_client, make_enrolment, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

CALLS = (("post", "heartbeat"), ("post", "leases"), ("post", "records"), ("get", "config"))


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def heartbeat(**fields):
    return {
        "sent_at": "2026-01-31T12:00:00.000000Z",
        "boot_id": "b",
        "boot_counter": 3,
        "agent_version": "1.2.3",
        "inventory_hash": "",
        "spool_depth": 4,
        "spool_dropped": 5,
        "running": [],
        "clock_offset_seconds": 0.25,
        "clock_error_seconds": 0.001,
        **fields,
    }


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Agent",
        "Agent ",
        "Agent nothing",
        "Agent 00000000." + "x" * 43,
        "Bearer 00000000",
        "Basic YWRtaW46YWRtaW4=",
    ],
)
def test_every_call_needs_a_valid_key(client, method, path, header):
    headers = {} if header is None else {"authorization": header}
    answer = getattr(client, method)(
        f"/api/v1/agent/{path}", content_type="application/json", headers=headers
    )
    assert answer.status_code == 401
    assert answer.json()["code"] == "key_unknown"


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_revoked_key_is_refused_everywhere(client, probe, key, method, path):
    revoke_keys(client=probe)
    answer = getattr(client, method)(
        f"/api/v1/agent/{path}", content_type="application/json", **agent(key)
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")


def test_a_key_that_was_just_used_is_refused_soon_after_it_was_revoked(
    client, probe, key, monkeypatch
):
    seconds = 1000.0
    monkeypatch.setattr(authentication, "KNOWN_KEYS", known_keys.KnownKeys(lambda: seconds))
    assert client.get("/api/v1/agent/config", **agent(key)).status_code == 200
    revoke_keys(client=probe)
    seconds += known_keys.CHECK_SECONDS
    assert client.get("/api/v1/agent/config", **agent(key)).status_code == 401
    assert known_keys.LONGEST_TRUST_SECONDS < 5


def test_an_old_key_works_until_the_overlap_of_a_rotation_ends(client, probe, key):
    with time_machine.travel(read_now(), tick=False) as traveller:
        new = rotate_key(client=probe, overlap=timedelta(minutes=10))
        assert client.get("/api/v1/agent/config", **agent(key)).status_code == 200
        traveller.shift(601)
        late = client.get("/api/v1/agent/config", **agent(key))
        assert (late.status_code, late.json()["code"]) == (401, "key_expired")
        assert client.get("/api/v1/agent/config", **agent(new)).status_code == 200


def test_the_database_holds_no_key(key):
    stored = Key.objects.values_list("prefix", "digest").get()
    assert key not in "".join(stored)
    assert key.partition(".")[2] not in "".join(stored)


def test_an_agent_of_a_deleted_client_is_told_so(client, probe, key):
    assert client.get("/api/v1/agent/config", **agent(key)).status_code == 200
    probe.delete()
    answer = wire.post(client, "heartbeat", heartbeat(), key)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_unknown")


def test_enrolment_gives_a_key_that_works(client):
    body = {"token": make_enrolment(), "name": "new", "agent_version": "1", "inventory": INVENTORY}
    answer = client.post("/api/v1/agent/enrol", body, content_type="application/json")
    assert answer.status_code == 201
    document = answer.json()
    assert document["name"] == "new"
    stored = Client.objects.get(id=document["client_id"])
    assert stored.hostname == "probe-1.example"
    assert client.get("/api/v1/agent/config", **agent(document["key"])).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"token": ""}, "token"),
        ({"agent_version": "1" * 33}, "agent_version"),
        ({"inventory": []}, "inventory"),
        ({"inventory": {"interfaces": [{"name": 5}]}}, "inventory.interfaces[0].name"),
        ({"inventory": {"hostname": "\x00"}}, "body.inventory.hostname"),
    ],
)
def test_a_wrong_enrolment_names_its_field(client, change, field):
    good = {"token": make_enrolment(), "name": "new", "agent_version": "1", "inventory": INVENTORY}
    answer = client.post("/api/v1/agent/enrol", {**good, **change}, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == field
    assert not Client.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 100_000, b'{"inventory":' + b"[" * 100_000])
def test_an_enrolment_that_is_no_json_is_refused(client, body):
    answer = client.post("/api/v1/agent/enrol", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"]


def test_a_heartbeat_answers_the_clock_and_what_is_new(client, probe, key):
    answer = wire.post(client, "heartbeat", heartbeat(), key).json()
    assert answer["received_at"] <= answer["answered_at"]
    assert answer["heartbeat_seconds"] == 10
    assert answer["schedule_revision"] == probe.schedule_revision
    stored = Client.objects.get(id=probe.id)
    assert (stored.presence, stored.boot_counter, stored.spool_depth) == ("online", 3, 4)
    assert stored.clock_offset_seconds == 0.25


def test_an_inventory_is_wanted_only_when_its_hash_differs(client, probe, key):
    wire.send(client, key, wire.record("inventory", INVENTORY))
    same = heartbeat(inventory_hash=hash_inventory(INVENTORY))
    assert wire.post(client, "heartbeat", same, key).json()["is_inventory_wanted"] is False
    other = heartbeat(inventory_hash="0" * 16)
    assert wire.post(client, "heartbeat", other, key).json()["is_inventory_wanted"] is True


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sent_at": "2026-01-31T12:00:00"}, "sent_at"),
        ({"boot_counter": -1}, "boot_counter"),
        ({"spool_depth": 2**63}, "spool_depth"),
        ({"running": ["x"]}, "running[0]"),
        ({"boot_id": "x" * 65}, "boot_id"),
        ({"boot_id": "\x00"}, "body.boot_id"),
        ({"clock_offset_seconds": 1e300}, "clock_offset_seconds"),
        ({"clock_offset_seconds": -1.1e11}, "clock_offset_seconds"),
        ({"clock_error_seconds": 1.1e11}, "clock_error_seconds"),
    ],
)
def test_a_wrong_heartbeat_names_its_field(client, key, change, field):
    answer = wire.post(client, "heartbeat", heartbeat(**change), key)
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == field


@pytest.mark.parametrize("offset_seconds", [1.8e9, -1e11, 1e11])
def test_a_host_whose_clock_was_never_set_is_heard_and_shown(client, probe, key, offset_seconds):
    body = heartbeat(clock_offset_seconds=offset_seconds)
    assert wire.post(client, "heartbeat", body, key).status_code == 200
    stored = Client.objects.get(id=probe.id)
    assert (stored.presence, stored.clock_offset_seconds) == ("online", offset_seconds)


def test_a_heartbeat_notes_the_runs_that_run(client, probe, key):
    run = make_run(make_assignment(probe), state=Run.State.LEASED)
    foreign = make_run(make_assignment(make_client("other"), "Other"), state=Run.State.LEASED)
    running = [str(run.id), str(foreign.id), str(uuid4())]
    assert wire.post(client, "heartbeat", heartbeat(running=running), key).status_code == 200
    run.refresh_from_db()
    foreign.refresh_from_db()
    assert (run.state, foreign.state) == ("running", "leased")


def test_a_lease_holds_only_the_own_assignments_and_runs(client, probe, key):
    own = make_assignment(probe)
    other = make_assignment(make_client("other"), "Other")
    run_now(test=own.test)
    run_now(test=other.test)
    lease = wire.post(client, "leases", {"horizon_seconds": 900}, key).json()
    assert [row["id"] for row in lease["assignments"]] == [str(own.id)]
    assert {run["assignment_id"] for run in lease["runs"]} == {str(own.id)}


@pytest.mark.parametrize("seconds", [0, -1, 1e9, "x", None])
def test_a_lease_beyond_its_limits_names_the_field(client, key, seconds):
    answer = wire.post(client, "leases", {"horizon_seconds": seconds}, key)
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == "horizon_seconds"


def test_the_config_is_sent_again_only_when_it_changed(client, key):
    first = client.get("/api/v1/agent/config", **agent(key))
    headers = {**agent(key)["headers"], "if-none-match": first["ETag"]}
    assert client.get("/api/v1/agent/config", headers=headers).status_code == 304
    store_settings(values={"host_interval_seconds": 77.0})
    changed = client.get("/api/v1/agent/config", headers=headers)
    assert changed.status_code == 200
    assert changed.json()["collectors"]["host"] == {"interval_seconds": 77.0, "is_enabled": True}
    assert "169.254.0.0/16" in changed.json()["policy"]["denied_networks"]


def test_the_config_names_exactly_the_etag_of_the_heartbeat(client, key):
    etag = client.get("/api/v1/agent/config", **agent(key))["ETag"]
    answer = wire.post(client, "heartbeat", heartbeat(), key).json()
    assert etag == f'"{answer["config_etag"]}"'
