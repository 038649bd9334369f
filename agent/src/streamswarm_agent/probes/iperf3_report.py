"""What `iperf3 -J` prints, of versions 3.1 to 3.21. No sockets, no processes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

MILLISECONDS = 1000
MICROSECONDS = 1_000_000
MOST_TEXT = 200
ERROR_PREFIX = "error - "


class Iperf3Refused(Exception):
    """What iperf3 says instead of figures."""


@dataclass(frozen=True, slots=True)
class Iperf3Report:
    """One transfer in one direction; None is what this version, or this direction, does not tell.

    `rates` are bits a second of intervals of `step_seconds`; ratios are from 0 to 1.
    """

    version: str
    stream_count: int
    received_bits_per_second: float
    sent_bits_per_second: float | None
    rates: Sequence[float]
    step_seconds: float
    timeline: Sequence[Mapping[str, float]]
    retransmits: int | None = None
    algorithm: str = ""
    packets: Mapping[str, float | None] = field(default_factory=dict)


def read_iperf3(text: str, *, is_reverse: bool) -> Iperf3Report:
    """The figures in what iperf3 printed.

    Raises: Iperf3Refused with its own words when it failed, or when it is not understood.
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(text, max(text.find("{"), 0))
    except (ValueError, RecursionError) as error:
        raise Iperf3Refused("iperf3 printed no JSON") from error
    if not isinstance(document, dict):
        raise Iperf3Refused("iperf3 printed no JSON object")
    if document.get("error"):
        said = str(document["error"]).removeprefix(ERROR_PREFIX)
        raise Iperf3Refused(said[:MOST_TEXT])
    try:
        return _read(document, is_reverse=is_reverse)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Iperf3Refused("what iperf3 printed is not understood") from error


def _read(document: dict[str, Any], *, is_reverse: bool) -> Iperf3Report:
    start, end = document["start"], document["end"]
    wanted = [one for one in document["intervals"] if not one["sum"].get("omitted")]
    is_udp = start["test_start"]["protocol"] == "UDP"
    packets = _read_packets(end, is_reverse=is_reverse) if is_udp else {}
    received = end.get("sum_received") or end["sum"]
    rate = _read_number(received["bits_per_second"])
    if is_udp and not is_reverse and "sum_received" not in end:
        # Up to 3.9 the one sum of a sender counts what it sent.
        rate *= 1 - (packets["loss_ratio"] or 0.0)
    sent = end.get("sum_sent")
    is_retransmitting = sent is not None and "retransmits" in sent and not is_udp
    return Iperf3Report(
        version=str(start["version"]).removeprefix("iperf ")[:MOST_TEXT],
        stream_count=int(start["test_start"]["num_streams"]),
        received_bits_per_second=rate,
        sent_bits_per_second=None if sent is None else _read_number(sent["bits_per_second"]),
        rates=[_read_number(one["sum"]["bits_per_second"]) for one in wanted],
        step_seconds=_read_number(wanted[0]["sum"]["seconds"]) if wanted else 1.0,
        timeline=list_timeline(wanted),
        retransmits=int(sent["retransmits"]) if sent is not None and is_retransmitting else None,
        algorithm=str(end.get("sender_tcp_congestion", ""))[:MOST_TEXT],
        packets=packets,
    )


def _read_packets(end: dict[str, Any], *, is_reverse: bool) -> dict[str, float | None]:
    """The receiver's counts. Only a receiver's own iperf3 tells how many were out of order."""
    received = end["sum"]
    count, lost = _read_number(received["packets"]), _read_number(received["lost_packets"])
    streams = [one["udp"] for one in end["streams"]]
    disorder = sum(_read_number(one["out_of_order"]) for one in streams) if is_reverse else None
    return {
        "sent_count": count,
        "lost_count": max(lost, 0.0),
        "loss_ratio": min(max(lost / count, 0.0), 1.0) if count else None,
        "jitter_seconds": _read_number(received["jitter_ms"]) / MILLISECONDS,
        "reordered_count": disorder,
    }


def list_timeline(intervals: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The sender's round trip and retransmissions until each moment, where its kernel tells."""
    glances: list[dict[str, float]] = []
    retransmits = 0.0
    for one in intervals:
        glance = {"at_seconds": _read_number(one["sum"]["end"])}
        trips = [_read_number(stream["rtt"]) for stream in one["streams"] if stream.get("rtt")]
        if trips:
            glance["rtt_seconds"] = sum(trips) / len(trips) / MICROSECONDS
        if "retransmits" in one["sum"]:
            retransmits += _read_number(one["sum"]["retransmits"])
            glance["retransmits"] = retransmits
        glances.append(glance)
    return glances


def _read_number(written: Any) -> float:
    number = float(written)
    if not isfinite(number):
        raise ValueError("not a finite number")
    return number
