import asyncio
import sqlite3

import psutil
import pytest

from agent.tests.answering_server import Refusal, read_example
from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.errors import AgentError, CallRefused, StateUnusable
from streamswarm_agent.runtime.budget import STEPS, Budget, Limits, ProcessUsage
from streamswarm_agent.runtime.collecting import collect_for_ever
from streamswarm_agent.runtime.configuration.resolution import Sources
from streamswarm_agent.runtime.crash import arm_crash, pass_unharmed
from streamswarm_agent.runtime.egress import PolicyResolver
from streamswarm_agent.runtime.executor import RunExecutor
from streamswarm_agent.runtime.heartbeat import Heartbeat
from streamswarm_agent.runtime.orders import Orders
from streamswarm_agent.runtime.scheduler import Scheduler
from streamswarm_agent.runtime.self_metrics import SelfCollector
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.runtime.spool_thread import SpoolThread
from streamswarm_agent.runtime.wakes import Wakes
from streamswarm_agent.wire.messages import CollectorSettings, Config
from streamswarm_agent.wire.records import hash_inventory

INVENTORY = read_example("record_inventory")["data"]


@pytest.fixture
def wakes():
    return Wakes()


@pytest.fixture
def orders(kept, client):
    executor = RunExecutor({}, kept.recorder, kept.server_time)
    return Orders(client, Scheduler(executor, kept.server_time), kept.state)


@pytest.fixture
def heartbeat(kept, client, settings, orders, wakes):
    return Heartbeat(
        client,
        kept.server_time,
        recorder=kept.recorder,
        settings=settings,
        orders=orders,
        wakes=wakes,
        describe_process=lambda: {
            "boot_id": "16fd2706-8baf-433b-82eb-8c7fada847da",
            "boot_counter": 3,
            "spool_depth": kept.spool.depth,
            "spool_dropped": 0,
            "running": [],
        },
    )


async def test_a_heartbeat_teaches_the_servers_time(server, kept, heartbeat):
    await heartbeat.send()
    assert server.violations == []
    assert kept.server_time.error_seconds is not None
    body = server.bodies("heartbeat")[0]
    assert body["clock_error_seconds"] is None
    await heartbeat.send()
    assert server.bodies("heartbeat")[1]["clock_error_seconds"] >= 0


async def test_a_heartbeat_wakes_whoever_has_something_new_to_fetch(
    server, heartbeat, settings, orders, wakes, client
):
    await heartbeat.send()
    assert wakes.config.is_set()
    assert wakes.leases.is_set()
    await settings.refresh(client)
    await orders.fetch()
    wakes.config.clear()
    wakes.leases.clear()
    server.etag = f"W/{server.etag}"
    await heartbeat.send()
    assert not wakes.config.is_set()
    assert not wakes.leases.is_set()


async def test_an_inventory_is_sent_when_it_is_wanted(server, kept, heartbeat, wakes):
    heartbeat.replace_inventory(INVENTORY)
    assert wakes.heartbeat.is_set()
    await heartbeat.send()
    assert kept.payloads("inventory") == []
    assert server.bodies("heartbeat")[0]["inventory_hash"] == hash_inventory(INVENTORY)
    server.is_inventory_wanted = True
    await heartbeat.send()
    assert kept.payloads("inventory") == [INVENTORY]


def test_nudges_wake_their_loops_and_unknown_words_nothing(wakes):
    wakes.obey("leases")
    wakes.obey("dance")
    assert wakes.leases.is_set()
    assert not wakes.config.is_set()
    assert not wakes.heartbeat.is_set()


async def test_a_lease_outlives_the_agent(server, kept, client, orders):
    server.lease = read_example("leases_answer")
    await orders.fetch()
    assert orders.schedule_revision == 7
    scheduler = Scheduler(RunExecutor({}, kept.recorder, kept.server_time), kept.server_time)
    Orders(client, scheduler, kept.state).resume()
    assert len(scheduler._lease.assignments) == len(server.lease["assignments"])


async def test_the_keys_of_paired_runs_are_never_on_disk(server, kept, client, orders):
    server.lease = read_example("leases_answer.pair")
    await orders.fetch()
    written = (kept.state.path / "leases.json").read_text()
    for run in server.lease["runs"]:
        assert run["peer"]["key"] not in written
    scheduler = Scheduler(RunExecutor({}, kept.recorder, kept.server_time), kept.server_time)
    Orders(client, scheduler, kept.state).resume()
    assert len(scheduler._lease.assignments) == 2
    assert scheduler._lease.runs == ()


async def test_a_lease_is_written_again_only_for_something_new(server, kept, orders):
    server.lease = read_example("leases_answer")
    await orders.fetch()
    written = (kept.state.path / "leases.json").stat().st_mtime_ns
    await orders.fetch()
    assert (kept.state.path / "leases.json").stat().st_mtime_ns == written
    server.lease |= {"assignments": []}
    await orders.fetch()
    assert (kept.state.path / "leases.json").stat().st_mtime_ns > written


@pytest.mark.parametrize("text", ["{", "[]", '{"assignments": 5}'])
def test_a_damaged_lease_or_configuration_is_ignored(kept, client, orders, text, caplog):
    for name in ("leases.json", "config.json"):
        (kept.state.path / name).write_text(text)
    orders.resume()
    settings = Settings(kept.state, PolicyResolver())
    settings.resume()
    assert settings.config == Config()
    assert "lease_ignored" in caplog.text
    assert "config_ignored" in caplog.text


async def test_the_servers_policy_outlives_the_agent(server, kept, client):
    server.config["policy"]["denied_networks"] = ["192.0.2.0/24"]
    await Settings(kept.state, PolicyResolver()).refresh(client)
    resolver = PolicyResolver()
    settings = Settings(kept.state, resolver)
    settings.resume()
    assert resolver.find_denial("192.0.2.7") is not None
    assert settings.etag == server.etag
    await settings.refresh(client)
    assert server.requests[-1][2]["If-None-Match"] == server.etag


async def test_a_policy_that_is_not_understood_changes_nothing(server, client, settings):
    server.config["policy"]["denied_networks"] = ["the internet"]
    server.config["lease_seconds"] = 99
    with pytest.raises(StateUnusable, match="policy of the server"):
        await settings.refresh(client)
    assert settings.config == Config()


async def test_a_refused_lease_keeps_the_former_one(server, orders):
    server.misbehave("leases", Refusal(503, "busy", {"Retry-After": "3"}))
    with pytest.raises(CallRefused):
        await orders.fetch()
    assert orders.schedule_revision is None


class CountingCollector:
    name = "host"

    def __init__(self, failures=0):
        self.passes = 0
        self.failures = failures

    def collect(self):
        self.passes += 1
        if self.passes <= self.failures:
            raise OSError("no /proc")
        frame = CollectedFrame("host", "", {"system.uptime": float(self.passes)})
        return Collection((frame,), (CollectedFact("host", "", "motd", "hello"),))


async def collect_times(passes, collector, kept, settings):
    kept.clock.last_sleep = passes
    with pytest.raises(asyncio.CancelledError):
        await collect_for_ever(collector, kept.recorder, settings, kept.clock)


async def test_a_collector_is_read_at_its_interval(kept, settings):
    settings.config = Config(collectors={"host": CollectorSettings(interval_seconds=7)})
    await collect_times(3, CountingCollector(), kept, settings)
    assert kept.clock.slept == [7, 7, 7]
    assert [frame["values"] for frame in kept.payloads("frame")] == [[1], [2], [3]]


async def test_a_fact_is_sent_when_it_is_new(kept, settings):
    await collect_times(3, CountingCollector(), kept, settings)
    assert [fact["value"] for fact in kept.payloads("fact")] == ["hello"]


async def test_a_collector_that_is_switched_off_is_not_read(kept, settings):
    settings.config = Config(collectors={"host": CollectorSettings(10, is_enabled=False)})
    collector = CountingCollector()
    await collect_times(3, collector, kept, settings)
    assert collector.passes == 0


async def test_a_collector_that_breaks_is_read_again(kept, settings, caplog):
    await collect_times(2, CountingCollector(failures=1), kept, settings)
    assert "collector_broke name=host" in caplog.text
    assert [frame["values"] for frame in kept.payloads("frame")] == [[2]]


async def test_the_agent_measures_itself(kept, uploader):
    budget = Budget(Limits(60e6, 0.01, 120e6, 0.25), ProcessUsage(), kept.clock.monotonic)
    collector = SelfCollector(
        kept.spool,
        uploader,
        kept.server_time,
        psutil.Process(),
        budget=budget,
        last_restart="then",
        capabilities="icmp_raw, tcp_connect",
    )
    collection = collector.collect()
    (first,) = collection.frames
    assert first.absent == {
        "agent.cpu.utilization": "I",
        "agent.cpu.utilization.1m": "I",
        "agent.upload.duration": "T",
    }
    assert {fact.key: fact.value for fact in collection.facts} == {
        "agent.budget": "normal",
        "agent.restart": "then",
        "agent.capability": "icmp_raw, tcp_connect",
    }
    assert first.values["agent.memory.limit"] == 60e6
    assert first.values["agent.cpu.limit"] == 0.01
    assert first.values["agent.budget.step"] == 0
    assert first.values["agent.memory.rss"] > 1e6
    uploader.last_duration_seconds = 0.5
    uploader.oldest_at = kept.server_time.now() - 30
    (second,) = collector.collect().frames
    assert second.values["agent.upload.duration"] == 0.5
    assert second.values["agent.spool.oldest_age"] == pytest.approx(30, abs=0.1)
    assert second.absent == {"agent.cpu.utilization.1m": "I"}


async def test_a_damaged_database_is_reported_once_it_shows(tmp_path):
    damaged = asyncio.Event()
    loop = asyncio.get_running_loop()
    thread = SpoolThread(on_damage=lambda: loop.call_soon_threadsafe(damaged.set))

    def read():
        raise sqlite3.DatabaseError("database disk image is malformed")

    with pytest.raises(sqlite3.DatabaseError):
        await thread.call(read)
    await damaged.wait()
    thread.close()


async def test_a_write_that_was_asked_for_happens_though_its_caller_is_stopped(kept):
    written = []
    blocking = asyncio.create_task(kept.thread.call(written.append, "first"))
    await asyncio.sleep(0)
    blocking.cancel()
    await asyncio.gather(blocking, return_exceptions=True)
    await kept.thread.call(written.append, "second")
    assert written == ["first", "second"]


def test_a_crash_point_that_does_not_exist_is_refused():
    assert arm_crash({}) is pass_unharmed
    with pytest.raises(AgentError, match="before_spool"):
        arm_crash({"SWARM_AGENT_CRASH_AT": "sometime"})


async def test_a_step_of_saving_stretches_the_intervals(kept, settings):
    kept.clock.last_sleep = 2
    with pytest.raises(asyncio.CancelledError):
        await collect_for_ever(
            CountingCollector(), kept.recorder, settings, kept.clock, lambda: STEPS[1]
        )
    assert kept.clock.slept == [20, 20]


async def test_a_step_of_saving_leaves_documents_out(kept, settings):
    collector = CountingCollector()
    collector.name = "processes"
    kept.clock.last_sleep = 2
    with pytest.raises(asyncio.CancelledError):
        await collect_for_ever(collector, kept.recorder, settings, kept.clock, lambda: STEPS[-1])
    assert collector.passes == 0
    assert kept.clock.slept == [240, 240]


async def test_the_owners_word_on_a_collector_counts_beside_the_servers(kept):
    owner = Sources({}, None, ("collectors.host.interval_seconds=30",)).read()
    settings = Settings(kept.state, PolicyResolver(), owner)
    settings.config = Config(collectors={"host": CollectorSettings(7)})
    await collect_times(2, CountingCollector(), kept, settings)
    assert kept.clock.slept == [30, 30]
