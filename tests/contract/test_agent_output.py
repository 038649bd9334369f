"""What a real agent says is by the schema, and the server takes all of it."""

import asyncio
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from asgiref.sync import async_to_sync

from apps.configuration.services import store_settings
from apps.metrics.models import Fact, Frame
from apps.tests.models import Result, Run
from apps.tests.services import pause_test, run_now
from streamswarm_agent import __version__
from streamswarm_agent.collectors import build_collectors
from streamswarm_agent.collectors.inventory import collect_inventory
from streamswarm_agent.probes import PROBES
from streamswarm_agent.transport.client import ServerClient
from tests.contract.door import ADDRESS
from tests.contract.wire_contract import list_violations
from tests.factories.clients import make_enrolment
from tests.factories.tests import make_assignment
from tests.faults.oracle import compare

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

DEADLINE_SECONDS = 15


@pytest.fixture
def inventory():
    return collect_inventory(tuple(PROBES))


def list_stored():
    """What the database holds, in the words of an agent's ledger."""
    frames = Frame.objects.select_related("source")
    lines = [
        f"frame {row.source.kind} {row.source.subject or '-'} {row.seq} {row.at:%FT%T.%fZ}"
        for row in frames
    ]
    return lines + [f"result {run_id}" for run_id in Result.objects.values_list("run", flat=True)]


def read_ledger(tmp_path):
    return (tmp_path / "ledger").read_text().splitlines()


async def until_idle(executor):
    """Returns when every run is over."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while executor.running:  # noqa: ASYNC110 - the executor sets no event at a run's end
            await asyncio.sleep(0.05)


async def carry_out_orders(agent):
    """Fetch the lease, do its runs to their end, upload what they measured."""
    await agent.orders.fetch()
    agent.scheduler.start_due_runs()
    assert agent.executor.running
    await until_idle(agent.executor)
    await agent.uploader.flush()


def test_enrolment_with_this_hosts_inventory(door, inventory):
    secret = make_enrolment()

    async def enrol():
        http = httpx.AsyncClient(base_url=ADDRESS, transport=door)
        return await ServerClient(http).enrol(
            token=secret, name="edge", agent_version=__version__, inventory=inventory
        )

    enrolment = async_to_sync(enrol)()
    assert enrolment.name == "edge"
    assert door.list_violations() == []
    assert list_violations("inventory", inventory) == []


def test_heartbeat_and_inventory_until_the_server_is_content(agent, door, probe, inventory):
    async def greet():
        agent.heartbeat.replace_inventory(inventory)
        await agent.heartbeat.send()
        await agent.uploader.flush()
        await agent.heartbeat.send()

    async_to_sync(greet)()
    assert door.list_calls() == ["heartbeat", "records", "heartbeat"]
    assert door.list_violations() == []
    wanted = [
        item.answer["is_inventory_wanted"] for item in door.exchanges if item.call == "heartbeat"
    ]
    assert wanted == [True, False]
    probe.refresh_from_db()
    assert probe.inventory == inventory
    assert probe.presence == "online"
    assert agent.server_time.error_seconds is not None


def test_the_configuration_is_taken_once_and_then_known_by_its_etag(agent, door):
    store_settings(values={"host_interval_seconds": 7.0})

    async def refresh_twice():
        await agent.settings.refresh(agent.line.client)
        await agent.settings.refresh(agent.line.client)

    async_to_sync(refresh_twice)()
    assert [exchange.status for exchange in door.exchanges] == [200, 304]
    assert door.list_violations() == []
    assert agent.settings.config.collectors["host"].interval_seconds == 7.0


def test_everything_the_collectors_find_on_this_host_is_stored(agent, door, tmp_path):
    collectors = build_collectors()

    async def collect_twice():
        for _ in range(2):  # rates are there from the second pass on
            for collector in collectors.values():
                collection = await asyncio.to_thread(collector.collect)
                await agent.recorder.record_collection(collection)
        await agent.uploader.flush()

    async_to_sync(collect_twice)()
    assert door.list_violations() == []
    assert [exchange.answer["rejected"] for exchange in door.exchanges] == [[]]
    assert compare(read_ledger(tmp_path), list_stored()).is_exactly_once
    assert agent.storage.spool.depth == 0
    assert Fact.objects.count() == sum(
        record["kind"] == "fact" for record in door.exchanges[0].body["records"]
    )


@contextmanager
def open_tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "target": "127.0.0.1",
            "parameters": {"port": server.getsockname()[1], "interval_seconds": 0.2},
        }


@contextmanager
def open_web():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield {
        "target": f"http://127.0.0.1:{server.server_address[1]}/",
        "parameters": {"interval_seconds": 0.5},
    }
    server.shutdown()
    server.server_close()


@contextmanager
def open_silent_resolver():
    """A resolver that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield {
            "target": "127.0.0.1",
            "parameters": {
                "port": server.getsockname()[1],
                "name": "example.org",
                "interval_seconds": 0.5,
                "timeout_seconds": 0.3,
            },
        }


@contextmanager
def use_loopback():
    yield {"target": "127.0.0.1", "parameters": {"interval_seconds": 0.1}}


@contextmanager
def use_loopback_alone():
    yield {"target": "127.0.0.1", "parameters": {"ip_version": "4"}}


@contextmanager
def look_at_own_host():
    """The host that the agent runs on."""
    yield {"target": "agent", "parameters": {"part": "all"}}


@contextmanager
def open_silent_server():
    """Takes connections, or datagrams, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield {"target": "127.0.0.1", "parameters": {"port": port, "timeout_seconds": 0.3}}


@contextmanager
def use_denied_address():
    """An address that policy denies: nothing is sent, and the run says why."""
    yield {"target": "169.254.169.254", "parameters": {"interval_seconds": 0.1}}


@pytest.mark.parametrize(
    ("kind", "open_target", "state", "is_success"),
    [
        ("ping", use_loopback, Run.State.FINISHED, True),
        ("tcp", open_tcp, Run.State.FINISHED, True),
        ("http", open_web, Run.State.FINISHED, True),
        ("dns", open_silent_resolver, Run.State.FINISHED, False),
        ("tls", open_silent_server, Run.State.FINISHED, False),
        ("ntp", open_silent_server, Run.State.FINISHED, False),
        ("trace", use_loopback_alone, Run.State.FINISHED, True),
        ("mtu", use_loopback_alone, Run.State.FINISHED, True),
        ("host", look_at_own_host, Run.State.FINISHED, True),
        ("ping", use_denied_address, Run.State.FAILED, None),
    ],
)
def test_a_run_of_every_kind_is_leased_measured_and_stored(
    kind, open_target, state, is_success, agent, door, probe, tmp_path
):
    with open_target() as definition:
        assignment = make_assignment(
            probe, kind=kind, duration_seconds=1.0, sample_interval_seconds=0.5, **definition
        )
        (run,) = run_now(test=assignment.test)
        async_to_sync(carry_out_orders)(agent)
    assert door.list_violations() == []
    assert [item.answer["rejected"] for item in door.exchanges if item.call == "records"] == [[]]
    assert compare(read_ledger(tmp_path), list_stored()).is_exactly_once
    run.refresh_from_db()
    assert run.state == state
    assert run.result.is_success is is_success
    assert bool(run.result.reason) is (is_success is not True)
    has_samples = Frame.objects.filter(source=assignment.source).exists()
    assert has_samples is (state == Run.State.FINISHED)


def test_an_interrupted_run_is_told_as_aborted(agent, door, probe):
    assignment = make_assignment(probe, duration_seconds=60.0)
    (run,) = run_now(test=assignment.test)

    async def start_and_abort():
        await agent.orders.fetch()
        agent.scheduler.start_due_runs()
        await agent.executor.abort_all("agent stopped")
        await agent.uploader.flush()

    async_to_sync(start_and_abort)()
    assert door.list_violations() == []
    run.refresh_from_db()
    assert (run.state, run.result.outcome, run.reason) == ("failed", "aborted", "agent stopped")


def test_a_paused_test_is_forgotten_by_the_agent(agent, door, probe):
    assignment = make_assignment(probe, schedule_kind="continuous", duration_seconds=60.0)

    async def fetch():
        await agent.orders.fetch()
        return set(agent.scheduler._lease.assignments)

    assert async_to_sync(fetch)() == {str(assignment.id)}
    pause_test(test=assignment.test)
    assert async_to_sync(fetch)() == set()
    assert door.list_violations() == []
