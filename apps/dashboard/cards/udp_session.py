"""Both directions of a UDP session side by side, the quality of calls and the peer's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import read_number, read_object, read_text
from apps.tests.models import Result, Run

Label = str | Promise
HISTOGRAM = "net.rtt.histogram"
BAR_UNITS = 1000
LEAST_BUCKETS_SHOWN = 10
MOST_BUCKETS = 200
# The lowest R of each class, its name in ITU-T G.109, and its tone.
CALL_CLASSES: tuple[tuple[float, Label, str], ...] = (
    (90, _("best"), "good"),
    (80, _("high"), "good"),
    (70, _("medium"), "warning"),
    (60, _("low"), "warning"),
    (50, _("poor"), "bad"),
    (0, _("not to be recommended"), "bad"),
)
TONE_ICONS = {"good": "circle-check", "warning": "alert-triangle", "bad": "circle-x"}


@dataclass(frozen=True, slots=True)
class DirectionRow:
    """What one direction did to packets; delays in seconds; None where nothing is known."""

    label: Label
    sent: float | None
    received: float | None
    lost: float | None
    loss_ratio: float | None
    longest_burst: float | None
    duplicates: float | None
    reordered: float | None
    delay_median: float | None
    delay_p95: float | None
    variation: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """How a call would sound: G.107's rating and score, and the word of G.109 for it."""

    rating: float
    score: float
    word: Label
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of the histogram: its place, width and height in `BAR_UNITS`."""

    x: int
    width: int
    height: int
    low: float
    bound: float | None
    count: int

    @property
    def y(self) -> int:
        return BAR_UNITS - self.height


@dataclass(frozen=True, slots=True)
class SessionView:
    """What the card shows; times in seconds, the skew in ppm."""

    directions: tuple[DirectionRow, DirectionRow]
    call: Call | None
    offset: float | None
    offset_bound: float | None
    skew: float | None
    are_delays_shown: bool
    delay_error: float | None
    asymmetry: float | None
    jitter: float | None
    rtt_min: float | None
    rtt_median: float | None
    rtt_p95: float | None
    buckets: tuple[Bucket, ...]
    ticks: tuple[float, ...]
    stamps: str
    bar_units: int = BAR_UNITS


def build_session_card(_run: Run, result: Result) -> Card | None:
    values, document = result.values, result.document
    if not document.get("directions"):
        return None

    def value(key: str) -> float | None:
        return read_number(values.get(key))

    rtt_min = value("net.rtt.min")
    buckets = list_buckets(document.get(HISTOGRAM))
    delay = value("net.owd.forward.median")
    view = SessionView(
        directions=describe_directions(values, document),
        call=rate_call(value("net.voip.r_factor"), value("net.voip.mos")),
        offset=value("net.clock.peer_offset"),
        offset_bound=None if rtt_min is None else rtt_min / 2,
        skew=value("net.clock.peer_skew"),
        are_delays_shown=delay is not None,
        delay_error=value("net.owd.error_estimate"),
        asymmetry=value("net.owd.asymmetry"),
        jitter=value("net.jitter.rfc3550"),
        rtt_min=rtt_min,
        rtt_median=value("net.rtt.median"),
        rtt_p95=value("net.rtt.p95"),
        buckets=buckets,
        ticks=list_ticks(buckets),
        stamps=read_text(result.facts.get("agent.timestamp.source")),
    )
    return Card("dashboard/cards/udp_session.html", view)


def describe_directions(
    values: Mapping[str, Any], document: Mapping[str, Any]
) -> tuple[DirectionRow, DirectionRow]:
    told = read_object(document.get("directions"))
    forward, reverse = read_object(told.get("forward")), read_object(told.get("reverse"))
    # Agents that do not say what went back sent an answer for each copy too.
    copies = read_number(forward.get("duplicates"))
    received = read_number(forward.get("received"))
    returned = None if copies is None or received is None else received + copies
    return (
        describe_direction(_("to the peer"), "forward", values, forward),
        describe_direction(_("and back"), "reverse", values, {"sent": returned, **reverse}),
    )


def describe_direction(
    label: Label, way: str, values: Mapping[str, Any], counts: Mapping[str, Any]
) -> DirectionRow:
    def value(key: str) -> float | None:
        return read_number(values.get(key))

    return DirectionRow(
        label=label,
        sent=read_number(counts.get("sent")),
        received=read_number(counts.get("received")),
        lost=read_number(counts.get("lost")),
        loss_ratio=value(f"net.packet.loss.{way}.ratio"),
        longest_burst=read_number(counts.get("longest_burst")),
        duplicates=read_number(counts.get("duplicates")),
        reordered=read_number(counts.get("reordered")),
        delay_median=value(f"net.owd.{way}.median"),
        delay_p95=value(f"net.owd.{way}.p95"),
        variation=value(f"net.ipdv.{way}.mean_abs"),
    )


def rate_call(rating: float | None, score: float | None) -> Call | None:
    if rating is None or score is None:
        return None
    word, tone = next(
        ((word, tone) for lowest, word, tone in CALL_CLASSES if rating >= lowest),
        CALL_CLASSES[-1][1:],
    )
    return Call(rating, score, word, tone, TONE_ICONS[tone])


def list_buckets(histogram: Any) -> tuple[Bucket, ...]:
    """The bars from the first bucket that holds something to the last; none for nonsense.

    Empty ones beside them make few bars stand on an axis that shows how narrow they are.
    """
    parts = read_object(histogram)
    told, counts = parts.get("bounds"), parts.get("counts")
    if not isinstance(told, list) or not isinstance(counts, list):
        return ()
    bounds = [read_number(bound) or 0.0 for bound in told[:MOST_BUCKETS]]
    numbers = [max(int(read_number(count) or 0), 0) for count in counts[:MOST_BUCKETS]]
    filled = [place for place, number in enumerate(numbers) if number]
    if not filled or len(counts) != len(told) + 1:
        return ()
    count = filled[-1] + 1 - filled[0]
    # An even number has a bound in its middle.
    missing = max(LEAST_BUCKETS_SHOWN, count + count % 2) - count
    first = max(filled[0] - (missing + 1) // 2, 0)
    shown = range(first, min(filled[-1] + 1 + missing // 2, len(numbers)))
    width, largest = BAR_UNITS // len(shown), max(numbers)
    return tuple(
        Bucket(
            x=place * width,
            width=max(width - 4, 1),
            height=max(round(BAR_UNITS * numbers[at] / largest), 8 if numbers[at] else 0),
            low=bounds[at - 1] if at else 0.0,
            bound=bounds[at] if at < len(bounds) else None,
            count=numbers[at],
        )
        for place, at in enumerate(shown)
    )


def list_ticks(buckets: Sequence[Bucket]) -> tuple[float, ...]:
    """Where the axis begins, the bound in its middle, and where its last bounded bar ends."""
    if not buckets:
        return ()
    ends = [bucket.bound for bucket in buckets if bucket.bound is not None]
    middle = buckets[len(buckets) // 2].low
    return (buckets[0].low, middle, *ends[-1:])
