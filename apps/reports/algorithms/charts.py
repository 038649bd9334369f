"""Charts as SVG text: the same numbers give the same bytes, on paper and on the screen.

Colours are attributes and not styles, which a strict content security policy would drop.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

WIDTH, HEIGHT = 720, 230
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 24, 26
INK, MUTED, GRID = "#1b2a3d", "#56657a", "#dde3ea"
TROUBLE, TROUBLE_INK = "#f3c7c4", "#a3221a"
SECOND_COLOUR = "#b4610a"
# A single spike may not press everything else flat: the axis ends at so many times the line.
MOST_ABOVE_LINE = 3.0
WANTED_TICKS = 4
LABEL_DISTANCE = 15.0
LEAST_MARK_WIDTH = 1.5
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
FONT = 'font-family="Inter, sans-serif"'
FIRST_DASH, SECOND_DASH = "", ' stroke-dasharray="5 2"'

Value = float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line over the chart's times, with a band around it or without; None where nothing is."""

    label: str
    values: Sequence[Value]
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A time in which something was wrong, by its number in the list of incidents."""

    start: float
    end: float
    number: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A value not to be reached, with its words."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, over Unix seconds from `start` to `end`; one or two lines.

    `ticks` are moments with their words; `write` says a value with its unit.
    """

    start: float
    end: float
    at: Sequence[float]
    lines: Sequence[Line]
    write: Callable[[float], str]
    ticks: Sequence[tuple[float, str]] = ()
    marks: Sequence[Mark] = field(default=())
    accent: str = "#0f5fb8"
    most: float | None = None
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values and times lie on the drawing."""

    start: float
    end: float
    top: float

    def x(self, moment: float) -> float:
        share = (moment - self.start) / (self.end - self.start)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = min(max(value / self.top, 0.0), 1.0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def draw_chart(chart: Chart) -> str:
    """The SVG document.

    Raises: ValueError when the time is empty or a line is not as long as its times.
    """
    if chart.end <= chart.start:
        raise ValueError("a chart needs a time")
    if any(len(line.values) != len(chart.at) for line in chart.lines):
        raise ValueError("a line must be as long as its times")
    ticks = choose_ticks(find_top(chart))
    frame = Frame(chart.start, chart.end, ticks[-1])
    colours = (chart.accent, SECOND_COLOUR)
    parts = [
        *draw_marks(chart.marks, frame),
        *draw_axes(chart, frame, ticks),
        *(
            part
            for line, colour in zip(chart.lines, colours, strict=False)
            for part in draw_band(chart.at, line, frame, colour)
        ),
        *(
            part
            for line, colour, dash in zip(
                chart.lines, colours, (FIRST_DASH, SECOND_DASH), strict=False
            )
            for part in draw_line(chart.at, line, frame, f'"{colour}"{dash}')
        ),
        *draw_numbers(chart.marks, frame),
        *draw_legend(chart.lines, colours),
        *draw_overflow(chart, frame),
        *draw_limit(chart.limit, frame),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" {FONT} font-size="10">' + "".join(parts) + "</svg>"
    )


def find_top(chart: Chart) -> float:
    """The greatest value that must fit below the upper end of the axis."""
    lines = [value for line in chart.lines for value in line.values if value is not None]
    bands = [value for line in chart.lines for value in line.high if value is not None]
    limits = [chart.limit.value] if chart.limit else []
    highest = max(lines + limits, default=0.0)
    top = max(highest, min(max(bands, default=0.0), highest * MOST_ABOVE_LINE))
    if chart.most is not None:
        top = min(top, chart.most)
    return top


def choose_ticks(top: float) -> list[float]:
    """From 0 to the first nice step at or above `top`; the step is 1, 2, 2.5 or 5 times a power."""
    if not top > 0 or not math.isfinite(top):
        return [0.0, 1.0]
    raw = top / WANTED_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in STEPS if factor * power >= raw * (1 - 1e-9))
    count = max(math.ceil(top / step - 1e-9), 1)
    return [step * number for number in range(count + 1)]


def draw_axes(chart: Chart, frame: Frame, ticks: Sequence[float]) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
            f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end" fill="{MUTED}">'
            f"{escape(chart.write(tick))}</text>"
        )
    for moment, words in chart.ticks:
        if not chart.start <= moment <= chart.end:
            continue
        x = frame.x(moment)
        anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="{MUTED}"/>'
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}" fill="{MUTED}">'
            f"{escape(words)}</text>"
        )
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="{MUTED}"/>'
    )
    return parts


def draw_marks(marks: Sequence[Mark], frame: Frame) -> list[str]:
    parts = []
    for mark in marks:
        x = frame.x(mark.start)
        width = max(frame.x(mark.end) - x, LEAST_MARK_WIDTH)
        parts.append(
            f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"'
            f' fill="{TROUBLE}"/>'
        )
    return parts


def draw_numbers(marks: Sequence[Mark], frame: Frame) -> list[str]:
    """The number of each mark above it, as far as there is room."""
    parts: list[str] = []
    free_from = 0.0
    for mark in sorted(marks, key=lambda one: one.start):
        x = (frame.x(mark.start) + frame.x(mark.end)) / 2
        if x < free_from:
            continue
        free_from = x + LABEL_DISTANCE
        parts.append(
            f'<circle cx="{x:.1f}" cy="{TOP - 8}" r="7" fill="{TROUBLE_INK}"/>'
            f'<text x="{x:.1f}" y="{TOP - 4.8}" text-anchor="middle" font-size="9"'
            f' fill="#ffffff">{mark.number}</text>'
        )
    return parts


def list_stretches(at: Sequence[float], *columns: Sequence[Value]) -> list[list[tuple[float, ...]]]:
    """The rows in which all columns have a value, as stretches without a gap."""
    rows = list(zip(at, *columns, strict=True))
    groups = groupby(rows, key=lambda row: all(value is not None for value in row[1:]))
    return [
        [tuple(value for value in row if value is not None) for row in members]
        for is_whole, members in groups
        if is_whole
    ]


def draw_line(at: Sequence[float], line: Line, frame: Frame, stroke: str) -> list[str]:
    """A path for each stretch; a lone value is a dot. `stroke` is the attribute in its quotes."""
    parts = []
    for stretch in list_stretches(at, line.values):
        points = [(frame.x(moment), frame.y(value)) for moment, value in stretch]
        if len(points) == 1:
            [(x, y)] = points
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.5" fill={stroke}/>')
            continue
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(
            f'<path d="{path}" fill="none" stroke-width="1.6" stroke-linejoin="round"'
            f" stroke={stroke}/>"
        )
    return parts


def draw_band(at: Sequence[float], line: Line, frame: Frame, colour: str) -> list[str]:
    if not line.low or not line.high:
        return []
    parts = []
    for stretch in list_stretches(at, line.low, line.high):
        upper = [f"{frame.x(at_):.1f} {frame.y(high):.1f}" for at_, _low, high in stretch]
        lower = [f"{frame.x(at_):.1f} {frame.y(low):.1f}" for at_, low, _high in stretch]
        path = "M" + "L".join([*upper, *reversed(lower)]) + "Z"
        parts.append(f'<path d="{path}" fill="{colour}" fill-opacity="0.18"/>')
    return parts


def draw_legend(lines: Sequence[Line], colours: Sequence[str]) -> list[str]:
    """Which line is which, where there are several; told apart by dashes as well."""
    if len(lines) < len(colours):
        return []
    parts = []
    x = float(LEFT)
    for line, colour, dash in zip(lines, colours, (FIRST_DASH, SECOND_DASH), strict=False):
        parts.append(
            f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="10" y2="10" stroke-width="2"'
            f' stroke="{colour}"{dash}/>'
            f'<text x="{x + 27:.1f}" y="13.5" fill="{INK}">{escape(line.label)}</text>'
        )
        x += 45 + 6 * len(line.label)
    return parts


def draw_overflow(chart: Chart, frame: Frame) -> list[str]:
    """What the greatest value was, when the axis ends below it."""
    values = [value for line in chart.lines for value in (*line.values, *line.high)]
    highest = max((value for value in values if value is not None), default=0.0)
    if highest <= frame.top:
        return []
    words = escape(chart.write(highest))
    place = f'x="{WIDTH - RIGHT}" y="11" text-anchor="end" fill="{MUTED}"'
    return [f"<text {place}>\N{UPWARDS ARROW} {words}</text>"]


def draw_limit(limit: Limit | None, frame: Frame) -> list[str]:
    if limit is None:
        return []
    y, right = frame.y(limit.value), WIDTH - RIGHT
    return [
        f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{TROUBLE_INK}"/>',
        f'<text x="{right}" y="{y - 4:.1f}" text-anchor="end" fill="{TROUBLE_INK}">',
        f"{escape(limit.label)}</text>",
    ]


GAUGE_WIDTH, GAUGE_HEIGHT, GAUGE_RADIUS = 200, 116, 84
# Best first: from which score on, in which colour.
GAUGE_BANDS = ((80, "#1c7a46"), (60, "#b4610a"), (0, "#a3221a"))


def draw_gauge(score: float, word: str) -> str:
    """A half circle filled from 0 to 100; the number and the word say the same."""
    colour = next(ink for least, ink in GAUGE_BANDS if score >= least)
    x, y = GAUGE_WIDTH / 2, GAUGE_HEIGHT - 18
    arcs = [draw_arc(x, y, 0, 1, GRID)]
    if score > 0:
        arcs.append(draw_arc(x, y, 0, min(score, 100) / 100, colour))
    for edge in (least for least, _ink in GAUGE_BANDS if least):
        inner, outer = (place_on_arc(x, y, edge / 100, GAUGE_RADIUS + d) for d in (-9, 9))
        arcs.append(
            f'<line x1="{inner[0]:.1f}" y1="{inner[1]:.1f}" x2="{outer[0]:.1f}"'
            f' y2="{outer[1]:.1f}" stroke="#ffffff" stroke-width="2"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {GAUGE_WIDTH} {GAUGE_HEIGHT}"'
        f' width="{GAUGE_WIDTH}" height="{GAUGE_HEIGHT}" {FONT}>'
        + "".join(arcs)
        + f'<text x="{x}" y="{y - 12}" text-anchor="middle" font-size="38" font-weight="600"'
        f' fill="{INK}">{score:.0f}</text>'
        f'<text x="{x}" y="{y + 10}" text-anchor="middle" font-size="13" fill="{colour}">'
        f"{escape(word)}</text></svg>"
    )


def place_on_arc(x: float, y: float, share: float, radius: float) -> tuple[float, float]:
    angle = math.pi * (1 - share)
    return x + radius * math.cos(angle), y - radius * math.sin(angle)


def draw_arc(x: float, y: float, begin: float, end: float, colour: str) -> str:
    (x1, y1), (x2, y2) = (place_on_arc(x, y, share, GAUGE_RADIUS) for share in (begin, end))
    return (
        f'<path d="M{x1:.1f} {y1:.1f}A{GAUGE_RADIUS} {GAUGE_RADIUS} 0 0 1 {x2:.1f} {y2:.1f}"'
        f' fill="none" stroke="{colour}" stroke-width="16"/>'
    )
