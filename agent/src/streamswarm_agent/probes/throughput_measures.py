"""From what transfers and pings came to, to the metric keys of the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from streamswarm_agent.probes.flow_measures import (
    attribute_flow,
    describe_flow,
    measure_flow,
    name_flow_key,
)
from streamswarm_agent.probes.loaded_latency import Pings, grade_bufferbloat
from streamswarm_agent.probes.measures import Measure
from streamswarm_agent.probes.statistics import mean, percentile
from streamswarm_agent.probes.stream_curve import BITS_PER_BYTE, vary
from streamswarm_agent.probes.stream_report import TransferOrder, TransferReport
from streamswarm_agent.probes.stream_transfer import Sent
from streamswarm_agent.probes.tcp_info import TCP_NUMBERS, measure_tcp

TCP_PREFIX = "net.throughput.tcp."
PINGS_NEED = 5
RATES_NEED = 3
BUSY_CPU = 0.8
LIMITED_SHARE = 0.3
LOSSY_SHARE = 0.001
QUEUED_FACTOR = 1.5
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Phase:
    """A transfer and the pings beside it."""

    report: TransferReport
    pings: Pings


@dataclass(slots=True)
class Findings:
    """All that a run found, by direction."""

    protocol: str = "tcp"
    idle: Pings = field(default_factory=Pings)
    pair_bits_per_second: float | None = None
    phases: dict[str, Phase] = field(default_factory=dict)

    @property
    def main(self) -> Phase | None:
        """The upload if there was one: the direction that this end can see best."""
        return self.phases.get("upload") or self.phases.get("download")


def measure_findings(found: Findings, streams: int) -> dict[str, Measure]:
    """Group 4 of the catalogue for the run's protocol, and `net.tcp.*` of a sender by TCP."""
    if found.protocol == "udp":
        measures = _measure_course(found) | _measure_latency(found) | _measure_hosts(found)
        for direction in ("upload", "download"):
            phase = found.phases.get(direction)
            measures |= measure_flow(direction, phase.report if phase is not None else None)
        return {key: one for key, one in measures.items() if not key.startswith(TCP_PREFIX)}
    return (
        _measure_rates(found)
        | {"net.throughput.tcp.streams": streams if found.main else "N"}
        | _measure_course(found)
        | _measure_latency(found)
        | _measure_hosts(found)
        | (_measure_connections(found.main.report) if found.main else unmeasured_tcp("T"))
    )


def unmeasured_tcp(code: str) -> dict[str, Measure]:
    """`net.tcp.*` without a connection."""
    return dict.fromkeys(TCP_NUMBERS, code)  # type: ignore[arg-type]  # a code of the catalogue


def measure_progress(rate: float, order: TransferOrder, sent: Sent | None) -> dict[str, Measure]:
    """One sample: what came in the interval, and the sender's newest glance."""
    if order.protocol == "udp":
        return {name_flow_key("receive", order.direction): rate}
    key = "receive" if order.direction == "upload" else "reverse"
    measures: dict[str, Measure] = {f"net.throughput.tcp.{key}": rate}
    glance = sent.glances[-1] if sent is not None and sent.glances else None
    if glance is not None:
        seen = {
            "net.tcp.rtt.smoothed": glance.rtt_seconds,
            "net.tcp.cwnd": glance.window_segments,
            "net.tcp.retransmits": glance.retransmits,
        }
        measures |= {key: value for key, value in seen.items() if value is not None}
    return measures


def describe_phases(found: Findings) -> dict[str, Any]:
    """The course of each direction, as the result's document has it."""
    described = {}
    for direction, phase in found.phases.items():
        report = phase.report
        described[direction] = {
            "bits_per_second": report.received.bits_per_second,
            "rates": report.received.rates,
            "timeline": [asdict(glance) for glance in report.sent.glances],
            "retransmits": [one.fields.get("total_retrans") for one in report.sent.details],
            "bottleneck": attribute_bottleneck(found, direction),
        }
        if report.flow is not None:
            described[direction]["packets"] = describe_flow(report, report.flow)
    return described


def grade(found: Findings) -> str:
    """A+ to F, by what load adds to round trips; empty when that is not known."""
    added = find_added_seconds(found)
    return "" if added is None else grade_bufferbloat(added)


def attribute_bottleneck(found: Findings, direction: str) -> str:
    """What held the transfer back, as `docs/apps/tests.md` explains the words.

    First by the kernel's own account of why it did not send, then by what the path shows; the
    processors are blamed only where it shows nothing. Source: RFC 6349 section 3.
    """
    phase = found.phases[direction]
    report = phase.report
    has_queued = _has_queued(phase, found)
    is_busy = max(report.cpu_local or 0.0, report.cpu_remote or 0.0) >= BUSY_CPU
    if report.flow is not None:
        return attribute_flow(report.flow, has_queued=has_queued, is_busy=is_busy)
    tcp = measure_tcp(report.sent.details)
    signs = (
        ("receive_window", _number(tcp["net.tcp.rwnd_limited.ratio"]) >= LIMITED_SHARE),
        ("send_buffer", _number(tcp["net.tcp.sndbuf_limited.ratio"]) >= LIMITED_SHARE),
        ("path_loss", _number(tcp["net.tcp.retransmit.ratio"]) >= LOSSY_SHARE),
        ("path_queue", has_queued),
        ("processor", is_busy),
    )
    return next((word for word, is_so in signs if is_so), "path")


def find_added_seconds(found: Findings) -> float | None:
    """How much longer the median round trip is under load, of the worse direction."""
    loaded = [_median(phase.pings) for phase in found.phases.values()]
    known = [value for value in loaded if value is not None]
    idle = _median(found.idle)
    return max(known) - idle if known and idle is not None else None


def _has_queued(phase: Phase, found: Findings) -> bool:
    loaded, idle = phase.pings.answered, found.idle.answered
    if not loaded or not idle:
        return False
    return percentile(loaded, 0.5) > QUEUED_FACTOR * percentile(idle, 0.5)


def _measure_connections(report: TransferReport) -> dict[str, Measure]:
    measures = measure_tcp(report.sent.details)
    if report.received.rtt_seconds is not None:
        measures["net.tcp.rtt.receive"] = report.received.rtt_seconds
    return measures


def _measure_rates(found: Findings) -> dict[str, Measure]:
    upload, download = found.phases.get("upload"), found.phases.get("download")
    measures: dict[str, Measure] = dict.fromkeys(
        (f"net.throughput.tcp.{key}" for key in ("receive", "send", "reverse")), "N"
    )
    if upload is not None:
        sent = upload.report.sent
        measures["net.throughput.tcp.receive"] = upload.report.received.bits_per_second
        if sent.seconds:
            measures["net.throughput.tcp.send"] = sent.bytes * BITS_PER_BYTE / sent.seconds
    if download is not None:
        measures["net.throughput.tcp.reverse"] = download.report.received.bits_per_second
    return measures


def _measure_course(found: Findings) -> dict[str, Measure]:
    names = ("efficiency", "transfer_time_ratio")
    keys = [f"net.throughput.tcp.{name}" for name in names]
    keys += ["net.throughput.bdp", "net.throughput.stability", "net.throughput.ramp_time"]
    if found.main is None:
        return dict.fromkeys(keys, "N")
    report, idle = found.main.report, _median(found.idle)
    received, sent = report.received, report.sent
    ideal = percentile(received.rates, 1.0) if len(received.rates) >= RATES_NEED else None
    rate = received.bits_per_second
    variation = vary(received.rates)
    figures: Sequence[Measure] = (
        _measure_efficiency(sent),
        "I" if ideal is None or not rate else max(ideal / rate, 1.0),
        "I" if idle is None or not rate else rate * idle / BITS_PER_BYTE,
        "I" if variation is None else variation,
        "I" if received.ramp_seconds is None else received.ramp_seconds,
    )
    return dict(zip(keys, figures, strict=True))


def _measure_efficiency(sent: Sent) -> Measure:
    totals: list[Mapping[str, int]] = [one.fields for one in sent.details]
    if not totals or any("bytes_retrans" not in one for one in totals):
        return "U"
    whole = sum(one["bytes_sent"] for one in totals)
    return 1 - sum(one["bytes_retrans"] for one in totals) / whole if whole else "N"


def _measure_latency(found: Findings) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for direction in ("download", "upload"):
        phase = found.phases.get(direction)
        median = _median(phase.pings) if phase is not None else None
        code: Measure = "N" if phase is None or not phase.pings.round_trips else "I"
        measures[f"net.latency.loaded.{direction}"] = code if median is None else median
    added, idle = find_added_seconds(found), _median(found.idle)
    loaded = [phase.pings.answered for phase in found.phases.values() if _median(phase.pings)]
    means = [mean(answered) for answered in loaded]
    is_known = added is not None and idle is not None and bool(means)
    worst = max((percentile(answered, 0.5) for answered in loaded), default=0.0)
    base = mean(found.idle.answered) if found.idle.answered else 0.0
    return measures | {
        "net.bufferbloat.delta": "I" if added is None else added,
        "net.responsiveness": SECONDS_A_MINUTE / worst if worst else "I",
        "net.throughput.tcp.buffer_delay": (max(means) - base) / base if is_known and base else "I",
    }


def _measure_hosts(found: Findings) -> dict[str, Measure]:
    reports = [phase.report for phase in found.phases.values()]
    local = [report.cpu_local for report in reports if report.cpu_local is not None]
    remote = [report.cpu_remote for report in reports if report.cpu_remote is not None]
    pair = found.pair_bits_per_second
    measures: dict[str, Measure] = {
        "net.throughput.cpu.remote": max(remote) if remote else "N",
        "net.capacity.packet_pair": "I" if pair is None else pair,
    }
    if local:
        measures["net.throughput.cpu.local"] = max(local)
    return measures


def _median(pings: Pings) -> float | None:
    answered = pings.answered
    return percentile(answered, 0.5) if len(answered) >= PINGS_NEED else None


def _number(measure: Measure | None) -> float:
    return measure if isinstance(measure, float) else 0.0
