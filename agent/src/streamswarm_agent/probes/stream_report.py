"""What the ends of a transfer tell each other about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from streamswarm_agent.probes.flow_count import FlowReport
from streamswarm_agent.probes.flow_packet import MOST_FLOW_PACKETS
from streamswarm_agent.probes.stream_curve import (
    BITS_PER_BYTE,
    count_steps,
    find_ramp_seconds,
    measure_window,
)
from streamswarm_agent.probes.stream_transfer import Glance, Received, Sent
from streamswarm_agent.probes.tcp_info import TcpDetails

FINE_STEP_SECONDS = 0.1
MOST_STREAMS = 32
LARGEST_DSCP = 63
LEAST_PACKET_BYTES, MOST_PACKET_BYTES = 128, 8900
LONGEST_SECONDS = 3600.0
FASTEST_PACE = 1e12
MOST_GLANCES = 1000
"""A sender keeps and reports no more, whatever the length of a transfer."""
PROGRESS_SECONDS = 0.25
SILENCE_SECONDS = 5.0
"""An end that says nothing for so long is gone: nothing more is sent to it."""
TAIL_SECONDS = 0.25
"""How much longer than measured a sender sends, so that the measured time ends under load."""

CpuTimes = Callable[[], tuple[float, float]]
"""Seconds that the processors were busy, and that they had, since some moment."""


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """One transfer in one direction; `seconds` are measured after `omit_seconds`.

    0 and empty mean: as the system does it. `pacing_bits_per_second` is for all streams together,
    and must be there for UDP, whose packets have `packet_bytes` each; it has no streams.
    """

    direction: str
    streams: int
    seconds: float
    omit_seconds: float
    glance_seconds: float
    congestion: str = ""
    window_bytes: int = 0
    pacing_bits_per_second: float = 0.0
    protocol: str = "tcp"
    packet_bytes: int = 1400
    dscp: int = 0

    def __post_init__(self) -> None:
        """Raises: ValueError for what no responder would do."""
        if self.direction not in {"upload", "download"}:
            raise ValueError(f"direction: {self.direction!r} is neither upload nor download")
        if not 1 <= self.streams <= MOST_STREAMS:
            raise ValueError(f"streams: {self.streams} is not from 1 to {MOST_STREAMS}")
        if not (0 < self.seconds <= LONGEST_SECONDS and 0 <= self.omit_seconds <= LONGEST_SECONDS):
            raise ValueError("seconds: out of range")
        whole_seconds = self.omit_seconds + self.seconds
        if not self.glance_seconds > whole_seconds / MOST_GLANCES:
            raise ValueError("glance_seconds: too short")
        if not (self.window_bytes >= 0 and 0 <= self.pacing_bits_per_second <= FASTEST_PACE):
            raise ValueError("window_bytes or pacing_bits_per_second: out of range")
        if self.protocol not in {"tcp", "udp"}:
            raise ValueError(f"protocol: {self.protocol!r} is neither tcp nor udp")
        if not 0 <= self.dscp <= LARGEST_DSCP:
            raise ValueError(f"dscp: {self.dscp} is not from 0 to {LARGEST_DSCP}")
        if self.protocol == "udp":
            self._check_packets(whole_seconds)

    def _check_packets(self, whole_seconds: float) -> None:
        if not LEAST_PACKET_BYTES <= self.packet_bytes <= MOST_PACKET_BYTES:
            raise ValueError(
                f"packet_bytes: {self.packet_bytes} is not from {LEAST_PACKET_BYTES} "
                f"to {MOST_PACKET_BYTES}"
            )
        bits = self.packet_bytes * BITS_PER_BYTE
        if not 0 < self.pacing_bits_per_second * whole_seconds <= bits * MOST_FLOW_PACKETS:
            raise ValueError("pacing_bits_per_second: no rate, or too many packets")


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """What came in the measured time, counted by the receiver and its clock.

    `rates` are bits a second of its whole seconds; `ramp_seconds` None when it never was steady.
    `rtt_seconds`: as `Received`.
    """

    total_bytes: int
    window_bytes: int
    window_seconds: float
    rates: list[float]
    ramp_seconds: float | None
    rtt_seconds: float | None = None

    @property
    def bits_per_second(self) -> float:
        """The goodput; 0 when nothing came."""
        return self.window_bytes * BITS_PER_BYTE / self.window_seconds if self.window_bytes else 0.0


@dataclass(frozen=True, slots=True)
class TransferReport:
    """Both ends of a transfer; `cpu_local` and `cpu_remote` are shares of all processors.

    `flow` is there for UDP.
    """

    received: ReceivedReport
    sent: Sent
    cpu_local: float | None
    cpu_remote: float | None
    flow: FlowReport | None = None


def report_received(received: Received, omit_seconds: float, seconds: float) -> ReceivedReport:
    """The figures of what came."""
    course = received.course
    last_at = course[-1][0] if course else 0.0
    end = min(omit_seconds + seconds, last_at)
    window_bytes, window_seconds = measure_window(course, min(omit_seconds, end), end)
    steady = window_bytes * BITS_PER_BYTE / window_seconds if window_seconds else 0.0
    fine = count_steps(course, 0.0, end, FINE_STEP_SECONDS) if steady else []
    return ReceivedReport(
        total_bytes=received.bytes,
        window_bytes=window_bytes,
        window_seconds=window_seconds,
        rates=count_steps(course, omit_seconds, end, 1.0) if steady else [],
        ramp_seconds=find_ramp_seconds(fine, FINE_STEP_SECONDS, steady),
        rtt_seconds=received.rtt_seconds,
    )


def read_received(written: Mapping[str, Any]) -> ReceivedReport:
    """What `report_received` found, as JSON. Raises: KeyError, TypeError, ValueError for others."""
    ramp = written["ramp_seconds"]
    # An older agent does not tell.
    rtt = written.get("rtt_seconds")
    return ReceivedReport(
        total_bytes=int(written["total_bytes"]),
        window_bytes=int(written["window_bytes"]),
        window_seconds=read_finite(written["window_seconds"]),
        rates=[read_finite(rate) for rate in written["rates"]],
        ramp_seconds=None if ramp is None else read_finite(ramp),
        rtt_seconds=None if rtt is None else read_finite(rtt),
    )


def read_finite(written: Any) -> float:
    """The number. Raises: TypeError or ValueError for what is none, or endless."""
    number = float(written)
    if not isfinite(number):
        raise ValueError("not a finite number")
    return number


def read_glance(values: Sequence[Any]) -> Glance:
    """A glance of `write_sent`. Raises: TypeError or ValueError for anything else."""
    at_seconds, sent_bytes, rtt_seconds, *counts = values
    window, retransmits, delivery = (None if one is None else int(one) for one in counts)
    return Glance(
        at_seconds=read_finite(at_seconds),
        sent_bytes=int(sent_bytes),
        rtt_seconds=None if rtt_seconds is None else read_finite(rtt_seconds),
        window_segments=window,
        retransmits=retransmits,
        delivery_bytes_per_second=delivery,
    )


def write_sent(sent: Sent) -> dict[str, Any]:
    """As JSON."""
    return {
        "bytes": sent.bytes,
        "seconds": sent.seconds,
        "glances": [list(asdict(glance).values()) for glance in sent.glances],
        "details": [
            {"fields": dict(one.fields), "algorithm": one.algorithm} for one in sent.details
        ],
        "is_cut_short": sent.is_cut_short,
    }


def read_sent(written: Mapping[str, Any]) -> Sent:
    """What `write_sent` wrote. Raises: KeyError, TypeError or ValueError for anything else."""
    details = []
    for one in written["details"]:
        fields = {str(name): int(value) for name, value in one["fields"].items()}
        details.append(TcpDetails(fields, str(one["algorithm"])))
    return Sent(
        bytes=int(written["bytes"]),
        seconds=read_finite(written["seconds"]),
        glances=[read_glance(values) for values in written["glances"]],
        details=details,
        is_cut_short=bool(written["is_cut_short"]),
    )


def read_cpu_times() -> tuple[float, float]:
    """The host's processor time by psutil."""
    import psutil  # heavy, and only throughput tests need it here

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return sum(times[:8]) - idle, sum(times[:8])


def find_cpu_share(before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """The share of the processors in use between two readings; None between equal ones."""
    whole = after[1] - before[1]
    return min(max((after[0] - before[0]) / whole, 0.0), 1.0) if whole > 0 else None
