"""The `trace` probe: the hops to a target, and every path that load balancing offers."""

import asyncio
import errno
import hashlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

from streamswarm_agent.errors import NameNotResolved, ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.icmp_socket import open_icmp_socket, set_traffic_class
from streamswarm_agent.probes.icmp_time import HostClocks
from streamswarm_agent.probes.measures import Measure, describe_failures, sample_of
from streamswarm_agent.probes.targets import parse_host
from streamswarm_agent.probes.trace_flows import Destination, Flow, FlowSettings, SocketFactory
from streamswarm_agent.probes.trace_path import Path
from streamswarm_agent.probes.trace_quotes import QuoteOpener, watch_quotes
from streamswarm_agent.probes.trace_report import (
    Survey,
    describe_survey,
    explain_end,
    measure_marking,
    measure_path,
    state_facts,
    survey_trials,
)
from streamswarm_agent.probes.trace_rounds import Rounds
from streamswarm_agent.probes.trace_sockets import open_flow

METHODS = {"udp": ("udp",), "icmp": ("icmp_datagram", "icmp_raw"), "tcp": ("tcp",)}
FIRST_SOURCE_PORT = 40_000
SOURCE_PORTS = 20_000
PORT_BLOCK = 64
BLOCKS_TRIED = 8
NAMES_SECONDS = 3.0
PATHS_REMEMBERED = 1024
SAMPLE_KEYS = frozenset(
    {
        "path.hop.count",
        "path.hop.rtt.median",
        "path.hop.loss.ratio",
        "path.hop.unresponsive",
        "path.ecmp.width",
        "net.rtt.gateway",
    }
)
NameLookup = Callable[[str], Awaitable[str]]
# Of their own: a resolver that is silent must not hold up what else the agent asks threads for.
NAME_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="hop-names")


async def look_up_name(address: str) -> str:
    """The name that the system's resolver gives to the address, empty without one."""
    loop = asyncio.get_running_loop()
    ask = partial(socket.getnameinfo, (address, 0), socket.NI_NAMEREQD)
    try:
        name, _ = await loop.run_in_executor(NAME_THREADS, ask)
        return parse_host(name)
    except (OSError, UnicodeError, ProbeFailed):
        return ""


class TraceProbe:
    """Asks every hop at once, round after round, in flows that routers cannot tell apart inside.

    The rounds are spread evenly over the run; each gives a sample. Source ports follow from the
    target, so that a flow takes the same way in every run unless the route has changed. Answers
    come over the error queue of ordinary sockets: `udp` and `tcp` need no privilege, `icmp` that
    of a ping. Loss is no answer in time; a hop that answers less than those behind it is not
    losing packets but limiting its answers. `is_success`: the target answered.
    """

    kind: ClassVar[str] = "trace"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        open_socket: SocketFactory = socket.socket,
        look_up: NameLookup = look_up_name,
        open_quotes: QuoteOpener = open_icmp_socket,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._open_socket = open_socket
        self._look_up = look_up
        self._open_quotes = open_quotes
        self._former: dict[str, Mapping[int, Path]] = {}

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Trace until all rounds are done or the run's time is over. Raises: ProbeFailed."""
        parameters = request.parameters
        host = parse_host(request.target)
        try:
            address = await self._resolver.resolve(host, parameters["ip_version"])
        except NameNotResolved as error:
            return await _report_unresolved(error, request, emit)
        first_ttl = int(parameters["first_ttl"])
        with self._open_flows(address, request) as (method, flows):
            rounds = Rounds(self._clock, flows, request)
            ports = {flow.source_port for flow in flows}
            with watch_quotes(address, ports, self._open_quotes) as quotes:
                async for trials in rounds.run():
                    measures = measure_path(survey_trials(trials, first_ttl))
                    await emit(sample_of(measures, SAMPLE_KEYS))
            trials = rounds.trials
            errors = sum((flow.errors for flow in flows), Counter[str]())
        way = _name_way(address, method, request)
        survey = replace(
            survey_trials(trials, first_ttl, self._former.get(way)),
            dscps=quotes.dscps if quotes.is_readable else None,
        )
        if parameters["resolve_names"]:
            survey = replace(survey, names=await self._find_names(survey))
        self._remember(way, survey)
        measures = measure_path(survey) | measure_marking(survey, int(parameters["dscp"]))
        return _conclude(survey, measures, method, address, errors)

    @contextmanager
    def _open_flows(
        self, address: str, request: ProbeRequest
    ) -> Iterator[tuple[str, Sequence[Flow]]]:
        refusals: list[str] = []
        for method in METHODS[request.parameters["method"]]:
            with ExitStack() as stack:
                try:
                    flows = self._open_method(method, address, request)
                except (OSError, NotImplementedError) as error:
                    refusals.append(f"{method}: {error}")
                    continue
                for flow in flows:
                    stack.callback(flow.close)
                yield method, flows
                return
        raise ProbeFailed(f"no socket for a trace may be opened ({'; '.join(refusals)})")

    def _open_method(self, method: str, address: str, request: ProbeRequest) -> list[Flow]:
        """The flows, of the next block of ports where another trace to the target holds theirs."""
        block = int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big")
        for number in range(BLOCKS_TRIED):
            first = FIRST_SOURCE_PORT + (block + number * PORT_BLOCK) % SOURCE_PORTS
            try:
                return self._open_block(method, address, first, request)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, "the source ports of the target's flows are taken")

    def _open_block(
        self, method: str, address: str, first_port: int, request: ProbeRequest
    ) -> list[Flow]:
        parameters = request.parameters
        port = {"udp": int(parameters["udp_port"]), "tcp": int(parameters["tcp_port"])}
        destination = socket.getaddrinfo(
            address, port.get(method, 0), type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        flows: list[Flow] = []

        def open_marked(family: int, kind: int, protocol: int) -> socket.socket:
            opened = self._open_socket(family, kind, protocol)
            set_traffic_class(opened, int(parameters["dscp"]) << 2)
            return opened

        try:
            for number in range(int(parameters["flows"])):
                settings = FlowSettings(
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    destination=cast("Destination", destination[4]),
                    number=number,
                    source_port=first_port + number,
                    wait_seconds=float(parameters["wait_seconds"]),
                )
                flows.append(open_flow(method, settings, HostClocks(), open_marked))
        except (OSError, NotImplementedError):
            for flow in flows:
                flow.close()
            raise
        return flows

    async def _find_names(self, survey: Survey) -> dict[str, str]:
        """The names of the stations by address, those that were found in time."""
        addresses = {station.address for hop in survey.hops for station in hop.stations}
        names: dict[str, str] = {}

        async def find(address: str) -> None:
            names[address] = await self._look_up(address)

        with suppress(TimeoutError):
            async with asyncio.timeout(NAMES_SECONDS):
                await asyncio.gather(*(find(address) for address in sorted(addresses)))
        return {address: name for address, name in names.items() if name}

    def _remember(self, way: str, survey: Survey) -> None:
        if survey.farthest is None:
            return
        self._former.pop(way, None)
        self._former[way] = survey.filled_paths
        if len(self._former) > PATHS_REMEMBERED:
            del self._former[next(iter(self._former))]


def _name_way(address: str, method: str, request: ProbeRequest) -> str:
    """What must be equal for two runs to be comparable hop by hop."""
    names = ("flows", "first_ttl", "max_ttl", "udp_port", "tcp_port", "dscp")
    return " ".join([address, method, *(str(request.parameters[name]) for name in names)])


def _conclude(
    survey: Survey, measures: dict[str, Measure], method: str, address: str, errors: Counter[str]
) -> Outcome:
    sample = sample_of(measures)
    return Outcome(
        is_success=survey.is_reached,
        method=method,
        values=sample.values,
        absent=sample.absent,
        facts=state_facts(survey),
        document={"address": address, "errors": dict(errors), **describe_survey(survey)},
        reason="; ".join(filter(None, (explain_end(survey), describe_failures(errors)))),
    )


async def _report_unresolved(error: NameNotResolved, request: ProbeRequest, emit: Emit) -> Outcome:
    measures = measure_path(survey_trials([], int(request.parameters["first_ttl"])))
    await emit(sample_of(measures, SAMPLE_KEYS))
    marking = measure_marking(survey_trials([], 1), int(request.parameters["dscp"]))
    sample = sample_of(measures | marking)
    method = request.parameters["method"]
    return Outcome(False, method, sample.values, sample.absent, reason=str(error))
