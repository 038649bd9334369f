"""The `throughput` probe: what a path carries to another agent and back, and at what cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.loaded_latency import (
    LOADED_INTERVAL_SECONDS,
    LatencyMeter,
    Pings,
)
from streamswarm_agent.probes.measures import failure_text, sample_of
from streamswarm_agent.probes.stream_client import StreamClient, StreamSettings
from streamswarm_agent.probes.stream_report import (
    TAIL_SECONDS,
    CpuTimes,
    TransferOrder,
    read_cpu_times,
)
from streamswarm_agent.probes.stream_transfer import Sent
from streamswarm_agent.probes.stream_tuning import TuningRefused
from streamswarm_agent.probes.stream_wire import StreamRefused
from streamswarm_agent.probes.tcp_info import state_tcp
from streamswarm_agent.probes.throughput_measures import (
    Findings,
    Phase,
    describe_phases,
    grade,
    measure_findings,
    measure_progress,
)

UDP_MEGABITS = 10.0
"""The rate of UDP where the test names none: there is no such thing as no limit."""
MOST_IDLE_SECONDS = 1.5
IDLE_SHARE = 0.15
MOST_OMITTED_SHARE = 0.3
SHORTEST_SECONDS = 0.2
BITS_PER_MEGABIT = 1_000_000
DIRECTIONS = {"both": ("upload", "download"), "upload": ("upload",), "download": ("download",)}


@dataclass(frozen=True, slots=True)
class Plan:
    """How the run's time is spent, in seconds."""

    idle: float
    omitted: float
    measured: float


class ThroughputProbe:
    """Fills the path with TCP, one direction after the other, and pings beside it.

    With UDP it sends packets at the wanted rate instead, and counts what becomes of them.
    Rates are payload counted by the receiver and its clock, after the omitted start. `net.tcp.*`
    is what the sending kernel says of all streams of the upload, or of the download if that is all
    there was; `net.tcp.rtt.receive` is the receiving kernel's. `is_success`: data arrived in every
    direction that was asked for.
    """

    kind: ClassVar[str] = "throughput"

    def __init__(
        self, clock: Clock, _resolver: Resolver, cpu_times: CpuTimes = read_cpu_times
    ) -> None:
        self._clock = clock
        self._cpu_times = cpu_times

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Measure for the run's duration; see the class. Raises: ProbeFailed."""
        peer = request.peer
        if peer is None:
            raise ProbeFailed("a throughput test needs a peer agent that answers it")
        parameters = request.parameters
        settings = StreamSettings(dscp=int(parameters["dscp"]), mss=int(parameters["mss_bytes"]))
        client = StreamClient(peer, settings, self._cpu_times)
        found, reason = Findings(str(parameters["protocol"])), ""
        try:
            await client.open()
            await self._measure(client, request, found, emit)
        except TuningRefused as error:
            raise ProbeFailed(str(error)) from error
        except (OSError, TimeoutError, StreamRefused) as error:
            reason = f"{peer.address} port {peer.port}: {describe_end(error)}"
        finally:
            client.close()
        return _conclude(found, request, client, reason)

    async def _measure(
        self, client: StreamClient, request: ProbeRequest, found: Findings, emit: Emit
    ) -> None:
        parameters, peer = request.parameters, request.peer
        directions = DIRECTIONS[str(parameters["direction"])]
        plan = plan_run(request.duration_seconds, len(directions), parameters["omit_seconds"])
        has_latency = bool(parameters["has_latency"])
        if peer is None:
            raise ProbeFailed("a throughput test needs a peer agent that answers it")
        meter = LatencyMeter(peer, self._clock, int(parameters["dscp"]) << 2)
        if has_latency:
            found.pair_bits_per_second = await meter.measure_pairs()
            found.idle = await meter.measure_idle(plan.idle)
        for direction in directions:
            order = read_order(parameters, plan, direction, request.sample_interval_seconds)
            progress = ProgressReport(self._clock, request, order, emit)
            if not has_latency:
                report = await client.transfer(order, progress.note)
                found.phases[direction] = Phase(report, Pings())
                continue
            async with meter.pinging(direction, LOADED_INTERVAL_SECONDS) as pings:
                report = await client.transfer(order, progress.note)
            found.phases[direction] = Phase(report, pings)


class ProgressReport:
    """Emits a sample each sample interval of a transfer."""

    def __init__(
        self, clock: Clock, request: ProbeRequest, order: TransferOrder, emit: Emit
    ) -> None:
        self._clock = clock
        self._interval_seconds = request.sample_interval_seconds
        self._order = order
        self._emit = emit
        self._at = clock.monotonic()
        self._bytes = 0

    async def note(self, received_bytes: int, sent: Sent | None) -> None:
        """As `Progress`."""
        passed = self._clock.monotonic() - self._at
        if passed < self._interval_seconds:
            return
        rate = (received_bytes - self._bytes) * 8 / passed
        self._at += passed
        self._bytes = received_bytes
        await self._emit(sample_of(measure_progress(rate, self._order, sent)))


def plan_run(duration_seconds: float, direction_count: int, omit_seconds: float) -> Plan:
    """The run's time: some of it idle, the rest shared by the directions."""
    idle = min(IDLE_SHARE * duration_seconds, MOST_IDLE_SECONDS)
    phase = (duration_seconds - idle) / direction_count - 2 * TAIL_SECONDS
    phase = max(phase, SHORTEST_SECONDS)
    omitted = min(float(omit_seconds), MOST_OMITTED_SHARE * phase)
    return Plan(idle, omitted, phase - omitted)


def read_order(
    parameters: Any, plan: Plan, direction: str, sample_interval_seconds: float
) -> TransferOrder:
    """The transfer that the parameters ask for."""
    whole = plan.omitted + plan.measured
    protocol = str(parameters["protocol"])
    megabits = float(parameters["rate_megabits"])
    if protocol == "udp":
        megabits = megabits or UDP_MEGABITS
    return TransferOrder(
        direction=direction,
        streams=int(parameters["streams"]),
        seconds=plan.measured,
        omit_seconds=plan.omitted,
        glance_seconds=max(min(sample_interval_seconds, 0.25), whole / 200),
        congestion=str(parameters["congestion"]),
        window_bytes=int(parameters["window_bytes"]),
        pacing_bits_per_second=megabits * BITS_PER_MEGABIT,
        protocol=protocol,
        packet_bytes=int(parameters["packet_bytes"]),
        dscp=int(parameters["dscp"]),
    )


def describe_end(error: Exception) -> str:
    """Why there was no transfer, in words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "no answer in time" if isinstance(error, TimeoutError) else failure_text(error)


def state_connections(found: Findings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the sending kernel says in words, and why not; nothing of UDP, which has none."""
    if found.protocol != "tcp":
        return {}, {}
    details = found.main.report.sent.details if found.main else []
    facts, unsaid = state_tcp(details)
    return facts, dict.fromkeys(unsaid, "U") if found.main and not details else unsaid


def _conclude(found: Findings, request: ProbeRequest, client: StreamClient, reason: str) -> Outcome:
    parameters = request.parameters
    directions: Sequence[str] = DIRECTIONS[str(parameters["direction"])]
    sample = sample_of(measure_findings(found, int(parameters["streams"])))
    facts, unsaid = state_connections(found)
    arrived = [
        direction
        for direction in directions
        if direction in found.phases and found.phases[direction].report.received.total_bytes
    ]
    document: dict[str, Any] = {
        "address": request.peer.address if request.peer else "",
        "protocol": found.protocol,
        "directions": describe_phases(found),
        "stream_ports": client.stream_ports,
        "bufferbloat_grade": grade(found),
        "idle_rtt_seconds": found.idle.answered,
    }
    return Outcome(
        is_success=len(arrived) == len(directions),
        method=found.protocol,
        values=sample.values,
        absent={**sample.absent, **unsaid},
        facts=facts,
        document=document,
        reason=reason,
    )
