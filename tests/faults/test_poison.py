"""Poison in the middle of good batches: refused alone, kept for people, never sent for ever."""

import json
import tempfile
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.clock import format_moment, read_now
from apps.ingest.models import RejectedRecord
from apps.ingest.services import REJECTED_KEPT_PER_BATCH
from apps.metrics.models import Frame, Layout
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.wire.layouts import Layout as AgentLayout
from streamswarm_agent.wire.records import Record
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.faults.oracle import Database, compare
from tests.faults.poison import build_poisons, write_batch
from tests.faults.refusals import list_refused
from tests.faults.sending import open_sender, run_door
from tests.flows.agents import enrol_host, run_agent_command
from tests.flows.api_user import become_admin, sign_in
from tests.servers.waiting import wait_until

POISONS = build_poisons()
SMALL_BYTES = 100_000
SMALL = {
    name: item
    for name, item in POISONS.items()
    if len(item.data) + len(str(item.layouts)) < SMALL_BYTES
}
WAIT_SECONDS = 90
QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
# What no batch can hold at all: the agent finds it by halving.
SPOILS_ITS_BATCH = {
    "no JSON": ("fact", '{"source": '),
    "10 MB of text": ("fact", '{"value": "' + "x" * 10_000_000 + '"}'),
}
REFUSED_QUERY = "SELECT sum(rejected) FROM metrics_ingestbatch WHERE received_at >= {mark}"
LONG_KEY_BYTES = 1_000_000
LONG_KEYS = 30
ROOM_BYTES = 10_000_000


@pytest.fixture
def key(db):
    return make_key(make_client())


@pytest.mark.parametrize("name", POISONS)
def test_poison_is_refused_alone_and_kept_with_its_reason(client, key, name):
    poison = POISONS[name]
    items = [("before", wire.frame()), ("poison", poison), ("after", wire.frame())]
    answer = wire.post_zipped(client, write_batch(items), key)
    assert answer.status_code == 200, answer.content
    assert answer.json()["stored"] == ["before", "after"]
    assert wire.codes(answer.json()) == {"poison": poison.code}
    kept = RejectedRecord.objects.get()
    assert (kept.record_id, kept.code) == ("poison", poison.code)
    assert kept.field
    assert kept.detail


def check_codes(answer, names):
    """Each poison was refused, under the id of its place, for its own fault."""
    codes = wire.codes(answer)
    assert codes.keys() == {f"bad-{number}" for number in range(len(names))}
    for number, name in enumerate(names):
        # Beside what is no JSON, a number too large is read as an infinity.
        is_number = SMALL[name].code == "out_of_range"
        allowed = {SMALL[name].code, *(["not_finite"] if is_number else [])}
        assert codes[f"bad-{number}"] in allowed


@given(
    names=st.lists(st.sampled_from(sorted(SMALL)), min_size=1, max_size=12),
    places=st.lists(st.integers(0, 12), min_size=1, max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mix_of_poison_harms_no_neighbour(client, key, names, places):
    items = [(f"bad-{number}", SMALL[name]) for number, name in enumerate(names)]
    for number, place in enumerate(places):
        items.insert(min(place, len(items)), (f"good-{number}", wire.frame()))
    answer = wire.post_zipped(client, write_batch(items), key)
    assert answer.status_code == 200, answer.content
    assert set(answer.json()["stored"]) == {name for name, _item in items if "good" in name}
    check_codes(answer.json(), names)


@pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, float(2**63), 2**63])
def test_numbers_at_the_edge_are_stored_as_they_are(client, key, value):
    assert wire.send(client, key, wire.frame((value, 0.5), id="edge"))["stored"] == ["edge"]
    assert str(Frame.objects.get().values[0]) == str(float(value))


def send_long_key(client, key, number):
    layout_hash = f"{number:016}"
    batch = wire.batch(wire.frame((1.0,), layout=layout_hash, id="long"))
    batch["layouts"][layout_hash] = [f"{number}" + "x" * LONG_KEY_BYTES]
    answer = wire.post_zipped(client, batch, key)
    (refusal,) = answer.json()["rejected"]
    assert (refusal["code"], refusal["field"]) == ("too_long", "data.layout")
    assert "255" in refusal["detail"]


def test_names_of_any_length_leave_nothing_in_memory(client, key):
    tracemalloc.start()
    try:
        send_long_key(client, key, 0)
        before, _peak = tracemalloc.get_traced_memory()
        for number in range(LONG_KEYS):
            send_long_key(client, key, number)
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < ROOM_BYTES
    assert not Layout.objects.exists()


@pytest.fixture(scope="module", params=["sqlite"])
def stack(request):
    with run_door(request, settings=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def admin(stack):
    return become_admin(stack)


def read_page(stack, path):
    headers = {"Cookie": sign_in(stack.base_url)}
    url = f"{stack.base_url}{path}"
    answer = httpx.get(url, headers=headers, timeout=WAIT_SECONDS, trust_env=False)
    assert answer.is_success, answer.text
    return answer.text


@pytest.mark.faults
@pytest.mark.slow
def test_the_real_door_stores_what_is_good_and_shows_what_is_not(stack, admin, fault_journal):
    good = [wire.frame() for _ in range(len(SMALL) + 1)]
    items = [("good-0", good[0])]
    for number, name in enumerate(SMALL):
        items += [(f"bad-{number}", SMALL[name]), (f"good-{number + 1}", good[number + 1])]
    body = write_batch(items)
    with open_sender(stack, "poisonous") as sender:
        answers = [sender.post(body) for _ in range(2)]
        verdict = sender.judge(stack, good)
    fault_journal.record(
        15,
        "poison in a batch",
        verdict,
        runs=len(SMALL),
        refused=len(SMALL),
        nothing_to_recover="only the poison is refused",
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    names = {name for name, _item in items if name.startswith("good")}
    assert (set(first["stored"]), set(second["duplicate"])) == (names, names)
    check_codes(first, SMALL)
    check_codes(second, SMALL)
    assert verdict.is_exactly_once, verdict
    page = read_page(stack, "/admin/ingest/rejectedrecord/")
    assert all(item["code"] in page for item in first["rejected"][:REJECTED_KEPT_PER_BATCH])


def fill_spool(host):
    """Good frames with poison between them; how many there are of either."""
    poisons = {name: (item.kind, item.data, item.layouts) for name, item in POISONS.items()}
    poisons |= {name: (kind, data, {}) for name, (kind, data) in SPOILS_ITS_BATCH.items()}
    at = format_moment(read_now())
    records = []
    for kind, data, layouts in poisons.values():
        for layout_hash, keys in layouts.items():
            layout = AgentLayout(layout_hash, tuple(keys))
        records += [make_good(at), Record(kind, at, data, layout if layouts else None)]
    with closing(Spool(StateDirectory(host.state_folder).spool_path)) as spool:
        spool.add([*records, make_good(at)])
    return len(poisons) + 1, len(poisons)


def make_good(at):
    ((layout_hash, keys),) = wire.layout().items()
    data = wire.frame(source=("cpu", ""))["data"]
    return Record("frame", at, json.dumps(data), AgentLayout(layout_hash, tuple(keys)))


@pytest.mark.faults
@pytest.mark.slow
def test_a_real_agent_moves_poison_aside_and_goes_on(stack, admin, fault_journal):
    database, begun_at = Database.of(stack.environment), read_now()
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as folder:
        token = admin.issue_enrolment_token()
        host = enrol_host(Path(folder) / "host", stack.base_url, token, "poisoned")
        good, bad = fill_spool(host)
        try:
            begin = time.monotonic()
            host.start()
            wait_until(
                lambda: count_quarantined(host) == bad,
                seconds=WAIT_SECONDS,
                what="all poison moved aside",
            )
            measured = len(host.read_ledger())
            wait_until(
                lambda: len(host.read_ledger()) > measured,
                seconds=WAIT_SECONDS,
                what="measuring after the poison",
            )
            recovery_seconds = time.monotonic() - begin
            assert host.stop() == 0
        finally:
            host.end()
        stored = database.list_measurements(host.client_id)
        assert len([line for line in stored if line.startswith("frame cpu - ")]) >= good
        # What a poisoned frame or result says of itself is in the ledger as well.
        verdict, refused = compare(host.read_ledger(), stored), list_refused(host)
        fault_journal.record(
            15,
            "poison in a spool",
            verdict,
            runs=bad,
            told=refused.keys(),
            refused=bad - len(refused.keys() & verdict.lost),
            recovery_seconds=recovery_seconds,
        )
        assert (verdict.doubled, verdict.unlisted) == (0, set())
        assert count_quarantined(host) == bad
        with closing(Spool(StateDirectory(host.state_folder).spool_path)) as spool:
            assert spool.depth == 0
        report = run_agent_command("check", "--json", "--state-dir", host.state_folder).stdout
    assert f"{bad} refused by the server" in report
    # Each was refused once: by its record, or with the batch that held nothing else.
    refused = database.select(REFUSED_QUERY, begun_at)
    assert refused == [(len(POISONS),)]


def count_quarantined(host):
    with closing(Spool(StateDirectory(host.state_folder).spool_path)) as spool:
        return len(spool.list_quarantine())
