"""From what a UDP transfer came to, to the metric keys of the wire."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from streamswarm_agent.probes.flow_count import FlowReport
from streamswarm_agent.probes.measures import Measure, ratio
from streamswarm_agent.probes.stream_curve import BITS_PER_BYTE
from streamswarm_agent.probes.stream_report import TransferReport
from streamswarm_agent.wire.keys import format_key

FIGURES = ("receive", "loss.ratio", "jitter", "reorder.ratio")
LOSSY_SHARE = 0.001


def name_flow_key(name: str, direction: str) -> str:
    """The key of a figure of UDP in that direction."""
    way = "forward" if direction == "upload" else "reverse"
    return format_key(f"net.throughput.udp.{name}", {"direction": way})


def measure_flow(direction: str, report: TransferReport | None) -> dict[str, Measure]:
    """`net.throughput.udp.*` of a direction; N when it was not measured."""
    flow = report.flow if report is not None else None
    if report is None or flow is None:
        return {name_flow_key(name, direction): "N" for name in FIGURES}
    jitter = flow.jitter_seconds
    figures: Sequence[Measure] = (
        report.received.bits_per_second,
        flow.lost_count / flow.sent_count if flow.sent_count else "T",
        "I" if jitter is None else jitter,
        ratio(flow.reordered_count, flow.received_count),
    )
    named = zip(FIGURES, figures, strict=True)
    return {name_flow_key(name, direction): figure for name, figure in named}


def describe_flow(report: TransferReport, flow: FlowReport) -> dict[str, Any]:
    """The counts of a direction's packets, as the result's document has them."""
    sent = report.sent
    offered = sent.bytes * BITS_PER_BYTE / sent.seconds if sent.seconds and sent.bytes else None
    return asdict(flow) | {"offered_bits_per_second": offered}


def attribute_flow(flow: FlowReport, *, has_queued: bool, is_busy: bool) -> str:
    """What held the packets back: nothing but the wanted rate, unless something took of them."""
    is_lossy = flow.lost_count > LOSSY_SHARE * flow.sent_count
    signs = (
        ("processor", is_lossy and 2 * flow.dropped_count > flow.lost_count),
        ("path_drops", is_lossy),
        ("path_queue", has_queued),
        ("processor", is_busy),
    )
    return next((word for word, is_so in signs if is_so), "rate")
