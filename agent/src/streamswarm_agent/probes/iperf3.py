"""The `iperf3` probe: what a path carries to a server that already runs iperf3, and back."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any, ClassVar

from streamswarm_agent.collectors.commands import SEARCH_PATH, Answer, find_program
from streamswarm_agent.errors import NameNotResolved
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.flow_measures import FIGURES, name_flow_key
from streamswarm_agent.probes.iperf3_report import Iperf3Refused, Iperf3Report, read_iperf3
from streamswarm_agent.probes.measures import AbsentCode, Measure, ratio, sample_of
from streamswarm_agent.probes.stream_curve import vary
from streamswarm_agent.probes.stream_report import CpuTimes, find_cpu_share, read_cpu_times
from streamswarm_agent.probes.targets import parse_host

DIRECTIONS = {"both": ("upload", "download"), "upload": ("upload",), "download": ("download",)}
REMEDY = "iperf3 is not installed here: apt install iperf3"
BUSY = ("busy", "connection reset by peer")
BUSY_ATTEMPTS, BUSY_PAUSE_SECONDS = 10, 1.0
"""A server takes one test at a time, and is not done at once with the one before."""
MOST_OMITTED_SHARE = 0.3
MARGIN_SECONDS = 15.0
MOST_INTERVALS = 60
BITS_PER_MEGABIT = 1_000_000
UDP_MEGABITS = 10.0
ALGORITHM = "net.tcp.congestion.algorithm"

RunProgram = Callable[[Sequence[str], float], Awaitable[Answer | None]]
"""Runs a program by its name for at most so many seconds; None when the host does not have it.

Raises: TimeoutError.
"""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One direction: what iperf3 found, and the share of this host's processors meanwhile."""

    report: Iperf3Report
    cpu_share: float | None


@dataclass(slots=True)
class Found:
    """What a run found by direction, and why not more."""

    protocol: str
    transfers: dict[str, Transfer] = field(default_factory=dict)
    reason: str = ""
    code: AbsentCode = "N"


class Iperf3Probe:
    """Runs the host's own iperf3, one direction after the other, and reads what it prints.

    Rates are payload by the receiver, the omitted start left out. A server that is busy is asked
    again, ten times in all. `is_success`: data arrived in every direction that was asked for.
    """

    kind: ClassVar[str] = "iperf3"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        run_program: RunProgram | None = None,
        cpu_times: CpuTimes = read_cpu_times,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._run_program = run_program or run_for
        self._cpu_times = cpu_times

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Measure for the run's duration; see the class. Raises: ProbeFailed."""
        parameters = request.parameters
        found = Found(str(parameters["protocol"]))
        address = ""
        try:
            host = parse_host(request.target)
            address = await self._resolver.resolve(host, parameters["ip_version"])
            await self._measure(address, request, found, emit)
        except NameNotResolved as error:
            found.reason, found.code = str(error), "T"
        except Iperf3Refused as error:
            place = f"{address} port {parameters['port']}"
            found.reason, found.code = f"{place}: {error}", "T"
        return _conclude(found, request, address)

    async def _measure(self, address: str, request: ProbeRequest, found: Found, emit: Emit) -> None:
        directions = DIRECTIONS[str(request.parameters["direction"])]
        for direction in directions:
            seconds = request.duration_seconds / len(directions)
            argv = build_command(address, request.parameters, direction, seconds)
            before = self._cpu_times()
            answer = await self._ask(argv, seconds + MARGIN_SECONDS)
            if answer is None:
                found.reason, found.code = REMEDY, "U"
                return
            share = find_cpu_share(before, self._cpu_times())
            report = read_iperf3(answer.text, is_reverse=direction == "download")
            found.transfers[direction] = Transfer(report, share)
            key = _name_rate(found.protocol, direction)
            await emit(sample_of({key: report.received_bits_per_second}))

    async def _ask(self, argv: Sequence[str], seconds: float) -> Answer | None:
        """What iperf3 printed, once its server is free; None when it is not installed."""
        for attempt in range(1, BUSY_ATTEMPTS + 1):
            try:
                answer = await self._run_program(argv, seconds)
            except TimeoutError as error:
                raise Iperf3Refused("no answer in time") from error
            if answer is None or not is_turned_away(answer):
                break
            if attempt < BUSY_ATTEMPTS:
                await self._clock.sleep(BUSY_PAUSE_SECONDS)
        return answer


def is_turned_away(answer: Answer) -> bool:
    """Whether the server was not ready for the test, which never began."""
    said = answer.text.lower()
    has_begun = "bits_per_second" in said
    return not answer.is_good and not has_begun and any(words in said for words in BUSY)


def build_command(
    address: str, parameters: Mapping[str, Any], direction: str, seconds: float
) -> list[str]:
    """The command line of one direction; iperf3 knows whole seconds, and rates of one stream."""
    whole = max(int(seconds), 1)
    omitted = min(int(parameters["omit_seconds"]), int(MOST_OMITTED_SHARE * whole))
    measured = max(whole - omitted, 1)
    streams, megabits = int(parameters["streams"]), float(parameters["rate_megabits"])
    argv = [
        "iperf3", "-c", address, "-p", str(parameters["port"]), "-J", "-t", str(measured),
        "-O", str(omitted), "-i", str(ceil(measured / MOST_INTERVALS)), "-P", str(streams),
        "-S", str(int(parameters["dscp"]) << 2),
    ]  # fmt: skip
    if parameters["protocol"] == "udp":
        argv += ["-u", "-l", str(parameters["packet_bytes"])]
        megabits = megabits or UDP_MEGABITS
    elif parameters["congestion"]:
        argv += ["-C", str(parameters["congestion"])]
    if megabits:
        argv += ["-b", str(max(int(megabits * BITS_PER_MEGABIT / streams), 1))]
    return [*argv, "-R"] if direction == "download" else argv


async def run_for(argv: Sequence[str], seconds: float) -> Answer | None:
    """As `RunProgram`: without a shell and without input, in English; ended when cancelled."""
    program = find_program(argv[0])
    if program is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program,
        *argv[1:],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"LC_ALL": "C", "PATH": SEARCH_PATH},
    )
    try:
        async with asyncio.timeout(seconds):
            printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
            await process.wait()
    return Answer(
        printed.decode("utf-8", "replace"),
        is_good=process.returncode == 0,
        complaint=complaint.decode("utf-8", "replace"),
    )


def measure_transfers(found: Found) -> dict[str, Measure]:
    """Group 4 of the catalogue as far as iperf3 tells it; codes for what was not measured."""
    upload, download = (found.transfers.get(one) for one in ("upload", "download"))
    main = upload or download
    variation = vary(main.report.rates) if main else None
    stability: Measure = found.code if main is None else "I" if variation is None else variation
    shares = [one.cpu_share for one in found.transfers.values() if one.cpu_share is not None]
    measures: dict[str, Measure] = {"net.throughput.stability": stability}
    if shares:
        measures["net.throughput.cpu.local"] = max(shares)
    if found.protocol == "udp":
        for direction in ("upload", "download"):
            measures |= _measure_packets(found, direction)
        return measures
    sent = upload.report.sent_bits_per_second if upload else None
    retransmits = main.report.retransmits if main else None
    return measures | {
        "net.throughput.tcp.receive": _rate_of(upload, found),
        "net.throughput.tcp.send": found.code if sent is None else sent,
        "net.throughput.tcp.reverse": _rate_of(download, found),
        "net.throughput.tcp.streams": main.report.stream_count if main else found.code,
        "net.tcp.retransmits": ("U" if main else found.code)
        if retransmits is None
        else retransmits,
    }


def _rate_of(transfer: Transfer | None, found: Found) -> Measure:
    return found.code if transfer is None else transfer.report.received_bits_per_second


def _measure_packets(found: Found, direction: str) -> dict[str, Measure]:
    transfer = found.transfers.get(direction)
    if transfer is None:
        return {name_flow_key(name, direction): found.code for name in FIGURES}
    packets = transfer.report.packets
    loss, jitter = packets["loss_ratio"], packets["jitter_seconds"]
    disorder, count = packets["reordered_count"], packets["sent_count"]
    figures: Sequence[Measure] = (
        transfer.report.received_bits_per_second,
        "T" if loss is None else loss,
        "I" if jitter is None else jitter,
        "N" if disorder is None else ratio(disorder, (count or 0) - (packets["lost_count"] or 0)),
    )
    named = zip(FIGURES, figures, strict=True)
    return {name_flow_key(name, direction): figure for name, figure in named}


def _name_rate(protocol: str, direction: str) -> str:
    if protocol == "udp":
        return name_flow_key("receive", direction)
    return f"net.throughput.tcp.{'receive' if direction == 'upload' else 'reverse'}"


def _conclude(found: Found, request: ProbeRequest, address: str) -> Outcome:
    directions = DIRECTIONS[str(request.parameters["direction"])]
    rates = [
        found.transfers[one].report.received_bits_per_second
        for one in directions
        if one in found.transfers
    ]
    sample = sample_of(measure_transfers(found))
    algorithms = [one.report.algorithm for one in found.transfers.values() if one.report.algorithm]
    absent = dict(sample.absent)
    if found.protocol == "tcp" and not algorithms:
        absent[ALGORITHM] = "U" if found.transfers else found.code
    return Outcome(
        is_success=len(rates) == len(directions) and all(rates),
        method=found.protocol,
        values=sample.values,
        absent=absent,
        facts={ALGORITHM: algorithms[0]} if algorithms else {},
        document={
            "address": address,
            "protocol": found.protocol,
            "version": next((one.report.version for one in found.transfers.values()), ""),
            "directions": {
                name: describe_transfer(one.report) for name, one in found.transfers.items()
            },
        },
        reason=found.reason,
    )


def describe_transfer(report: Iperf3Report) -> dict[str, Any]:
    """A direction as the result's document has it; rates are of single seconds."""
    described: dict[str, Any] = {
        "bits_per_second": report.received_bits_per_second,
        "rates": [rate for rate in report.rates for _ in range(max(round(report.step_seconds), 1))],
        "timeline": list(report.timeline),
    }
    if report.packets:
        described["packets"] = dict(report.packets)
    return described
