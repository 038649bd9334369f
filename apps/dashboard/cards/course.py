"""How something went over time, as bars or as a line, and the grade of what load does to delay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.dashboard.selectors.documents import read_number

Label = str | Promise
UNITS = 1000
MOST_BARS = 120
MOST_POINTS = 200
MOST_READ = 3600
LEAST_HEIGHT = 8
GAP = 4
# Tone, icon and what the grade of a full path means for those who share it.
GRADES: Mapping[str, tuple[str, str, Label]] = {
    "A+": ("good", "circle-check", _("load adds hardly any delay")),
    "A": ("good", "circle-check", _("load adds little delay")),
    "B": ("good", "circle-check", _("load adds some delay")),
    "C": ("warning", "alert-triangle", _("load adds delay that calls and games feel")),
    "D": ("bad", "circle-x", _("load adds delay that makes calls hard")),
    "F": ("bad", "circle-x", _("load adds so much delay that all else stalls")),
}


@dataclass(frozen=True, slots=True)
class Grade:
    letter: str
    tone: str
    icon: str
    word: Label


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: its place, width and height in `UNITS`, and what was measured in it."""

    x: int
    width: int
    height: int
    begin: int
    end: int
    value: float

    @property
    def y(self) -> int:
        return UNITS - self.height


@dataclass(frozen=True, slots=True)
class Bars:
    """Values of equal stretches of time; `seconds` is how long all of them took."""

    bars: tuple[Bar, ...]
    highest: float
    seconds: int
    units: int = UNITS


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a square of `UNITS` from 0 to `highest`, as the points of an SVG polyline."""

    label: Label
    style: str
    points: str
    highest: float
    last: float
    units: int = UNITS


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with a name for people, written as the catalogue writes its key."""

    label: Label
    key: str
    value: float


def read_grade(value: Any) -> Grade | None:
    if not isinstance(value, str) or value not in GRADES:
        return None
    return Grade(value, *GRADES[value])


def list_figures(
    values: Mapping[str, Any], wanted: Iterable[tuple[str, Label]]
) -> tuple[Figure, ...]:
    """Those of the wanted keys that were measured."""
    return tuple(
        Figure(label, key, value)
        for key, label in wanted
        if (value := read_number(values.get(key))) is not None
    )


def list_numbers(value: Any, factor: float = 1.0) -> list[float]:
    """The numbers of a list from zero up, what is none left out."""
    found = value if isinstance(value, list) else []
    read = (read_number(one) for one in islice(found, MOST_READ))
    return [float(number) * factor for number in read if number is not None and number >= 0]


def draw_bars(numbers: Sequence[float]) -> Bars | None:
    """A bar for each second, or for each of equally long stretches; None without any height."""
    step = -(-len(numbers) // MOST_BARS)
    parts = [numbers[begin : begin + step] for begin in range(0, len(numbers), step or 1)]
    means = [sum(part) / len(part) for part in parts]
    highest = max(means, default=0.0)
    if not 0 < highest < float("inf"):
        return None
    width = UNITS / len(means)
    bars = tuple(
        Bar(
            x=round(place * width),
            width=max(round(width) - GAP, 1),
            height=max(round(value / highest * UNITS), LEAST_HEIGHT if value else 0),
            begin=place * step,
            end=min((place + 1) * step, len(numbers)),
            value=value,
        )
        for place, value in enumerate(means)
    )
    return Bars(bars, highest, len(numbers))


def draw_line(label: Label, style: str, course: Sequence[tuple[float, float]]) -> Line | None:
    """A line through moments in seconds, rising, and values; None for fewer than two moments."""
    step = -(-len(course) // MOST_POINTS)
    # Of points too close to be told apart the highest is kept: a peak must not vanish.
    parts = (course[begin : begin + step] for begin in range(0, len(course), step or 1))
    thinned = [max(part, key=lambda point: point[1]) for part in parts]
    if len(thinned) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    begin, length = thinned[0][0], thinned[-1][0] - thinned[0][0]
    highest = max(value for _at, value in course)
    if not 0 < length < float("inf"):
        return None
    points = " ".join(
        f"{(at - begin) / length * UNITS:.0f},"
        f"{UNITS - (value / highest * UNITS if highest else 0):.0f}"
        for at, value in thinned
    )
    return Line(label, style, points, highest, course[-1][1])
