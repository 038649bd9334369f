"""What the ends of a UDP transfer tell each other, read back with care."""

from collections.abc import Mapping
from typing import Any

from streamswarm_agent.probes.flow_count import FlowReport, FlowSent
from streamswarm_agent.probes.flow_packet import MOST_FLOW_PACKETS
from streamswarm_agent.probes.stream_report import read_finite


def read_flow_sent(written: Mapping[str, Any]) -> FlowSent:
    """What a sender says that it sent. Raises: KeyError, TypeError or ValueError for others."""
    count, first, end = (_read_count(written[name]) for name in ("count", "first", "end"))
    if not first <= end <= count:
        raise ValueError("the packets of the measured time are not among those sent")
    return FlowSent(
        count=count,
        first=first,
        end=end,
        bytes=int(written["bytes"]),
        seconds=read_finite(written["seconds"]),
        is_cut_short=bool(written["is_cut_short"]),
    )


def read_flow_report(written: Mapping[str, Any]) -> FlowReport:
    """What a receiver counted. Raises: KeyError, TypeError or ValueError for anything else."""
    jitter = written["jitter_seconds"]
    report = FlowReport(
        sent_count=_read_count(written["sent_count"]),
        lost_count=_read_count(written["lost_count"]),
        received_count=_read_count(written["received_count"]),
        duplicate_count=int(written["duplicate_count"]),
        reordered_count=_read_count(written["reordered_count"]),
        jitter_seconds=None if jitter is None else read_finite(jitter),
        dropped_count=int(written["dropped_count"]),
    )
    is_possible = (
        report.lost_count <= report.sent_count
        and report.reordered_count <= report.received_count
        and min(report.duplicate_count, report.dropped_count) >= 0
    )
    if not is_possible:
        raise ValueError("counts that cannot be")
    return report


def _read_count(written: Any) -> int:
    count = int(written)
    if not 0 <= count <= MOST_FLOW_PACKETS:
        raise ValueError("a count out of range")
    return count
