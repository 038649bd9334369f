"""The `http_throughput` probe: how much a path carries by HTTP, and what that does to its delay."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from streamswarm_agent.errors import NameNotResolved
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.http import TlsFactory, make_tls_context
from streamswarm_agent.probes.http_streams import BITS, Direction, Streams, Tally, Transfer
from streamswarm_agent.probes.measures import (
    AbsentCode,
    Measure,
    describe_failures,
    sample_of,
)
from streamswarm_agent.probes.statistics import mean, percentile, standard_deviation
from streamswarm_agent.probes.targets import parse_web_address
from streamswarm_agent.probes.tcp_connect import Connector

ReadProcessorTimes = Callable[[], tuple[float, float]]
IDLE_CONNECTS = 7
CONNECT_SPACING_SECONDS = 0.1
CONNECT_TIMEOUT_SECONDS = 2.0
STEADY_SHARE = 0.9
STEADY_NEEDS = 2
LOADED_NEEDS = 3
MEGABIT = 1_000_000
GRADES = ((0.005, "A+"), (0.030, "A"), (0.060, "B"), (0.200, "C"), (0.400, "D"))
"""The delay that a full path adds, in seconds, and the grade up to it; beyond is F."""


def read_processor_times() -> tuple[float, float]:
    """Seconds that the processors of this host were busy, and that they had in all."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - idle, total


class HttpThroughputProbe:
    """Fills the path with parallel GETs or POSTs of the URL for the run's duration.

    Rates are bits a second of bodies, all streams together; the first `omit_seconds` count for the
    ramp alone. Beside the transfer, connections to the same port are opened ten times a second: the
    growth of their median over that of the idle path is the delay that queues add. Redirects are
    not followed. `is_success`: something was moved.
    """

    kind: ClassVar[str] = "http_throughput"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        make_tls: TlsFactory = make_tls_context,
        read_times: ReadProcessorTimes = read_processor_times,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._make_tls = make_tls
        self._read_times = read_times

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Transfer for the run's duration; see the class. Raises: ProbeFailed, TargetRefused."""
        parameters = request.parameters
        url = parse_web_address(request.target)
        direction: Direction = parameters["direction"]
        try:
            address = await self._resolver.resolve(url.host)
        except NameNotResolved as error:
            sample = sample_of(
                measure(Tally(0.0), 0.0, direction) | _measure_delay([], [], direction)
            )
            await emit(sample)
            return Outcome(False, "http", sample.values, sample.absent, reason=str(error))
        transfer = Transfer(
            url=url,
            address=address,
            direction=direction,
            stream_count=int(parameters["streams"]),
            max_bits_per_second=parameters["max_megabits"] * MEGABIT,
            tls=await asyncio.to_thread(self._make_tls, parameters["is_certificate_verified"]),
        )
        connector = Connector(self._clock, address, url.port, CONNECT_TIMEOUT_SECONDS)
        idle = [await self._time_connect(connector) for _ in range(IDLE_CONNECTS)]
        before = self._read_times()
        tally, loaded = await self._load(request, transfer, connector, emit)
        measures = (
            measure(tally, parameters["omit_seconds"], direction)
            | _measure_delay(idle, loaded, direction)
            | {"net.throughput.cpu.local": measure_processor(before, self._read_times())}
        )
        return _conclude(measures, tally, transfer)

    async def _load(
        self, request: ProbeRequest, transfer: Transfer, connector: Connector, emit: Emit
    ) -> tuple[Tally, list[float | None]]:
        streams = Streams(self._clock, transfer)
        loaded: list[float | None] = []
        moving = asyncio.create_task(streams.run(request.duration_seconds))
        beside = asyncio.create_task(self._time_beside(connector, loaded))
        reporting = asyncio.create_task(self._report(request, streams, loaded, emit))
        try:
            await moving
            await reporting
        finally:
            for task in (moving, beside, reporting):
                task.cancel()
            await asyncio.gather(moving, beside, reporting, return_exceptions=True)
        return streams.tally, loaded

    async def _time_beside(self, connector: Connector, loaded: list[float | None]) -> None:
        while True:
            loaded.append(await self._time_connect(connector))

    async def _time_connect(self, connector: Connector) -> float | None:
        connection = await connector.connect()
        await self._clock.sleep(CONNECT_SPACING_SECONDS)
        return connection.seconds if connection.verdict == "open" else None

    async def _report(
        self, request: ProbeRequest, streams: Streams, loaded: list[float | None], emit: Emit
    ) -> None:
        start = self._clock.monotonic()
        end_seconds = 0.0
        while end_seconds < request.duration_seconds:
            seen_bytes, seen_count = streams.tally.byte_count, len(loaded)
            begin_seconds = end_seconds
            end_seconds = min(
                end_seconds + request.sample_interval_seconds, request.duration_seconds
            )
            await self._clock.sleep(max(0.0, start + end_seconds - self._clock.monotonic()))
            direction: Direction = request.parameters["direction"]
            byte_count = streams.tally.byte_count - seen_bytes
            rate = byte_count * BITS / (end_seconds - begin_seconds)
            await emit(
                sample_of(
                    {
                        f"net.throughput.http.{direction}": rate if byte_count else "T",
                        f"net.latency.loaded.{direction}": _median(loaded[seen_count:], 1),
                    }
                )
            )


def measure(tally: Tally, omit_seconds: float, direction: Direction) -> dict[str, Measure]:
    """Rate, evenness and ramp of a transfer, from its whole seconds after the omitted ones."""
    other = "upload" if direction == "download" else "download"
    whole = [byte_count * BITS for byte_count in tally.seconds]
    steady = whole[int(omit_seconds) : -1] or whole[:-1] or whole
    rate = mean(steady) if steady else 0.0
    code: AbsentCode = "I" if rate else "T"
    ramp = next((place for place, bits in enumerate(whole) if bits >= STEADY_SHARE * rate), None)
    is_even_known = rate > 0 and len(steady) >= STEADY_NEEDS
    return {
        f"net.throughput.http.{direction}": rate or "T",
        f"net.throughput.http.{other}": "N",
        "net.throughput.stability": standard_deviation(steady) / rate if is_even_known else code,
        "net.throughput.ramp_time": code if ramp is None or not rate else ramp + 1,
    }


def measure_processor(before: tuple[float, float], after: tuple[float, float]) -> Measure:
    """The share of its time, 0 to 1, that this host's processor was busy; I for no time at all."""
    busy, total = after[0] - before[0], after[1] - before[1]
    return min(max(busy / total, 0.0), 1.0) if total > 0 else "I"


def grade_delay(added_seconds: float) -> str:
    """A+ to F for the delay that a full path adds, by the limits of common bufferbloat tests."""
    return next((grade for limit, grade in GRADES if added_seconds < limit), "F")


def _measure_delay(
    idle: Sequence[float | None], loaded: Sequence[float | None], direction: Direction
) -> dict[str, Measure]:
    other = "upload" if direction == "download" else "download"
    full = _median(loaded, LOADED_NEEDS)
    base = _median(idle, LOADED_NEEDS)
    delta: Measure = full if isinstance(full, str) else base
    responsiveness: Measure = full
    if not isinstance(full, str):
        responsiveness = 60 / full if full > 0 else "I"
        if not isinstance(base, str):
            delta = max(0.0, full - base)
    return {
        f"net.latency.loaded.{direction}": full,
        f"net.latency.loaded.{other}": "N",
        "net.bufferbloat.delta": delta,
        "net.responsiveness": responsiveness,
    }


def _median(round_trips: Sequence[float | None], needed_count: int) -> Measure:
    answered = [seconds for seconds in round_trips if seconds is not None]
    if not answered:
        return "T" if round_trips else "I"
    return percentile(answered, 0.5) if len(answered) >= needed_count else "I"


def _conclude(measures: dict[str, Measure], tally: Tally, transfer: Transfer) -> Outcome:
    sample = sample_of(measures)
    failures = tally.errors
    document: dict[str, Any] = {
        "address": transfer.address,
        "bytes": tally.byte_count,
        "streams": transfer.stream_count,
        "seconds": tally.seconds[:3600],
        "failures": dict(failures.most_common(10)),
    }
    delta = measures["net.bufferbloat.delta"]
    if not isinstance(delta, str):
        document["grade"] = grade_delay(delta)
    return Outcome(
        is_success=tally.byte_count > 0,
        method="http",
        values=sample.values,
        absent=sample.absent,
        document=document,
        reason=describe_failures(failures),
    )
