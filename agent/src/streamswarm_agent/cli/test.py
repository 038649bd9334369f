"""`test`: one run on the spot, with or without a server."""

import argparse
import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.hops import build_hop_table
from streamswarm_agent.cli.quantities import ABSENT, format_quantity
from streamswarm_agent.cli.respond import DEFAULT_PORT, parse_key, parse_port
from streamswarm_agent.errors import ParametersRefused, ProbeFailed
from streamswarm_agent.probes import build_probes
from streamswarm_agent.probes.base import Emit, Outcome, Peer, ProbeRequest, Sample
from streamswarm_agent.probes.invitation import ask_for_run
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.egress import PolicyResolver, read_local_denials
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.wire.kinds import complete_parameters, list_kinds, load_kind

PARTICIPANTS_OF_PAIR = 2
_LEADING_METRICS = {
    "ping": ("net.rtt.mean", "net.rtt.max", "net.packet.loss.ratio"),
    "tcp": ("net.rtt.tcp_connect", "net.availability.ratio"),
    "dns": ("dns.lookup.duration", "dns.timeout.ratio"),
    "host": ("system.cpu.utilization", "system.memory.utilization"),
    "wifi": ("wifi.signal", "wifi.snr", "wifi.bitrate.transmit"),
    "http": ("http.client.request.duration", "http.response.status_code"),
    "trace": ("path.hop.count", "path.hop.rtt.median", "path.ecmp.width"),
    "mtu": ("path.mtu", "path.mtu.blackhole"),
    "udp_session": ("net.rtt.median", "net.packet.loss.ratio", "net.voip.mos"),
    "tls": ("tls.handshake.duration", "tls.certificate.expires_in", "tls.certificate.valid"),
    "http_throughput": ("net.throughput.http.download", "net.throughput.http.upload"),
    "ntp": ("ntp.offset", "ntp.rtt", "ntp.stratum"),
    "throughput": (
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.throughput.udp.receive{direction=reverse}",
    ),
    "iperf3": (
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.throughput.udp.receive{direction=reverse}",
    ),
    "qos": ("qos.class.rtt.median{dscp=0}", "qos.class.rtt.median{dscp=46}"),
}


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "test", "measure once, on the spot")
    parser.add_argument("kind", metavar="TYPE", help=f"one of: {', '.join(list_kinds())}")
    parser.add_argument(
        "target", metavar="TARGET", help="host name, IP address, URL, or agent for its own host"
    )
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the type"
    )
    parser.add_argument(
        "--duration", type=options.parse_positive, default=10.0, metavar="S", help="(default: 10)"
    )
    parser.add_argument(
        "--interval",
        type=options.parse_positive,
        default=1.0,
        metavar="S",
        help="seconds between samples (default: 1)",
    )
    parser.add_argument(
        "--key", type=parse_key, metavar="HEX", help="what `respond` printed on the other host"
    )
    parser.add_argument(
        "--peer-port", type=parse_port, default=DEFAULT_PORT, metavar="PORT", help="(default: 8620)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_state_option(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the test and print what it found; 0 when the test succeeded."""
    written = [parse_parameter(arguments.kind, text) for text in arguments.param]
    request = ProbeRequest(
        target=arguments.target,
        parameters=complete_parameters(arguments.kind, dict(written)),
        duration_seconds=arguments.duration,
        sample_interval_seconds=min(arguments.interval, arguments.duration),
    )
    samples: list[Sample] = []

    async def emit(sample: Sample) -> None:
        samples.append(sample)
        if not arguments.json:
            print(_describe_sample(arguments.kind, sample), flush=True)

    configuration = options.find_sources(arguments).read()
    state = options.open_state(arguments, configuration)
    denials = read_local_denials(state.path / "deny", configuration.read_networks())
    resolver = PolicyResolver(denials)
    Settings(state, resolver).resume()
    if load_kind(arguments.kind).get("x-participants") == PARTICIPANTS_OF_PAIR:
        request = replace(request, peer=find_peer(arguments, resolver))
    outcome = asyncio.run(run_probe(arguments.kind, request, emit, resolver=resolver))
    if arguments.json:
        print(json.dumps(_describe_run(arguments.kind, request, samples, outcome)))
    else:
        _print_outcome(outcome)
    return 0 if outcome.is_success else 1


def find_peer(arguments: argparse.Namespace, resolver: PolicyResolver) -> Peer:
    """The other end that `respond` made, with a run of its own there.

    Raises: ProbeFailed without its key, or when nobody answers.
    """
    if arguments.key is None:
        raise ProbeFailed(
            f"{arguments.kind} needs another agent: run `streamswarm-agent respond "
            f"{arguments.kind}` on {arguments.target}, and give what it prints as --key"
        )
    return asyncio.run(invite_peer(arguments, resolver))


async def invite_peer(arguments: argparse.Namespace, resolver: PolicyResolver) -> Peer:
    """The peer, once it has named a run. Raises: ProbeFailed."""
    address = await resolver.resolve(arguments.target)
    run_id = await ask_for_run(address, arguments.peer_port, arguments.key)
    return Peer(address, arguments.peer_port, arguments.key, run_id)


def parse_parameter(kind: str, text: str) -> tuple[str, Any]:
    """Name and value of a `NAME=VALUE`, the value in the type the kind's rules ask for.

    Raises: ParametersRefused for another form, an unknown name or a value of another type.
    """
    name, separator, value = text.partition("=")
    rules = load_kind(kind)["properties"]
    if not separator or name not in rules:
        raise ParametersRefused(f"--param {text}: known for {kind} are {', '.join(rules)}")
    if rules[name].get("type") not in {"integer", "number", "boolean"}:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError as error:
        message = f"{name}: {value!r} is no {rules[name]['type']}"
        raise ParametersRefused(message) from error


async def run_probe(
    kind: str, request: ProbeRequest, emit: Emit, *, resolver: PolicyResolver
) -> Outcome:
    """The outcome of one run under the host's and, where one is known, the server's policy.

    Raises: ProbeFailed when nothing could be measured.
    """
    return await build_probes(clock=SystemClock(), resolver=resolver)[kind].run(request, emit)


def _describe_sample(kind: str, sample: Sample) -> str:
    parts = []
    measured = tuple({**sample.values, **sample.absent})
    leading = _LEADING_METRICS.get(kind, measured)
    # A sample of a direction or a protocol says nothing of the others.
    for name in [name for name in leading if name in measured] or leading:
        value = sample.values.get(name)
        code = sample.absent.get(name, "N")
        shown = ABSENT.get(code, code) if value is None else format_quantity(name, value)
        parts.append(f"{name} {shown}")
    return "  ".join(parts)


def _describe_run(
    kind: str, request: ProbeRequest, samples: list[Sample], outcome: Outcome
) -> Mapping[str, Any]:
    return {
        "kind": kind,
        "target": request.target,
        "parameters": request.parameters,
        "duration_seconds": request.duration_seconds,
        "samples": [asdict(sample) for sample in samples],
        "outcome": asdict(outcome),
    }


def _print_outcome(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("metric", "value", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name in sorted({*outcome.values, *outcome.absent}):
        value = outcome.values.get(name)
        absent = Text(ABSENT.get(outcome.absent.get(name, "N"), "?"), "dim")
        table.add_row(name, absent if value is None else format_quantity(name, value))
    for name, fact in sorted(outcome.facts.items()):
        table.add_row(Text(name), Text(fact))
    verdict = Text("success", "green") if outcome.is_success else Text("no success", "red")
    reason = f": {outcome.reason}" if outcome.reason else ""
    console = Console()
    hops = build_hop_table(outcome.document)
    if hops is not None:
        console.print(hops)
    console.print(table)
    console.print(Text.assemble(verdict, f" by {outcome.method}{reason}"))
