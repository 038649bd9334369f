"""What a path does to traffic classes and ECN, and whether it polices or shapes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.formats import Style, format_quantity
from apps.dashboard.selectors.documents import (
    Missing,
    list_counts,
    list_objects,
    read_missing,
    read_number,
    read_text,
    read_whole,
)
from apps.tests.models import Result, Run

Label = str | Promise
BAR_UNITS = 1000
LEAST_WIDTH = 4
# A preferred class that is ahead by less may be so by chance.
GAIN_SHARE = 0.1
MOST_CLASSES = 20
LARGEST_DSCP, LARGEST_TRAFFIC_CLASS, LARGEST_PRIORITY = 63, 255, 7
MOST_MISSING = 4
NOT_CAPABLE, CONGESTED = 0, 3
CODEPOINTS = {1: "ECT(1)", 2: "ECT(0)"}
NAMED: Mapping[int, Label] = {0: _("best effort"), 1: "LE", 44: "VA", 46: "EF"}
ASSURED = range(10, 39)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mark on one way: icon, tone and word, and a number or name behind it."""

    icon: str
    tone: str
    word: Label
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class; the bars are shares in `BAR_UNITS` of the largest delay, and of all packets.

    `priority` is in the VLAN tag of what came back; None of what came without.
    """

    name: Label
    dscp: int
    sent: float | None
    loss_ratio: float | None
    loss_width: int
    delay: float | None
    delay_width: int
    there: Fate
    back: Fate
    priority: int | None


@dataclass(frozen=True, slots=True)
class EcnRow:
    codepoint: str
    there: Fate
    back: Fate


@dataclass(frozen=True, slots=True)
class SweepView:
    """What the path did to much at once; rates in bits a second, the delay in seconds."""

    tone: str
    icon: str
    sentence: str
    offered: float | None
    arrived: float | None
    loss_ratio: float | None
    added: float | None


@dataclass(frozen=True, slots=True)
class QosView:
    """`gain` is in seconds: how much sooner the preferred class arrives; None if it does not."""

    rows: tuple[ClassRow, ...]
    ecn: tuple[EcnRow, ...]
    is_ecn_agreed: bool | None
    gain: float | None
    is_compared: bool
    sweep: SweepView | None
    missing: tuple[Missing, ...] = ()
    bar_units: int = BAR_UNITS


NOTHING = Fate("circle-dashed", "idle", _("nothing arrived"))


def build_qos_card(_run: Run, result: Result) -> Card | None:
    told = [
        one
        for one in list_objects(result.document.get("classes"))[:MOST_CLASSES]
        if read_whole(one.get("dscp"), LARGEST_DSCP) is not None
    ]
    sweep = result.document.get("sweep")
    negotiated = read_number(result.values.get("qos.ecn.negotiated"))
    plain = [one for one in told if not read_whole(one.get("ecn"), CONGESTED)]
    rows = list_classes(plain, result.values)
    gain = read_number(result.values.get("qos.class.differentiation"))
    longest = max((row.delay for row in rows if row.delay is not None), default=0.0)
    view = QosView(
        rows=rows,
        ecn=tuple(
            describe_ecn(CODEPOINTS[codepoint], one)
            for one in told
            if (codepoint := read_whole(one.get("ecn"), CONGESTED)) in CODEPOINTS
        ),
        is_ecn_agreed=None if negotiated is None else negotiated == 1,
        gain=gain if gain is not None and gain > GAIN_SHARE * longest else None,
        is_compared=gain is not None,
        sweep=describe_sweep(sweep) if isinstance(sweep, dict) else None,
        missing=tuple(read_missing(result.document.get("missing"))[:MOST_MISSING]),
    )
    return Card("dashboard/cards/qos.html", view) if view.rows or view.ecn or view.sweep else None


def list_classes(told: list[dict[str, Any]], values: Mapping[str, Any]) -> tuple[ClassRow, ...]:
    delays = [read_number(one.get("median_seconds")) for one in told]
    longest = max((delay for delay in delays if delay is not None), default=0.0)
    return tuple(
        describe_class(one, delay, longest, values) for one, delay in zip(told, delays, strict=True)
    )


def describe_class(
    one: Mapping[str, Any], delay: float | None, longest: float, values: Mapping[str, Any]
) -> ClassRow:
    dscp = read_whole(one.get("dscp"), LARGEST_DSCP) or 0
    sent, answered = read_number(one.get("sent")), read_number(one.get("answered"))
    loss_ratio = None
    if sent is not None and answered is not None and 0 <= answered <= sent and sent:
        loss_ratio = 1 - answered / sent
    return ClassRow(
        name=name_dscp(dscp),
        dscp=dscp,
        sent=sent,
        loss_ratio=loss_ratio,
        loss_width=measure_width(loss_ratio, 1.0),
        delay=delay,
        delay_width=measure_width(delay, longest),
        there=tell_mark(dscp, one.get("forward")),
        back=tell_mark(dscp, one.get("reverse")),
        priority=read_whole(values.get(f"qos.cos.pcp{{dscp={dscp}}}"), LARGEST_PRIORITY),
    )


def measure_width(part: float | None, whole: float) -> int:
    """The bar's share of `BAR_UNITS`, which is seen however small it is; 0 for none."""
    if not part or part < 0 or whole <= 0:
        return 0
    return max(round(part / whole * BAR_UNITS), LEAST_WIDTH)


def tell_mark(dscp: int, received: Any) -> Fate:
    """Whether the class arrived as it was sent, by what most of its packets carried."""
    seen: Counter[int] = Counter()
    for traffic_class, count in read_traffic_classes(received).items():
        seen[traffic_class >> 2] += count
    if not seen:
        return NOTHING
    ((most, count),) = seen.most_common(1)
    if most == dscp:
        kept = count / seen.total()
        if kept == 1:
            return Fate("circle-check", "good", _("kept"))
        detail = format_quantity(kept, Style.RATIO)
        return Fate("alert-triangle", "warning", _("kept in part"), detail)
    if most == 0:
        return Fate("alert-triangle", "warning", _("bleached to 0"))
    return Fate("alert-triangle", "warning", _("remarked to"), f"{most} ({name_dscp(most)})")


def describe_ecn(codepoint: str, one: Mapping[str, Any]) -> EcnRow:
    return EcnRow(
        codepoint=codepoint,
        there=tell_ecn(one.get("forward")),
        back=tell_ecn(one.get("reverse")),
    )


def tell_ecn(received: Any) -> Fate:
    """Whether the codepoint of ECN arrived, and how often a router marked it."""
    bits: Counter[int] = Counter()
    for traffic_class, count in read_traffic_classes(received).items():
        bits[traffic_class & CONGESTED] += count
    if not bits:
        return NOTHING
    capable = bits.total() - bits[NOT_CAPABLE]
    if capable <= bits[NOT_CAPABLE]:
        return Fate("alert-triangle", "warning", _("bleached"))
    if bits[CONGESTED]:
        detail = format_quantity(bits[CONGESTED] / capable, Style.RATIO)
        return Fate("circle-check", "good", _("kept, marked as congested:"), detail)
    return Fate("circle-check", "good", _("kept"))


def read_traffic_classes(received: Any) -> dict[int, int]:
    """How many packets arrived with which traffic class, what is none left out."""
    return {
        int(name): int(count)
        for name, count in list_counts(received)
        if name.isascii()
        and name.isdecimal()
        and len(name) <= len(str(LARGEST_TRAFFIC_CLASS))
        and int(name) <= LARGEST_TRAFFIC_CLASS
        and count >= 1
    }


def name_dscp(dscp: int) -> Label:
    """The class of a DSCP by RFC 4594 and its successors; its number where it has no name."""
    if dscp in NAMED:
        return NAMED[dscp]
    if dscp % 8 == 0:
        return f"CS{dscp // 8}"
    if dscp in ASSURED and dscp % 2 == 0:
        return f"AF{dscp // 8}{dscp % 8 // 2}"
    return str(dscp)


def describe_sweep(told: Mapping[str, Any]) -> SweepView:
    offered = read_number(told.get("offered_bits_per_second"))
    tone, icon, sentence = write_verdict(told, offered)
    return SweepView(
        tone=tone,
        icon=icon,
        sentence=sentence,
        offered=offered,
        arrived=read_number(told.get("arrived_bits_per_second")),
        loss_ratio=read_number(told.get("loss_ratio")),
        added=read_number(told.get("added_delay_seconds")),
    )


def write_verdict(told: Mapping[str, Any], offered: float | None) -> tuple[str, str, str]:
    """Tone, icon and a sentence with the rate and the burst."""
    verdict = read_text(told.get("verdict"))
    rate = format_quantity(read_number(told.get("rate_bits_per_second")), Style.BIT_RATE)
    burst = format_quantity(read_number(told.get("burst_bytes")), Style.BYTES)
    if verdict == "policer":
        sentence = gettext(
            "A policer throws away what exceeds %(rate)s, after a burst of %(burst)s."
        )
        return "warning", "alert-triangle", sentence % {"rate": rate, "burst": burst}
    if verdict == "shaper":
        sentence = gettext("A shaper lets through %(rate)s and makes the rest wait.")
        return "warning", "alert-triangle", sentence % {"rate": rate}
    if verdict == "none":
        sentence = gettext("Neither policed nor shaped: %(offered)s went through.")
        written = format_quantity(offered, Style.BIT_RATE)
        return "good", "circle-check", sentence % {"offered": written}
    sentence = gettext("It cannot be told whether the path polices or shapes.")
    return "idle", "circle-dashed", sentence
