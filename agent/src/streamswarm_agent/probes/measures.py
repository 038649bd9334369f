"""From single measurements to the metric keys of the wire."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from streamswarm_agent.probes.base import Sample
from streamswarm_agent.probes.ordering import Arrival, measure_disorder
from streamswarm_agent.probes.statistics import (
    absolute_variations,
    burst_ratio,
    interarrival_jitter,
    loss_distances,
    loss_pattern,
    mean,
    percentile,
    standard_deviation,
)
from streamswarm_agent.probes.voice import rate_call, score_opinion

AbsentCode = Literal["U", "P", "T", "N", "I"]
Measure = float | AbsentCode
"""A number, or the reason code of why there is none."""

P95_NEEDS = 20
P99_NEEDS = 100
MAX_FAILURE_LENGTH = 200
PAIR_NEEDS = 2


def sample_of(measures: Mapping[str, Measure], keys: Collection[str] | None = None) -> Sample:
    """The measures as a sample, numbers and reason codes apart; only `keys`, if given."""
    wanted = {key: measures[key] for key in measures if keys is None or key in keys}
    return Sample(
        values={key: float(value) for key, value in wanted.items() if not isinstance(value, str)},
        absent={key: value for key, value in wanted.items() if isinstance(value, str)},
    )


def measure_round_trips(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    """`net.rtt.*` in seconds of a series in sending order, None being a probe without answer."""
    answered = [seconds for seconds in round_trips if seconds is not None]
    if not answered:
        names = ("min", "mean", "median", "p95", "p99", "max", "stddev")
        return dict.fromkeys((f"net.rtt.{name}" for name in names), "T")
    return {
        "net.rtt.min": min(answered),
        "net.rtt.mean": mean(answered),
        "net.rtt.median": percentile(answered, 0.5),
        "net.rtt.p95": high_percentile(answered, 0.95, P95_NEEDS),
        "net.rtt.p99": high_percentile(answered, 0.99, P99_NEEDS),
        "net.rtt.max": max(answered),
        "net.rtt.stddev": standard_deviation(answered) if len(answered) >= PAIR_NEEDS else "I",
    }


def measure_variation(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    """Jitter and delay variation in seconds of a series in sending order, None being a loss."""
    answered = [seconds for seconds in round_trips if seconds is not None]
    pairs = absolute_variations(round_trips)
    measures: dict[str, Measure] = {
        "net.jitter.rfc3550": interarrival_jitter(answered) if len(answered) > 1 else "I",
        "net.ipdv.mean_abs": mean(pairs) if pairs else "I",
        "net.ipdv.p95": high_percentile(pairs, 0.95, P95_NEEDS),
        "net.pdv.p99": _above(answered, 0.99, 0.0, P99_NEEDS),
        "net.jitter.p95_p50": _above(answered, 0.95, 0.5, P95_NEEDS),
    }
    return measures if answered else dict.fromkeys(measures, "T")


def measure_loss(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    """Counts, loss and availability of a series in sending order, None being a loss."""
    sent_count = len(round_trips)
    pattern = loss_pattern(round_trips)
    received_count = sent_count - pattern.lost_count
    return {
        "net.packet.sent": sent_count,
        "net.packet.received": received_count,
        "net.packet.loss.ratio": ratio(pattern.lost_count, sent_count),
        "net.packet.loss.burst.max": pattern.longest_burst if sent_count else "I",
        "net.packet.loss.period.count": pattern.period_count if sent_count else "I",
        "net.packet.loss.distance.mean": mean_or(loss_distances(round_trips), "I"),
        "net.availability.ratio": ratio(received_count, sent_count),
    }


def measure_voice(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    """`net.voip.*` of a call over a path with these round trips, half of which is one way."""
    answered = [seconds for seconds in round_trips if seconds is not None]
    if len(answered) < PAIR_NEEDS:
        return dict.fromkeys(("net.voip.r_factor", "net.voip.mos"), "I" if answered else "T")
    rating = rate_call(
        one_way_seconds=percentile(answered, 0.5) / 2,
        jitter_seconds=interarrival_jitter(answered),
        loss_ratio=1 - len(answered) / len(round_trips),
        burst_ratio=burst_ratio(round_trips),
    )
    return {"net.voip.r_factor": rating, "net.voip.mos": score_opinion(rating)}


def measure_disorder_of(arrivals: Sequence[Arrival]) -> dict[str, Measure]:
    """`net.packet.reorder.*` of packets in the order of their arrival (RFC 4737)."""
    names = ("ratio", "extent.max", "late_time.max", "n3.ratio")
    keys = [f"net.packet.reorder.{name}" for name in names]
    if not arrivals:
        return dict.fromkeys(keys, "T")
    disorder = measure_disorder(arrivals)
    figures = (
        disorder.reordered_count / disorder.arrived_count,
        disorder.greatest_extent,
        disorder.greatest_late_seconds,
        disorder.overtaken_by_three_count / disorder.arrived_count,
    )
    return dict(zip(keys, figures, strict=True))


def measure_send_schedule(errors_seconds: Sequence[float]) -> dict[str, Measure]:
    """How late probes left, in seconds against the plan."""
    return {"agent.send_schedule.error.p99": high_percentile(errors_seconds, 0.99, P99_NEEDS)}


def describe_failures(failures: Counter[str]) -> str:
    """The three most frequent failures with their counts, as a result's reason has them."""
    return "; ".join(f"{text} ({count})" for text, count in failures.most_common(3))


def failure_text(error: Exception) -> str:
    """What went wrong in at most 200 characters, whatever a peer made a library say."""
    return (str(error) or type(error).__name__)[:MAX_FAILURE_LENGTH]


def ratio(part: float, whole: float) -> Measure:
    """`part / whole`, or I when the whole is nothing."""
    return part / whole if whole else "I"


def mean_or(values: Sequence[float], code: AbsentCode) -> Measure:
    """The mean, or the code when there are no values."""
    return mean(values) if values else code


def high_percentile(values: Sequence[float], share: float, needed_count: int) -> Measure:
    """The percentile, or I for fewer values than make it more than the maximum renamed."""
    return percentile(values, share) if len(values) >= needed_count else "I"


def _above(values: Sequence[float], upper: float, lower: float, needed_count: int) -> Measure:
    if len(values) < needed_count:
        return "I"
    return percentile(values, upper) - percentile(values, lower)
