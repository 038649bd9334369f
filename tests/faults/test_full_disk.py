"""A disk without room, under the server's database and under an agent: row 8 of the matrix."""

import signal
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from streamswarm_agent.spool.ledger import describe_measurement
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.wire.batches import encode_batch
from streamswarm_agent.wire.records import (
    Source,
    SpooledRecord,
    build_frame,
    make_sequence,
    split_measurements,
)
from streamswarm_agent.wire.times import format_time
from tests.faults.disks import mount_disk
from tests.faults.line import run_line
from tests.faults.oracle import Database, compare
from tests.faults.rounds import SETTINGS, create_tests
from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import become_admin
from tests.servers.postgresql import MISSING, find_binaries, start_cluster
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

DISK_MEGABYTES = {"sqlite": 48, "postgresql": 160}
WAIT_SECONDS = 120
SPOOL_DISK_MEGABYTES = 4
SPOOL_BYTES, NEARLY_FULL, ROW_OVERHEAD_BYTES = 1_000_000, 0.99, 120
BATCH_FRAMES = 100
LEAST_FRAMES = 5
DOCUMENTS = 4  # an agent's first lists of processes and connections, which no ledger has
FULL = 507


# tests/browser/test_full_disk_story.py fills the disk under SQLite.
@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.repeats("sqlite")),
        pytest.param("postgresql", marks=pytest.mark.postgresql),
    ],
)
def full_server(request, monkeypatch):
    """A server whose database lies on a small disk, and that disk."""
    kind = request.param
    if kind == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    with ExitStack() as cleanup:
        try:
            disk = cleanup.enter_context(mount_disk(DISK_MEGABYTES[kind]))
        except PermissionError as error:
            pytest.skip(str(error))
        cluster = None
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(tempfile, "tempdir", str(disk.folder))
            if kind == "postgresql":
                cluster = start_cluster()
                cleanup.callback(cluster.stop)
                elsewhere.undo()
            settings = {**SETTINGS, "SWARM_LEAST_FREE_MEGABYTES": "0"}
            stack = cleanup.enter_context(run_stack(kind, postgresql=cluster, settings=settings))
        yield stack, disk


@pytest.fixture(scope="module")
def server():
    with run_stack("sqlite", settings=SETTINGS) as stack:
        yield stack


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as name:
        yield Path(name) / "host"


def make_frames(numbers):
    """Sound frames of an agent's source, of a start before any other, and of one moment each."""
    begin = time.time() - 3_600
    (measurement,) = split_measurements({"agent.spool.depth": 1.0}, {})
    return [
        build_frame(
            Source("agent", ""),
            at=format_time(begin + number / 1_000),
            sequence=make_sequence(0, number + 1),
            measurement=measurement,
        )
        for number in numbers
    ]


def send(stack, host, frames):
    """How a batch of these frames, sent as the host's agent would, is answered."""
    spooled = [
        SpooledRecord(place, frame.kind, frame.at, frame.layout.hash, frame.payload, 0)
        for place, frame in enumerate(frames)
    ]
    layouts = {frame.layout.hash: frame.layout.keys for frame in frames}
    return httpx.post(
        f"{stack.base_url}/api/v1/agent/records",
        headers={
            "Authorization": f"Agent {host.identity.key}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        },
        content=encode_batch(spooled, layouts),
        timeout=WAIT_SECONDS,
        trust_env=False,
    )


def send_until_full(stack, host):
    """The frames that were answered as stored before one batch found no room, and that refusal."""
    acknowledged = []
    for number in range(0, 1_000_000, BATCH_FRAMES):
        frames = make_frames(range(number, number + BATCH_FRAMES))
        answer = send(stack, host, frames)
        if not answer.is_success:
            return acknowledged, frames, answer
        acknowledged += [describe_measurement(frame) for frame in frames]
    raise AssertionError("the disk never was full")


def test_a_full_disk_is_said_and_all_goes_on_when_there_is_room(full_server, folder, fault_journal):
    stack, disk = full_server
    admin = become_admin(stack)
    host = enrol_host(folder, stack.base_url, admin.issue_enrolment_token(), "full-host")
    database = Database.of(stack.environment)
    probes = make_frames([999_999])
    assert send(stack, host, probes).is_success
    process_ids = {name: child.process_id for name, child in stack.children.items()}

    disk.fill()
    acknowledged, refused, answer = send_until_full(stack, host)
    assert answer.status_code == FULL, answer.text
    assert answer.json()["code"] == "storage_full"
    assert int(answer.headers["Retry-After"]) > 0
    assert admin.get("clients/")["count"] > 0  # what is there can be read
    host.start()
    wait_until(
        lambda: "upload_failed" in host.read_log(),
        seconds=WAIT_SECONDS,
        what="an agent that is refused",
    )

    disk.free()
    begin = time.monotonic()
    wait_until(lambda: send(stack, host, refused).is_success, seconds=WAIT_SECONDS, what="recovery")
    # The agent may wait a minute or two, as it was told; a new one asks at once.
    host.stop(signal.SIGKILL)
    host.start()
    measured = host.read_ledger()
    wait_until(
        lambda: not find_lost(measured, host, database),
        seconds=WAIT_SECONDS,
        what="all that was spooled",
    )
    recovery_seconds = time.monotonic() - begin
    assert host.stop() == 0
    assert {name: child.process_id for name, child in stack.children.items()} == process_ids
    sent = [*acknowledged, *map(describe_measurement, [*probes, *refused])]
    verdict = compare([*host.read_ledger(), *sent], database.list_measurements(host.client_id))
    fault_journal.record(8, "the database's disk", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict


def find_lost(ledger, host, database):
    return compare(ledger, database.list_measurements(host.client_id)).lost


def enrol_on_disk(disk, folder, server_url, admin, name):
    """A host whose agent has its state on the disk, and its ledger elsewhere."""
    state = disk.folder / "state"
    state.mkdir(mode=0o700)
    folder.mkdir(parents=True)
    (folder / "state").symlink_to(state)
    host = AgentHost(folder)
    assert host.enrol(server_url, admin.issue_enrolment_token(), name).returncode == 0
    return host


def test_an_agent_without_room_keeps_measuring_and_keeps_what_it_measured(
    server, folder, fault_journal
):
    admin = become_admin(server)
    with ExitStack() as cleanup:
        try:
            disk = cleanup.enter_context(mount_disk(SPOOL_DISK_MEGABYTES))
        except PermissionError as error:
            pytest.skip(str(error))
        host = enrol_on_disk(disk, folder, server.base_url, admin, "full-spool")
        create_tests(admin, host, server=server)
        host.start()
        cleanup.callback(host.end)
        wait_until(host.read_ledger, seconds=WAIT_SECONDS, what="a first measurement")
        disk.fill()
        wait_until(
            lambda: "spool_write_failed" in host.read_log(), seconds=WAIT_SECONDS, what="no room"
        )
        measured = len(host.read_ledger())
        wait_until(
            lambda: len(host.read_ledger()) > measured + LEAST_FRAMES,
            seconds=WAIT_SECONDS,
            what="measuring without room",
        )
        disk.free()
        begin = time.monotonic()
        ledger = host.read_ledger()
        database = Database.of(server.environment)
        wait_until(
            lambda: not find_lost(ledger, host, database),
            seconds=WAIT_SECONDS,
            what="the arrival of all that waited in memory",
        )
        recovery_seconds = time.monotonic() - begin
        assert host.stop() == 0
        verdict = compare(host.read_ledger(), database.list_measurements(host.client_id))
    fault_journal.record(8, "the spool's disk", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict


def count_dropped(host):
    """What the spool says it dropped, as the heartbeat and the agent's own frames report it."""
    with closing(sqlite3.connect(host.state_folder / "spool.sqlite3", timeout=20)) as connection:
        rows = connection.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchall()
    return sum(value for (value,) in rows)


def fill_spool(host):
    """Nearly as many waiting frames as the spool may hold; they are as old as can be."""
    (sample,) = make_frames([0])
    count = int(SPOOL_BYTES * NEARLY_FULL / (len(sample.payload) + ROW_OVERHEAD_BYTES))
    spool = Spool(host.state_folder / "spool.sqlite3")
    spool.add(make_frames(range(count)))
    spool.close()


def test_what_a_full_spool_drops_is_the_oldest_and_counted(server, folder, fault_journal):
    admin = become_admin(server)
    database = Database.of(server.environment)
    with run_line(server.site.port) as line:
        host = enrol_host(folder, line.url, admin.issue_enrolment_token(), "small-spool")
        line.is_refusing = True
        fill_spool(host)
        settings = host.state_folder / "agent.toml"
        settings.write_text("[state]\nspool_megabytes = 1\n")
        host.start({"SWARM_AGENT_CONFIG": str(settings)})
        try:
            wait_until(
                lambda: count_dropped(host) > LEAST_FRAMES,
                seconds=WAIT_SECONDS,
                what="a full spool",
            )
            measured = host.read_ledger()
            line.restore()
            begin = time.monotonic()
            wait_until(
                lambda: len(find_lost(measured, host, database)) <= count_dropped(host),
                seconds=WAIT_SECONDS,
                what="the arrival of all that was kept",
            )
            recovery_seconds = time.monotonic() - begin
            assert host.stop() == 0
        finally:
            host.end()
    ledger = host.read_ledger()
    dropped = count_dropped(host)
    verdict = compare(ledger, database.list_measurements(host.client_id))
    told = set(ledger[:dropped])
    fault_journal.record(8, "a full spool", verdict, told=told, recovery_seconds=recovery_seconds)
    assert 0 < len(verdict.lost) <= dropped <= len(verdict.lost) + DOCUMENTS
    assert verdict.lost == set(ledger[: len(verdict.lost)])
    assert not verdict.doubled
    assert not verdict.unlisted
