"""The parts of a running agent and how they are put together."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from streamswarm_agent.probes import build_probes
from streamswarm_agent.probes.base import Clock, Resolver
from streamswarm_agent.probes.responders import build_responders
from streamswarm_agent.runtime.budget import Budget, Limits, ProcessUsage
from streamswarm_agent.runtime.clock import ServerTime, SystemClock
from streamswarm_agent.runtime.configuration.resolution import Configuration, Sources
from streamswarm_agent.runtime.configuration.table import BYTES_PER_MEGABYTE
from streamswarm_agent.runtime.crash import PassPoint, arm_crash
from streamswarm_agent.runtime.egress import PolicyResolver, read_local_denials
from streamswarm_agent.runtime.executor import RunExecutor
from streamswarm_agent.runtime.heartbeat import Heartbeat
from streamswarm_agent.runtime.orders import Orders
from streamswarm_agent.runtime.pairing import Pairing
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.runtime.scheduler import Scheduler
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.runtime.spool_thread import SpoolThread
from streamswarm_agent.runtime.uploader import Uploader
from streamswarm_agent.runtime.wakes import Wakes
from streamswarm_agent.spool.ledger import Ledger
from streamswarm_agent.spool.spool import Spool, SpoolLimits
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What one process is told at its start; `sources` are read again at a SIGHUP."""

    environment: Mapping[str, str]
    configuration: Configuration = field(default_factory=Configuration)
    sources: Sources | None = None
    ledger_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """What is on disk: the spool, its thread, and the ledger of a fault test."""

    spool: Spool
    thread: SpoolThread
    ledger: Ledger | None
    boot_counter: int

    def close(self) -> None:
        self.thread.close()
        self.spool.close()
        if self.ledger is not None:
            self.ledger.close()


@dataclass(frozen=True, slots=True)
class Line:
    """The line to the server."""

    identity: Identity
    tls: ssl.SSLContext
    client: ServerClient
    proxy: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts of one agent process."""

    storage: Storage
    line: Line
    server_time: ServerTime
    wakes: Wakes
    settings: Settings
    recorder: Recorder
    pairing: Pairing
    executor: RunExecutor
    scheduler: Scheduler
    orders: Orders
    heartbeat: Heartbeat
    uploader: Uploader
    resolver: PolicyResolver
    budget: Budget


def open_storage(
    state: StateDirectory, options: AgentOptions, on_damage: Callable[[], None]
) -> Storage:
    """The spool under a boot counter that no earlier process had.

    Raises: StateUnusable when it can be neither opened nor replaced.
    """
    megabytes = options.configuration.read_number("state.spool_megabytes")
    spool = Spool(state.spool_path, SpoolLimits(bytes=round(megabytes * BYTES_PER_MEGABYTE)))
    boot_counter = state.raise_boot_counter(spool.boot_counter + 1)
    spool.write_boot_counter(boot_counter)
    ledger = Ledger(options.ledger_file) if options.ledger_file else None
    return Storage(spool, SpoolThread(on_damage), ledger, boot_counter)


def open_line(
    identity: Identity, pass_point: PassPoint, configuration: Configuration | None = None
) -> Line:
    """A line to the identity's server; nothing is sent yet."""
    tls = make_tls_context(identity.server_url, identity.ca_file)
    proxy = (configuration or Configuration()).read_text("server.proxy")
    http = open_http(identity.server_url, tls, proxy=proxy)
    on_records_sent = partial(pass_point, "during_post")
    client = ServerClient(http, identity.key, on_records_sent=on_records_sent)
    return Line(identity, tls, client, proxy)


def build_pairing(clock: Clock, resolver: Resolver, configuration: Configuration) -> Pairing:
    """What the agent needs for runs of two, at the port and address that its owner allows."""
    return Pairing(
        resolver,
        build_responders(clock=clock),
        port=round(configuration.read_number("responder.port")),
        bind_address=configuration.read_text("responder.address") or "",
    )


def build_parts(
    state: StateDirectory,
    identity: Identity,
    options: AgentOptions,
    *,
    on_damage: Callable[[], None],
) -> Parts:
    """The parts of an agent on an enrolled state directory that this process has locked.

    Raises: AgentError naming the file, variable or entry that is not understood.
    """
    pass_point = arm_crash(options.environment)
    clock = SystemClock()
    server_time = ServerTime(clock)
    wakes = Wakes()
    configuration = options.configuration
    denials = read_local_denials(state.path / "deny", configuration.read_networks())
    resolver = PolicyResolver(denials)
    settings = Settings(state, resolver, configuration)
    settings.resume()
    line = open_line(identity, pass_point, configuration)
    budget = Budget(Limits.of(configuration), ProcessUsage(), clock.monotonic)
    storage = open_storage(state, options, on_damage)
    recorder = Recorder(
        storage.spool,
        storage.thread,
        server_time,
        boot_counter=storage.boot_counter,
        on_urgent=wakes.upload.set,
        ledger=storage.ledger,
        pass_point=pass_point,
    )
    probes = build_probes(clock=clock, resolver=resolver)
    pairing = build_pairing(clock, resolver, configuration)
    executor = RunExecutor(probes, recorder, server_time, pairing=pairing, pass_point=pass_point)
    scheduler = Scheduler(executor, server_time, started=storage.spool.list_started_runs())
    orders = Orders(line.client, scheduler, state)
    heartbeat = Heartbeat(
        line.client,
        server_time,
        recorder=recorder,
        settings=settings,
        orders=orders,
        wakes=wakes,
        describe_process=_describe_with(storage, executor),
    )
    uploader = Uploader(
        storage.spool,
        storage.thread,
        line.client,
        settings=settings,
        clock=clock,
        wake=wakes.upload,
        read_batch_records=lambda: budget.step.batch_records,
        pass_point=pass_point,
    )
    return Parts(
        storage, line, server_time, wakes, settings, recorder, pairing, executor, scheduler,
        orders, heartbeat, uploader, resolver, budget,
    )  # fmt: skip


def _describe_with(storage: Storage, executor: RunExecutor) -> Callable[[], dict[str, Any]]:
    boot = {"boot_id": str(uuid4()), "boot_counter": storage.boot_counter}
    return lambda: {
        **boot,
        "spool_depth": storage.spool.depth,
        "spool_dropped": storage.spool.dropped,
        "running": sorted(executor.running),
    }
