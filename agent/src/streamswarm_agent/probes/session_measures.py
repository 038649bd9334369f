"""From what a UDP session's packets came to, to the metric keys of the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.probes.measures import (
    P95_NEEDS,
    P99_NEEDS,
    AbsentCode,
    Measure,
    high_percentile,
    mean_or,
    measure_disorder_of,
    measure_loss,
    measure_round_trips,
    measure_variation,
    measure_voice,
    ratio,
)
from streamswarm_agent.probes.ordering import Arrival
from streamswarm_agent.probes.peer_clock import (
    Exchange,
    bound_error,
    estimate_offset,
    estimate_skew_ppm,
)
from streamswarm_agent.probes.session_link import Reply, Traffic
from streamswarm_agent.probes.session_packet import REPORTED_PACKETS, Report, decode_error
from streamswarm_agent.probes.statistics import absolute_variations, loss_pattern, percentile

OWD_KEYS = tuple(
    f"net.owd.{way}.{figure}" for way in ("forward", "reverse") for figure in ("median", "p95")
)
ONE_WAY_LOSS_KEYS = ("net.packet.loss.forward.ratio", "net.packet.loss.reverse.ratio")


@dataclass(frozen=True, slots=True)
class Directions:
    """Of each packet sent, whether it reached the peer, and whether an answer came, late or not."""

    reached: Sequence[bool]
    answered: Sequence[bool]

    @property
    def forward_losses(self) -> list[float | None]:
        """The series of the way there, None being a loss."""
        return [0.0 if has_reached else None for has_reached in self.reached]

    @property
    def reverse_losses(self) -> list[float | None]:
        """The series of the way back, of the packets that reached the peer."""
        pairs = zip(self.reached, self.answered, strict=True)
        return [0.0 if is_answered else None for has_reached, is_answered in pairs if has_reached]


def split_directions(traffic: Traffic, reports: Sequence[Report]) -> Directions | None:
    """Where packets were lost, by the peer's word; None when it gave none.

    What was answered has arrived, also when it came after the report.
    """
    if not reports:
        return None
    answered = [False] * traffic.sent_count
    for reply in traffic.replies:
        answered[reply.said.sequence] = True
    reached = [
        is_answered or reports[sequence // REPORTED_PACKETS].has(sequence)
        for sequence, is_answered in enumerate(answered)
    ]
    return Directions(reached, answered)


def measure_series(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    """What samples and outcomes have of a series in sending order, None being a loss."""
    round_trip = measure_round_trips(round_trips)
    return (
        round_trip
        | {"net.rtt.udp": round_trip["net.rtt.median"]}
        | measure_loss(round_trips)
        | measure_variation(round_trips)
        | measure_voice(round_trips)
    )


def measure_odd_replies(traffic: Traffic, reports: Sequence[Report]) -> dict[str, Measure]:
    """Answers that came late, damaged or twice, and in another order than they were asked for.

    Copies made on the way there are those that the peer reports, for it answers none of them.
    """
    reply_count = len(traffic.replies) + traffic.duplicate_count + traffic.corrupt_count
    copies_there = reports[-1].duplicate_count if reports else 0
    copy_count = traffic.duplicate_count + copies_there
    arrivals = [
        Arrival(reply.said.sequence, reply.exchange.arrived_ns / 1e9) for reply in traffic.replies
    ]
    return {
        "net.packet.late.ratio": ratio(traffic.late_count, traffic.sent_count),
        "net.packet.corrupt.ratio": ratio(traffic.corrupt_count, reply_count),
        "net.packet.duplicate.ratio": ratio(copy_count, reply_count + copies_there),
    } | measure_disorder_of(arrivals)


def measure_directions(directions: Directions | None, *, is_answered: bool) -> dict[str, Measure]:
    """Loss by direction; without the peer's word N, or T when nothing came from it at all."""
    if directions is None:
        code: AbsentCode = "N" if is_answered else "T"
        return dict.fromkeys(ONE_WAY_LOSS_KEYS, code)
    forward, reverse = (
        ratio(loss_pattern(series).lost_count, len(series))
        for series in (directions.forward_losses, directions.reverse_losses)
    )
    return dict(zip(ONE_WAY_LOSS_KEYS, (forward, reverse), strict=True))


def measure_one_way(
    replies: Sequence[Reply], sent_count: int, own_error: float | None
) -> dict[str, Measure]:
    """Delays of each direction with the bound of their error, and the peer's clock.

    A delay is N unless both clocks are synchronised and its bound is smaller than it: half a truth
    is not shown. The variation of delays needs no such clocks.
    """
    if not replies:
        keys = (
            *OWD_KEYS, "net.owd.asymmetry", "net.owd.error_estimate", "net.clock.peer_offset",
            "net.clock.peer_skew", "net.ipdv.forward.mean_abs", "net.ipdv.reverse.mean_abs",
        )  # fmt: skip
        return dict.fromkeys(keys, "T")
    exchanges = [reply.exchange for reply in replies]
    skew = estimate_skew_ppm(exchanges)
    bound = bound_error(exchanges, own_error, decode_error(replies[-1].said.error_estimate))
    fastest = min(one.round_trip_seconds for one in exchanges)
    return (
        measure_delays(exchanges, bound)
        | _measure_one_way_variation(replies, sent_count)
        | {
            "net.owd.error_estimate": fastest / 2 if bound is None else bound,
            "net.clock.peer_offset": estimate_offset(exchanges),
            "net.clock.peer_skew": "I" if skew is None else skew,
        }
    )


def measure_delays(exchanges: Sequence[Exchange], bound: float | None) -> dict[str, Measure]:
    """`net.owd.*` in seconds; `bound` is None when the clocks cannot be believed."""
    forward = [one.forward_seconds for one in exchanges]
    reverse = [one.reverse_seconds for one in exchanges]
    medians = percentile(forward, 0.5), percentile(reverse, 0.5)
    if bound is None or min(medians) < bound:
        return dict.fromkeys((*OWD_KEYS, "net.owd.asymmetry"), "N")
    return {
        "net.owd.forward.median": medians[0],
        "net.owd.forward.p95": high_percentile(forward, 0.95, P95_NEEDS),
        "net.owd.reverse.median": medians[1],
        "net.owd.reverse.p95": high_percentile(reverse, 0.95, P95_NEEDS),
        "net.owd.asymmetry": medians[0] - medians[1],
    }


def _measure_one_way_variation(replies: Sequence[Reply], sent_count: int) -> dict[str, Measure]:
    forward: list[float | None] = [None] * sent_count
    reverse: list[float | None] = [None] * sent_count
    for reply in replies:
        forward[reply.said.sequence] = reply.exchange.forward_seconds
        reverse[reply.said.sequence] = reply.exchange.reverse_seconds
    return {
        "net.ipdv.forward.mean_abs": mean_or(absolute_variations(forward), "I"),
        "net.ipdv.reverse.mean_abs": mean_or(absolute_variations(reverse), "I"),
    }


def measure_notice(replies: Sequence[Reply]) -> dict[str, Measure]:
    """How much later than the kernel the program notices answers: the load of this host."""
    delays = [reply.notice_seconds for reply in replies if reply.notice_seconds is not None]
    p99: Measure = high_percentile(delays, 0.99, P99_NEEDS)
    if replies and not delays:
        p99 = "U"
    return {"agent.timestamp.user_kernel_delta.p99": p99}


def describe_directions(
    traffic: Traffic, directions: Directions | None, reports: Sequence[Report]
) -> Mapping[str, Any]:
    """The counts of each direction, as the result's document has them; null is not known."""
    replies = traffic.replies
    counted_back = [Arrival(reply.said.reflector_sequence, 0.0) for reply in replies]
    reverse_disorder = measure_disorder_of(counted_back)["net.packet.reorder.ratio"]
    back_reordered = 0 if isinstance(reverse_disorder, str) else reverse_disorder * len(replies)
    last = reports[-1] if reports else None
    forward: dict[str, Any] = {"sent": traffic.sent_count}
    reverse: dict[str, Any] = {
        "received": len(replies) + traffic.duplicate_count,
        "duplicates": traffic.duplicate_count,
        "reordered": round(back_reordered),
    }
    if directions is not None and last is not None:
        there, back = directions.forward_losses, directions.reverse_losses
        forward |= {
            "received": sum(directions.reached),
            "lost": loss_pattern(there).lost_count,
            "longest_burst": loss_pattern(there).longest_burst,
            "duplicates": last.duplicate_count,
            "reordered": last.reordered_count,
        }
        reverse |= {
            "sent": sum(directions.reached),
            "lost": loss_pattern(back).lost_count,
            "longest_burst": loss_pattern(back).longest_burst,
        }
    classes = sorted({reply.said.traffic_class for reply in replies})
    hops = sorted({reply.said.time_to_live for reply in replies})
    forward |= {"traffic_classes": classes, "times_to_live": hops}
    return {"forward": forward, "reverse": reverse}
