"""What each direction carried, what held it back, and what that did to round trips."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.cards.course import (
    MOST_READ,
    Bars,
    Figure,
    Grade,
    Label,
    Line,
    draw_bars,
    draw_line,
    list_figures,
    list_numbers,
    read_grade,
)
from apps.dashboard.selectors.documents import list_objects, read_number, read_object, read_text
from apps.tests.models import Result, Run

DIRECTIONS: tuple[tuple[str, Label], ...] = (
    ("upload", _("To the peer")),
    ("download", _("From the peer")),
)
BITS_PER_MEGABIT = 1_000_000
LIMIT_SHARE = 0.9
PATH_DROPS = "path_drops"
# Tone, icon and sentence: what to think of it, and what to do.
OWN_LIMIT = (
    "idle",
    "info-circle",
    _("The limit that the test sets itself: the path may carry more."),
)
BOTTLENECKS: Mapping[str, tuple[str, str, Label]] = {
    "receive_window": (
        "warning", "alert-triangle",
        _("The receiver held it back: its window was full, so the sender had to wait."),
    ),
    "send_buffer": (
        "warning", "alert-triangle",
        _("The sender held itself back: its buffer is too small for this path."),
    ),
    "path_loss": (
        "warning", "alert-triangle",
        _("Losses on the path held it back: segments had to be sent again."),
    ),
    "path_queue": (
        "idle", "network",
        _("The path is full: a queue grows before its narrowest part."),
    ),
    "processor": (
        "warning", "cpu",
        _("A host was too busy: its processor may be the limit, not the path."),
    ),
    PATH_DROPS: (
        "warning", "alert-triangle",
        _("Packets got lost at this rate: the path drops some, or does not carry it."),
    ),
    "path": (
        "idle", "network",
        _("The path itself: no host held it back, nothing was lost, no queue grew."),
    ),
    "rate": OWN_LIMIT,
}  # fmt: skip
LINES: tuple[tuple[str, Label, str], ...] = (
    ("rtt_seconds", _("Round trip of TCP"), "duration"),
    ("window_segments", _("Congestion window, segments"), "number"),
    ("retransmits", _("Sent again so far, segments"), "number"),
)
FLOW_FIGURES: tuple[tuple[str, Label], ...] = (
    ("loss.ratio", _("Lost")),
    ("jitter", _("Jitter")),
    ("reorder.ratio", _("Out of order")),
)
PACKET_PAIR = "net.capacity.packet_pair"
FIGURES: tuple[tuple[str, Label], ...] = (
    ("net.throughput.tcp.efficiency", _("TCP efficiency")),
    ("net.throughput.tcp.transfer_time_ratio", _("Transfer time ratio")),
    ("net.throughput.tcp.buffer_delay", _("Buffer delay ratio")),
    ("net.throughput.bdp", _("Bandwidth-delay product")),
    ("net.throughput.stability", _("Rate swings by")),
    ("net.throughput.ramp_time", _("At speed after")),
    (PACKET_PAIR, _("Capacity by packet pairs")),
    ("net.responsiveness", _("Round trips a minute under load")),
    ("net.throughput.tcp.streams", _("Connections")),
    ("net.throughput.cpu.local", _("Processors here")),
    ("net.throughput.cpu.remote", _("Processors there")),
)


@dataclass(frozen=True, slots=True)
class Bottleneck:
    tone: str
    icon: str
    sentence: Label


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of UDP; `dropped` of those lost had come as far as the receiving host."""

    sent: float
    lost: float
    dropped: float


@dataclass(frozen=True, slots=True)
class DirectionView:
    """One direction; the rate in bits a second, delays in seconds, None where not measured."""

    label: Label
    rate: float | None
    loaded: float | None
    added: float | None
    bottleneck: Bottleneck | None
    bars: Bars | None
    lines: tuple[Line, ...]
    packets: Packets | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class ThroughputView:
    directions: tuple[DirectionView, ...]
    idle: float | None
    grade: Grade | None
    algorithm: str
    figures: tuple[Figure, ...]
    program: str
    address: str


def build_throughput_card(run: Run, result: Result) -> Card | None:
    told = read_object(result.document.get("directions"))
    idle = find_median(list_numbers(result.document.get("idle_rtt_seconds")))
    limit = read_limit(run, "rate_megabits")
    directions = tuple(
        describe_direction((name, label), told[name], result.values, idle, limit)
        for name, label in DIRECTIONS
        if isinstance(told.get(name), dict)
    )
    if not directions:
        return None
    # A path that carried more than its estimated capacity has shown the estimate to be wrong.
    fastest = max(way.rate or 0.0 for way in directions)
    view = ThroughputView(
        directions=directions,
        idle=idle,
        grade=read_grade(result.document.get("bufferbloat_grade")),
        algorithm=read_text(result.facts.get("net.tcp.congestion.algorithm")),
        figures=tuple(
            figure
            for figure in list_figures(result.values, FIGURES)
            if figure.key != PACKET_PAIR or figure.value >= fastest
        ),
        program=read_text(result.document.get("version")),
        address=read_text(result.document.get("address")),
    )
    return Card("dashboard/cards/throughput.html", view)


def loaded_key(direction: str) -> str:
    return f"net.latency.loaded.{direction}"


def describe_direction(
    direction: tuple[str, Label],
    told: Mapping[str, Any],
    values: Mapping[str, Any],
    idle: float | None,
    limit: float | None,
) -> DirectionView:
    name, label = direction
    rate = read_number(told.get("bits_per_second"))
    loaded = read_number(values.get(loaded_key(name)))
    return DirectionView(
        label=label,
        rate=rate,
        loaded=loaded,
        added=None if loaded is None or idle is None else max(loaded - idle, 0.0),
        bottleneck=name_bottleneck(read_text(told.get("bottleneck")), rate, limit),
        bars=draw_bars(list_numbers(told.get("rates"))),
        lines=tuple(list_lines(list_objects(told.get("timeline"))[:MOST_READ])),
        packets=read_packets(told.get("packets")),
        figures=list_figures(values, list_flow_figures(name)),
    )


def list_flow_figures(direction: str) -> Iterable[tuple[str, Label]]:
    way = "forward" if direction == "upload" else "reverse"
    for name, label in FLOW_FIGURES:
        yield f"net.throughput.udp.{name}{{direction={way}}}", label


def read_packets(told: Any) -> Packets | None:
    counts = read_object(told)
    sent, lost = read_number(counts.get("sent_count")), read_number(counts.get("lost_count"))
    if sent is None or lost is None or not 0 <= lost <= sent:
        return None
    dropped = read_number(counts.get("dropped_count")) or 0.0
    return Packets(sent, lost, min(max(dropped, 0.0), lost))


def name_bottleneck(word: str, rate: float | None, limit: float | None) -> Bottleneck | None:
    """What held the transfer back; the test's own limit when it was reached and nothing lost."""
    if not rate:
        return None
    if word != PATH_DROPS and limit and rate >= LIMIT_SHARE * limit:
        return Bottleneck(*OWN_LIMIT)
    return Bottleneck(*BOTTLENECKS[word]) if word in BOTTLENECKS else None


def list_lines(timeline: list[dict[str, Any]]) -> Iterable[Line]:
    """What the sender's kernel said over time; a line for what it said at least twice."""
    for name, label, style in LINES:
        course = [
            (at, value)
            for glance in timeline
            if (at := read_number(glance.get("at_seconds"))) is not None
            and (value := read_number(glance.get(name))) is not None
            and value >= 0
        ]
        is_rising = all(one[0] < other[0] for one, other in pairwise(course))
        line = draw_line(label, style, course) if is_rising else None
        if line is not None:
            yield line


def read_limit(run: Run, parameter: str) -> float | None:
    """Bits a second that the test allows; None without a limit, or if the test was changed."""
    test = run.assignment.test
    megabits = read_number(test.parameters.get(parameter))
    if not megabits or run.schedule_revision != test.schedule_revision:
        return None
    return megabits * BITS_PER_MEGABIT


def find_median(numbers: list[float]) -> float | None:
    ordered = sorted(numbers)
    return ordered[len(ordered) // 2] if ordered else None
