"""Seven days that come late, in any order: all of it is stored, and what is older is counted."""

import random
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.ingest.models import RejectedRecord
from apps.metrics.models import Frame, IngestBatch, Latest
from apps.metrics.writers import ensure_partitions
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.wire.layouts import build_layout
from streamswarm_agent.wire.records import Source, build_frame, make_sequence
from streamswarm_agent.wire.times import format_time
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.faults.oracle import Database, compare
from tests.faults.refusals import list_refused
from tests.faults.sending import run_door
from tests.flows.agents import enrol_host
from tests.flows.api_user import become_admin, sign_in
from tests.servers.waiting import wait_until

WEEK = timedelta(days=7)
WEEK_MINUTES = 7 * 24 * 60
MOMENT = datetime(2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)
QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
BACKLOG_FRAMES = 3_000
EXPIRED_FRAMES = 3
BACKLOG_BOOT = 0
WAIT_SECONDS = 90

any_database_state = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15
)


@pytest.fixture
def now(db):
    with time_machine.travel(MOMENT, tick=False):
        ensure_partitions(read_now())
        yield read_now()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "is_taken"),
    [
        (WEEK - timedelta(minutes=1), True),
        (WEEK, True),
        (WEEK + timedelta(microseconds=1), False),
        (WEEK + timedelta(days=1), False),
        (timedelta(days=40), False),
        (timedelta(days=4000), False),
    ],
)
def test_a_week_is_taken_to_its_very_edge_and_older_is_refused_and_counted(
    client, now, age, is_taken
):
    key = make_key(make_client())
    late = wire.frame(id="late", at=now - age)
    answer = wire.send(client, key, wire.frame(id="live"), late)
    assert answer["stored"] == (["live", "late"] if is_taken else ["live"])
    assert wire.codes(answer) == ({} if is_taken else {"late": "too_old"})
    assert Frame.objects.count() == 1 + is_taken
    batch = IngestBatch.objects.get()
    assert (batch.stored, batch.rejected) == (1 + is_taken, 1 - is_taken)
    kept = list(RejectedRecord.objects.values_list("code", "field"))
    assert kept == ([] if is_taken else [("too_old", "at")])


@pytest.mark.django_db
@any_database_state
@given(
    ages_minutes=st.lists(st.integers(0, WEEK_MINUTES), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
    batches=st.integers(1, 6),
)
def test_a_shuffled_week_is_stored_whole_and_the_latest_is_the_newest_measured(
    client, now, ages_minutes, seed, batches
):
    probe = make_client(f"probe-{Latest.objects.count()}-{seed}-{len(ages_minutes)}")
    key = make_key(probe)
    frames = [
        wire.frame((float(age), 1.0), source=("interface", f"eth{age % 3}"), at=now - minutes(age))
        for age in ages_minutes
    ]
    random.Random(seed).shuffle(frames)  # noqa: S311 - an order, no secret
    arrived = []
    for place in range(batches):
        part = frames[place::batches]
        answer = wire.send(client, key, *part)
        assert len(answer["stored"]) == len(part)
        arrived.extend(part)
        check_latest(probe, arrived)
    assert Frame.objects.filter(source__client=probe).count() == len(frames)


def minutes(number):
    return timedelta(minutes=number)


def check_latest(probe, arrived):
    newest = {}
    for record in arrived:
        payload = record["data"]
        subject = payload["source"]["subject"]
        moment = (record["at"], payload["seq"])
        newest[subject] = max(newest.get(subject, moment), moment)
    rows = Latest.objects.filter(source__client=probe).select_related("source")
    assert {row.source.subject: (f"{row.at:%FT%T.%fZ}", row.seq) for row in rows} == newest


@pytest.fixture(scope="module", params=["sqlite"])
def stack(request):
    with run_door(request, settings=QUICK) as running:
        yield running


@pytest.fixture
def host(stack):
    """An enrolled agent whose spool holds a week that it could not send."""
    token = become_admin(stack).issue_enrolment_token()
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as folder:
        made = enrol_host(Path(folder) / "host", stack.base_url, token, "week")
        try:
            yield made
        finally:
            made.end()


def fill_spool(host):
    """The ledger's lines of a week of frames, oldest first; a few more are too old by now."""
    begin = read_now() - WEEK + timedelta(minutes=30)
    step = (read_now() - begin) / BACKLOG_FRAMES
    moments = [begin - timedelta(hours=1 + hour) for hour in reversed(range(EXPIRED_FRAMES))]
    moments += [begin + number * step for number in range(BACKLOG_FRAMES)]
    layout = build_layout(["system.cpu.utilization"])
    records = [
        build_frame(
            Source("cpu", ""),
            at=format_time(moment.timestamp()),
            sequence=make_sequence(BACKLOG_BOOT, number),
            measurement=(layout, [number / len(moments)], {}),
        )
        for number, moment in enumerate(moments)
    ]
    spool = Spool(StateDirectory(host.state_folder).spool_path)
    spool.add(records)
    spool.close()
    sequences = [make_sequence(BACKLOG_BOOT, number) for number in range(len(moments))]
    return [
        f"frame cpu - {sequence} {record.at}"
        for sequence, record in zip(sequences, records, strict=True)
    ]


def list_arrivals(stack):
    """When each frame was received, and the sequence and time it was measured with."""
    query = "SELECT received_at, seq, at FROM metrics_frame WHERE at >= {mark}"
    return Database.of(stack.environment).select(query, datetime(2000, 1, 1, tzinfo=UTC))


def count_set_aside(host):
    """How many records the running agent has moved aside, by a look that changes nothing."""
    path = StateDirectory(host.state_folder).spool_path
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as spool:
        return spool.execute("SELECT count(*) FROM quarantine").fetchone()[0]


@pytest.mark.faults
@pytest.mark.slow
def test_an_agent_that_was_away_for_a_week_brings_all_of_it_live_first(stack, host, fault_journal):
    lines = fill_spool(host)
    expired, backlog = lines[:EXPIRED_FRAMES], lines[EXPIRED_FRAMES:]
    database = Database.of(stack.environment)
    begin = time.monotonic()
    host.start()
    wait_until(
        lambda: set(backlog).issubset(database.list_measurements(host.client_id)),
        seconds=WAIT_SECONDS,
        what="the backlog of a week",
    )
    wait_until(
        lambda: count_set_aside(host) == len(expired),
        seconds=WAIT_SECONDS,
        what="what is too old, which comes last",
    )
    recovery_seconds = time.monotonic() - begin
    assert host.stop() == 0
    ledger = host.read_ledger()
    assert set(lines) < set(ledger)
    verdict = compare(ledger, database.list_measurements(host.client_id))
    told = list_refused(host).keys()
    fault_journal.record(
        11, "a week of backlog", verdict, told=told, recovery_seconds=recovery_seconds
    )
    assert verdict.lost == set(expired)
    assert (verdict.doubled, verdict.unlisted) == (0, set())
    with closing(Spool(StateDirectory(host.state_folder).spool_path)) as spool:
        reasons = [reason for _kind, reason in spool.list_quarantine()]
        assert (len(reasons), spool.depth) == (len(expired), 0)
    assert all(reason.startswith("too_old: at: ") for reason in reasons)
    check_order(list_arrivals(stack))
    admin_page = read_page(stack, "/admin/ingest/rejectedrecord/")
    assert admin_page.count("too_old") >= EXPIRED_FRAMES


def check_order(arrivals):
    """Live frames go between the batches of the backlog, whose newest batch goes first."""
    first_live_sequence = make_sequence(BACKLOG_BOOT + 1, 0)
    batches = {}
    live_at = []
    for received_at, sequence, at in arrivals:
        if sequence >= first_live_sequence:
            live_at.append(received_at)
        else:
            batches.setdefault(received_at, []).append(at)
    ordered = [batches[received_at] for received_at in sorted(batches)]
    assert len(ordered) > 1
    for earlier, later in pairwise(ordered):
        assert min(earlier) > max(later)
    assert min(live_at) < max(batches)


def read_page(stack, path):
    headers = {"Cookie": sign_in(stack.base_url)}
    answer = httpx.get(
        f"{stack.base_url}{path}", headers=headers, timeout=WAIT_SECONDS, trust_env=False
    )
    assert answer.is_success, answer.text
    return answer.text
