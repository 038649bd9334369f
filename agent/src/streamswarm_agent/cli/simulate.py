"""`simulate`: the load of many agents from one process."""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from streamswarm_agent.cli import options, simulation_options
from streamswarm_agent.cli.simulation_figures import LiveLine, summarise
from streamswarm_agent.errors import AgentError
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.simulated_anomalies import PastAnomaly
from streamswarm_agent.runtime.simulated_delivery import Tally
from streamswarm_agent.runtime.simulated_enrolment import enrol_all, find_assignment
from streamswarm_agent.runtime.simulated_signals import Signal, SimulatedHost, SimulatedPing
from streamswarm_agent.runtime.simulation import Load, Notes, SimulatedClient
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import check_server_url, make_tls_context, open_http
from streamswarm_agent.wire.messages import Enrolment
from streamswarm_agent.wire.records import SpooledRecord, make_sequence
from streamswarm_agent.wire.times import format_time

LIVE_SECONDS = 5.0


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "simulate", "load a server like many agents")
    options.add_server_options(parser)
    parser.add_argument("--clients", type=options.parse_count, required=True, metavar="N")
    parser.add_argument(
        "--rate", type=options.parse_positive, required=True, help="frames a second, each client"
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--duration", type=options.parse_positive, metavar="S", help="seconds")
    length.add_argument("--continuous", action="store_true", help="go on until Ctrl-C")
    simulation_options.add_content_options(parser)
    simulation_options.add_fault_options(parser)
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="list every frame the server took"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


@dataclass(frozen=True, slots=True)
class Papers:
    """The files that the options ask for."""

    ledger: TextIO | None
    anomalies: TextIO | None

    def make_notes(self, enrolment: Enrolment, source: Signal) -> Notes:
        """What writes down one client's frames and anomalies."""
        place = f"{enrolment.client_id} {source.source_kind} {source.subject or '-'}"

        def note_frame(record: SpooledRecord) -> None:
            if self.ledger is not None:
                self.ledger.write(f"{place} {make_sequence(1, record.id)} {record.at}\n")

        def note_anomaly(past: PastAnomaly) -> None:
            if self.anomalies is not None:
                note = describe_anomaly(past, enrolment, source)
                self.anomalies.write(f"{json.dumps(note)}\n")

        return Notes(on_taken=note_frame, on_anomaly=note_anomaly)


def describe_anomaly(past: PastAnomaly, enrolment: Enrolment, source: Signal) -> dict[str, Any]:
    return {
        "client_id": enrolment.client_id,
        "client": enrolment.name,
        "source": {"kind": source.source_kind, "subject": source.subject},
        "kind": past.anomaly.kind,
        "strength": past.anomaly.strength,
        "started_at": format_time(past.started_at),
        "finished_at": format_time(past.finished_at),
        "frames": past.frames,
        "keys": list(source.list_affected_keys(past.anomaly.kind)),
    }


def execute(arguments: argparse.Namespace) -> int:
    """Enrol, send, account; 0 only when every frame was taken exactly once."""
    load = simulation_options.build_load(arguments)
    tally = Tally()
    elapsed_seconds, values_a_frame = asyncio.run(_simulate(arguments, load, tally))
    summary = summarise(
        tally,
        clients=arguments.clients,
        values_a_frame=values_a_frame,
        elapsed_seconds=elapsed_seconds,
    )
    if arguments.json:
        print(json.dumps(summary))
    else:
        for name, value in summary.items():
            print(f"{name:24} {value}")
    return 0 if tally.is_exactly_once else 1


async def _simulate(arguments: argparse.Namespace, load: Load, tally: Tally) -> tuple[float, int]:
    """The seconds that sending took, and how many values a frame had."""
    server_url = check_server_url(arguments.server)
    tls = make_tls_context(server_url, arguments.ca_file)
    token = options.read_token(arguments)
    async with AsyncExitStack() as stack:
        papers = Papers(_open(stack, arguments.ledger), _open(stack, arguments.anomalies))

        def connect(key: str = "") -> ServerClient:
            server = ServerClient(open_http(server_url, tls), key)
            stack.push_async_callback(server.close)
            return server

        names = [f"simulated-{number:04}" for number in range(arguments.clients)]
        enrolments = await enrol_all(connect(), token, names)
        clients, sources = [], []
        for enrolment in enrolments:
            server, rng = connect(enrolment.key), random.Random()  # noqa: S311 - test values, no secrets
            source = await _make_source(arguments, server, enrolment, rng)
            sources.append(source)
            client = SimulatedClient(
                server,
                source,
                load=load,
                tally=tally,
                clock=SystemClock(),
                rng=rng,
                notes=papers.make_notes(enrolment, source),
            )
            clients.append(client)
        reports = (sys.stderr if arguments.json else sys.stdout) if arguments.continuous else None
        elapsed_seconds = await _send_all(clients, load, tally, reports=reports)
        return elapsed_seconds, len(sources[0].layout.keys)


def _open(stack: AsyncExitStack, path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise AgentError(f"{path} cannot be written: {error.strerror}") from error


async def _make_source(
    arguments: argparse.Namespace, server: ServerClient, enrolment: Enrolment, rng: random.Random
) -> Signal:
    if arguments.kind == "host":
        return SimulatedHost(arguments.metrics or simulation_options.USUAL_METRICS, rng)
    return SimulatedPing(await find_assignment(server, enrolment.name), rng)


async def _send_all(
    clients: list[SimulatedClient], load: Load, tally: Tally, *, reports: TextIO | None
) -> float:
    stop = asyncio.Event()
    begin = time.monotonic()
    with _set_by_interrupt(stop):
        reporter = asyncio.create_task(_report(tally, reports)) if reports is not None else None
        spread_seconds = min(load.period_seconds, 1.0)
        await asyncio.gather(
            *(
                client.run(stop, start_delay_seconds=spread_seconds * place / len(clients))
                for place, client in enumerate(clients)
            )
        )
        if reporter is not None:
            reporter.cancel()
    return time.monotonic() - begin


@contextmanager
def _set_by_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C inside ends the sending, a second one the command."""
    loop = asyncio.get_running_loop()

    def end_sending() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    with suppress(NotImplementedError, ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGINT, end_sending)
    try:
        yield
    finally:
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGINT)


async def _report(tally: Tally, reports: TextIO) -> None:
    line = LiveLine(tally)
    while True:
        await asyncio.sleep(LIVE_SECONDS)
        print(line.write(), file=reports, flush=True)
