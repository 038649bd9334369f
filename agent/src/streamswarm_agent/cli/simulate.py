"""`simulate`: the load of many agents from one process."""

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TextIO

from streamswarm_agent import __version__
from streamswarm_agent.cli import options
from streamswarm_agent.errors import AgentError
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.simulation import FrameMaker, Load, SimulatedClient, Tally
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import check_server_url, make_tls_context, open_http
from streamswarm_agent.wire.layouts import MAXIMUM_KEYS
from streamswarm_agent.wire.messages import Enrolment
from streamswarm_agent.wire.records import SpooledRecord

_ENROLMENTS_AT_ONCE = 8
_ENROLMENT_ATTEMPTS = 8
_REFUSED_FOR_GOOD = {400, 401, 403, 404}


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "simulate", "load a server like many agents")
    options.add_server_options(parser)
    parser.add_argument("--clients", type=options.parse_count, required=True, metavar="N")
    parser.add_argument(
        "--rate", type=options.parse_positive, required=True, help="frames a second, each client"
    )
    parser.add_argument(
        "--duration", type=options.parse_positive, required=True, metavar="S", help="seconds"
    )
    parser.add_argument(
        "--metrics", type=options.parse_count, default=60, help="values a frame (default: 60)"
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="list every frame the server took"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Enrol, send, account; 0 only when every frame was taken exactly once."""
    if arguments.metrics > MAXIMUM_KEYS:
        raise AgentError(f"metrics: {arguments.metrics} is over the {MAXIMUM_KEYS} of a layout")
    load = Load(arguments.rate, arguments.metrics, arguments.duration)
    tally, elapsed_seconds = asyncio.run(_simulate(arguments, load))
    summary = summarise(tally, load, clients=arguments.clients, elapsed_seconds=elapsed_seconds)
    if arguments.json:
        print(json.dumps(summary))
    else:
        for name, value in summary.items():
            print(f"{name:24} {value}")
    return 0 if tally.is_exactly_once else 1


def summarise(tally: Tally, load: Load, *, clients: int, elapsed_seconds: float) -> dict[str, Any]:
    """The figures of a simulation; latencies in milliseconds, None before any answer."""
    taken = tally.stored + tally.duplicate
    latencies = sorted(tally.latencies_seconds)
    centiles = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else []
    return {
        "clients": clients,
        "duration_seconds": round(elapsed_seconds, 3),
        "frames": tally.frames,
        "accepted": tally.stored,
        "duplicate": tally.duplicate,
        "refused": tally.rejections.total(),
        "unanswered": tally.unanswered,
        "requests": tally.requests,
        "errors": tally.errors.total(),
        "requests_per_second": round(tally.requests / elapsed_seconds, 1),
        "values_per_second": round(taken * load.metrics / elapsed_seconds, 1),
        "latency_p50_ms": round(centiles[49] * 1000, 2) if centiles else None,
        "latency_p99_ms": round(centiles[98] * 1000, 2) if centiles else None,
        "refusals": dict(tally.rejections),
        "error_texts": dict(tally.errors.most_common(5)),
        "is_exactly_once": tally.is_exactly_once,
    }


async def _simulate(arguments: argparse.Namespace, load: Load) -> tuple[Tally, float]:
    server_url = check_server_url(arguments.server)
    tls = make_tls_context(server_url, arguments.ca_file)
    token = options.read_token(arguments)
    rng = random.Random()  # noqa: S311 - test values, no secrets
    frame_maker, tally, clock = FrameMaker(load.metrics, rng), Tally(), SystemClock()
    async with AsyncExitStack() as stack:
        ledger = None
        if arguments.ledger is not None:
            ledger = stack.enter_context(arguments.ledger.open("a", encoding="utf-8"))
        gate = asyncio.Semaphore(_ENROLMENTS_AT_ONCE)
        names = [f"simulated-{number:04}" for number in range(arguments.clients)]
        enrolling = ServerClient(open_http(server_url, tls))
        stack.push_async_callback(enrolling.close)
        enrolments = await asyncio.gather(*(_enrol(enrolling, gate, token, name) for name in names))
        clients = []
        for enrolment in enrolments:
            server = ServerClient(open_http(server_url, tls), enrolment.key)
            stack.push_async_callback(server.close)
            on_taken = _make_note(ledger, enrolment.client_id)
            clients.append(
                SimulatedClient(server, frame_maker, tally, clock=clock, on_taken=on_taken)
            )
        begin = time.monotonic()
        await asyncio.gather(
            *(
                client.run(load, start_delay_seconds=place / len(clients))
                for place, client in enumerate(clients)
            )
        )
        return tally, time.monotonic() - begin


async def _enrol(client: ServerClient, gate: asyncio.Semaphore, token: str, name: str) -> Enrolment:
    backoff = Backoff()
    attempts_left = _ENROLMENT_ATTEMPTS
    inventory = _describe_simulated_host(name)
    async with gate:
        while True:
            attempts_left -= 1
            try:
                return await client.enrol(
                    token=token, name=name, agent_version=__version__, inventory=inventory
                )
            except AgentError as error:
                is_final = getattr(error, "status", 0) in _REFUSED_FOR_GOOD
                if is_final or attempts_left == 0:
                    raise AgentError(f"enrolment of {name}: {error}") from error
                await asyncio.sleep(backoff.next_delay_seconds(error))


def _make_note(ledger: TextIO | None, client_id: str) -> Callable[[SpooledRecord, int], None]:
    def note(record: SpooledRecord, sequence: int) -> None:
        if ledger is not None:
            ledger.write(f"{client_id} cpu - {sequence} {record.at}\n")

    return note


def _describe_simulated_host(name: str) -> dict[str, Any]:
    return {
        "hostname": name,
        "operating_system": "Simulated",
        "operating_system_version": "",
        "kernel": "",
        "architecture": "",
        "python_version": "",
        "cpu_model": "",
        "cpu_count": 1,
        "memory_bytes": 0,
        "disks": [],
        "interfaces": [],
        "capabilities": {},
        "probes": [],
    }
