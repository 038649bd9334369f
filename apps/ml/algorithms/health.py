"""The health score: what 0 to 100 means, and why it is not 100."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LEAST_RESULTS = 5
MOST_INTERVALS_OLD = 3
# What a nought counts in a product, so that one bad input does not hide how bad the others are.
FLOOR = 0.01
AVAILABILITY_AT_NOUGHT = 0.90
BURN_AT_NOUGHT = 10.0
INCIDENTS_AT_NOUGHT = 6.0
LOSS_DECAY = 0.02
# How far the score may be above its weakest pillar.
HEADROOM = 15.0


class Band(StrEnum):
    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Pillar(StrEnum):
    AVAILABILITY = "availability"
    PERFORMANCE = "performance"
    RELIABILITY = "reliability"


class Input(StrEnum):
    SUCCESSES = "successes"
    LATENCY = "latency"
    JITTER = "jitter"
    LOSS = "loss"
    THROUGHPUT = "throughput"
    BURN_RATE = "burn_rate"
    INCIDENTS = "incidents"


PILLAR_WEIGHTS: Mapping[Pillar, float] = {
    Pillar.AVAILABILITY: 0.35,
    Pillar.PERFORMANCE: 0.45,
    Pillar.RELIABILITY: 0.20,
}
INPUT_WEIGHTS: Mapping[Input, float] = {
    Input.LATENCY: 0.30,
    Input.JITTER: 0.15,
    Input.LOSS: 0.40,
    Input.THROUGHPUT: 0.15,
}


@dataclass(frozen=True, slots=True)
class HealthProfile:
    """What is asked of a path: the goal of availability, and where delay is good and useless."""

    availability_goal_ratio: float = 0.995
    latency_good_seconds: float = 0.050
    latency_bad_seconds: float = 0.400
    jitter_good_seconds: float = 0.005
    jitter_bad_seconds: float = 0.100

    def __post_init__(self) -> None:
        if not AVAILABILITY_AT_NOUGHT < self.availability_goal_ratio <= 1:
            raise ValueError(f"the goal lies above {AVAILABILITY_AT_NOUGHT:g} and at most at 1")
        if not 0 < self.latency_good_seconds < self.latency_bad_seconds:
            raise ValueError("good latency lies above 0 and below bad latency")
        if not 0 < self.jitter_good_seconds < self.jitter_bad_seconds:
            raise ValueError("good jitter lies above 0 and below bad jitter")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stretch of results (the last hour, mostly) says; None was not measured.

    `throughput_share` is what was measured over what was expected; `burn_rate` of six hours is
    how many times faster than allowed the goal's failures are used up; incidents are of a day.
    """

    result_count: int
    success_count: int
    newest_age_seconds: float
    interval_seconds: float
    latency_p95_seconds: float | None = None
    jitter_seconds: float | None = None
    loss_ratio: float | None = None
    throughput_share: float | None = None
    burn_rate: float = 0.0
    incident_count: int = 0


@dataclass(frozen=True, slots=True)
class Deduction:
    """So many points of the score are lost by one input; `value` is in the input's own unit."""

    pillar: Pillar
    input: Input
    value: float
    points: float


@dataclass(frozen=True, slots=True)
class Health:
    """The score with its pillars (0 to 100 each); all None when nothing can be said.

    The deductions, largest first, add up to 100 less the unrounded score. `reason` says why it is
    unknown: `few_results` or `old_results`.
    """

    score: int | None
    band: Band
    pillars: Mapping[Pillar, float]
    deductions: tuple[Deduction, ...]
    is_partial: bool = False
    reason: str = ""


def rate_logarithmically(value: float, good: float, bad: float) -> float:
    """1 up to `good`, 0 from `bad` on, evenly between them on a logarithmic scale."""
    if value <= good:
        return 1.0
    return max(0.0, math.log(bad / value) / math.log(bad / good))


def score_health(measured: Measured, profile: HealthProfile) -> Health:
    """How well a test fares from a client: availability, performance and reliability in one.

    Performance is a weighted geometric mean, so what was not measured is left out and the others
    weigh more: it counts at most as if it had been perfect. Without any input of performance the
    other pillars stand for the whole. The score is at most 15 above its weakest pillar. Unknown
    below five results, or when the newest is older than three intervals.
    """
    reason = find_reason_unknown(measured)
    if reason:
        return Health(None, Band.UNKNOWN, {}, (), reason=reason)
    rates = {
        Pillar.AVAILABILITY: {Input.SUCCESSES: rate_availability(measured, profile)},
        Pillar.PERFORMANCE: rate_performance(measured, profile),
        Pillar.RELIABILITY: rate_reliability(measured),
    }
    logs = {pillar: weigh_logarithms(pillar, inputs) for pillar, inputs in rates.items() if inputs}
    pillars = {pillar: rate_pillar(pillar, rates[pillar], logs[pillar]) for pillar in logs}
    weights = weigh_pillars(pillars)
    weighted = sum(weights[pillar] * value for pillar, value in pillars.items())
    exact = min(weighted, min(pillars.values()) + HEADROOM)
    score = round(exact)
    return Health(
        score=score,
        band=find_band(score),
        pillars=pillars,
        deductions=share_losses(measured, pillars, logs, capped=weighted - exact),
        is_partial=len(rates[Pillar.PERFORMANCE]) < len(INPUT_WEIGHTS),
    )


def find_reason_unknown(measured: Measured) -> str:
    if measured.result_count < LEAST_RESULTS:
        return "few_results"
    if measured.newest_age_seconds > MOST_INTERVALS_OLD * measured.interval_seconds:
        return "old_results"
    return ""


def find_band(score: float | None) -> Band:
    """Healthy from 80, warning from 60, critical below."""
    if score is None:
        return Band.UNKNOWN
    if score >= 80:  # noqa: PLR2004  # the bands are defined here
        return Band.HEALTHY
    return Band.WARNING if score >= 60 else Band.CRITICAL  # noqa: PLR2004  # as above


def rate_availability(measured: Measured, profile: HealthProfile) -> float:
    ratio = measured.success_count / measured.result_count
    span = profile.availability_goal_ratio - AVAILABILITY_AT_NOUGHT
    return clip((ratio - AVAILABILITY_AT_NOUGHT) / span)


def rate_performance(measured: Measured, profile: HealthProfile) -> dict[Input, float]:
    rates = {}
    if measured.latency_p95_seconds is not None:
        rates[Input.LATENCY] = rate_logarithmically(
            measured.latency_p95_seconds, profile.latency_good_seconds, profile.latency_bad_seconds
        )
    if measured.jitter_seconds is not None:
        rates[Input.JITTER] = rate_logarithmically(
            measured.jitter_seconds, profile.jitter_good_seconds, profile.jitter_bad_seconds
        )
    if measured.loss_ratio is not None:
        rates[Input.LOSS] = math.exp(-measured.loss_ratio / LOSS_DECAY)
    if measured.throughput_share is not None:
        rates[Input.THROUGHPUT] = clip(measured.throughput_share)
    return rates


def rate_reliability(measured: Measured) -> dict[Input, float]:
    return {
        Input.BURN_RATE: clip(1 - measured.burn_rate / BURN_AT_NOUGHT),
        Input.INCIDENTS: clip(1 - measured.incident_count / INCIDENTS_AT_NOUGHT),
    }


def rate_pillar(pillar: Pillar, rates: Mapping[Input, float], logs: Mapping[Input, float]) -> float:
    """0 to 100; performance has a floor for each input, the others reach nought."""
    if pillar is Pillar.PERFORMANCE:
        return 100 * math.exp(sum(logs.values()))
    return 100 * math.prod(rates.values())


def weigh_pillars(pillars: Iterable[Pillar]) -> dict[Pillar, float]:
    """The weights of those that are known; they add up to 1."""
    known = {pillar: PILLAR_WEIGHTS[pillar] for pillar in pillars}
    return {pillar: weight / sum(known.values()) for pillar, weight in known.items()}


def weigh_logarithms(pillar: Pillar, rates: Mapping[Input, float]) -> dict[Input, float]:
    """The part of each input in the logarithm of a pillar: zero or negative."""
    weights = {one: INPUT_WEIGHTS.get(one, 1.0) for one in rates}
    total = sum(weights.values()) if pillar is Pillar.PERFORMANCE else 1.0
    return {one: weights[one] / total * math.log(max(rate, FLOOR)) for one, rate in rates.items()}


def share_losses(
    measured: Measured,
    pillars: Mapping[Pillar, float],
    logs: Mapping[Pillar, Mapping[Input, float]],
    *,
    capped: float,
) -> tuple[Deduction, ...]:
    """The points that each input costs, largest first.

    What a pillar loses is shared by the logarithms of its inputs; what the weakest pillar takes
    off beyond its weight is that pillar's loss as well.
    """
    weakest = min(pillars, key=lambda pillar: pillars[pillar])
    values = list_values(measured)
    weights = weigh_pillars(pillars)
    deductions = []
    for pillar, value in pillars.items():
        lost = weights[pillar] * (100 - value) + (capped if pillar is weakest else 0.0)
        total = sum(logs[pillar].values())
        deductions += [
            Deduction(pillar, one, values[one], lost * part / total)
            for one, part in logs[pillar].items()
            if part < 0 and lost > 0
        ]
    return tuple(sorted(deductions, key=lambda one: -one.points))


def list_values(measured: Measured) -> dict[Input, float]:
    return {
        Input.SUCCESSES: measured.success_count / measured.result_count,
        Input.LATENCY: measured.latency_p95_seconds or 0.0,
        Input.JITTER: measured.jitter_seconds or 0.0,
        Input.LOSS: measured.loss_ratio or 0.0,
        Input.THROUGHPUT: measured.throughput_share or 0.0,
        Input.BURN_RATE: measured.burn_rate,
        Input.INCIDENTS: float(measured.incident_count),
    }


def clip(value: float) -> float:
    return min(1.0, max(0.0, value))


@dataclass(frozen=True, slots=True)
class Combined:
    """The score of many: None when none of them is known. `points` is what each known one costs."""

    score: int | None
    band: Band
    points: tuple[float, ...]
    unknown_count: int


def combine_scores(scores: Sequence[float | None]) -> Combined:
    """The health of a client out of its tests', of a site out of its clients', of all.

    Half the mean of all, half the mean of the worst quarter: one that is down among four costs
    more than the fourth part, and one among a hundred is neither hidden nor everything. The
    points, in the order of the known scores, add up to 100 less the unrounded score.
    """
    known = [score for score in scores if score is not None]
    unknown_count = len(scores) - len(known)
    if not known:
        return Combined(None, Band.UNKNOWN, (), unknown_count)
    worst_count = math.ceil(len(known) / 4)
    worst = set(sorted(range(len(known)), key=lambda place: known[place])[:worst_count])
    points = tuple(
        (100 - score) * (0.5 / len(known) + (0.5 / worst_count if place in worst else 0.0))
        for place, score in enumerate(known)
    )
    score = round(100 - sum(points))
    return Combined(score, find_band(score), points, unknown_count)
