"""Which series a page draws, and how; static/js/chart.js draws it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.dashboard.formats import Style, find_style, format_quantity
from apps.dashboard.thresholds import read_thresholds
from apps.metrics.catalogue import parse_key
from apps.metrics.selectors import LatestValues

Label = str | Promise

MAXIMUM_PANELS_OF_A_KIND = 4
MAXIMUM_LINES = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn series: a metric key of a source of the client, or of the page's assignment."""

    key: str
    label: Label
    source: str = "assignment"
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: its lines, or bars, or one line inside the band of two others (lowest, highest)."""

    title: Label
    style: Style
    lines: tuple[Line, ...]
    band: tuple[Line, Line] | None = None
    is_bars: bool = False
    # Drawn as a dashed line, in the unit of the lines.
    threshold: float | None = None
    # Its axis ends a little above the highest value, not at all of 100 %.
    is_scaled: bool = False
    # Draw 1 - value: the share of failures of a series of successes.
    is_complement: bool = False

    def as_document(self) -> dict[str, Any]:
        return {
            "title": str(self.title),
            "style": self.style,
            "lines": [describe_line(line) for line in self.lines],
            "band": [describe_line(line) for line in self.band or ()],
            "is_bars": self.is_bars,
            "is_complement": self.is_complement,
            "is_scaled": self.is_scaled or self.is_bars,
            "is_whole": all(is_whole(line.key) for line in self.lines),
            "threshold": self.threshold,
            "threshold_text": describe_threshold(self),
        }


def describe_threshold(panel: Panel) -> str:
    if panel.threshold is None:
        return ""
    limit = format_quantity(panel.threshold, panel.style)
    return gettext("high above %(limit)s") % {"limit": limit}


def describe_line(line: Line) -> dict[str, str]:
    return {
        "key": line.key,
        "label": str(line.label),
        "source": line.source,
        "subject": line.subject,
    }


def is_whole(key: str) -> bool:
    """Whether the metric counts things, of which there are no parts."""
    parsed = parse_key(key)
    unit = parsed.metric.unit if parsed else ""
    return unit.startswith("{") and "/" not in unit


HOST_PANELS: tuple[Panel, ...] = (
    Panel(
        _("Processor"), Style.RATIO, (Line("system.cpu.utilization", _("In use"), source="host"),)
    ),
    Panel(
        _("Memory"),
        Style.RATIO,
        (
            Line("system.memory.utilization", _("In use"), source="host"),
            Line("system.paging.utilization", _("Swap"), source="host"),
        ),
    ),
    Panel(
        _("Load"),
        Style.NUMBER,
        (
            Line("system.cpu.load_average.1m", _("1 min"), source="host"),
            Line("system.cpu.load_average.5m", _("5 min"), source="host"),
            Line("system.cpu.load_average.15m", _("15 min"), source="host"),
        ),
    ),
    Panel(
        _("Pressure"),
        Style.RATIO,
        (
            Line("system.cpu.pressure", _("Processor"), source="host"),
            Line("system.memory.pressure", _("Memory"), source="host"),
            Line("system.io.pressure", _("I/O"), source="host"),
        ),
    ),
)
SUBJECT_LINES: dict[str, tuple[tuple[str, Label], ...]] = {
    "interface": (
        ("system.network.io.rate{direction=receive}", _("In")),
        ("system.network.io.rate{direction=transmit}", _("Out")),
    ),
    "disk": (
        ("system.disk.io.rate{direction=read}", _("Read")),
        ("system.disk.io.rate{direction=write}", _("Written")),
    ),
}
FILE_SYSTEM_KEY = "system.filesystem.utilization"
CLIENT_KEYS = frozenset(
    {
        FILE_SYSTEM_KEY,
        *(line.key for panel in HOST_PANELS for line in panel.lines),
        *(key for lines in SUBJECT_LINES.values() for key, _label in lines),
    }
)
LIVE_SOURCE_KINDS = ("host", "interface", "filesystem", "disk", "hardware", "plugin", "agent")
TEMPERATURE = "hw.temperature"


def is_drawn(source_kind: str, key: str) -> bool:
    """Whether a page of the client draws that key; which sensors there are differs by host."""
    if source_kind == "hardware":
        return key.partition("{")[0] == TEMPERATURE
    return source_kind == "plugin" or key in CLIENT_KEYS


def describe_client_panels(latest: Sequence[LatestValues]) -> list[Panel]:
    """The charts of a client, for the interfaces, file systems and disks it reported last."""
    panels = [*HOST_PANELS, *describe_subject_panels(latest, "interface", Style.BIT_RATE)]
    file_systems = sorted(row.subject for row in latest if row.kind == "filesystem")
    if file_systems:
        lines = tuple(
            Line(FILE_SYSTEM_KEY, subject, source="filesystem", subject=subject)
            for subject in file_systems[:MAXIMUM_PANELS_OF_A_KIND]
        )
        panels.append(Panel(_("File systems"), Style.RATIO, lines))
    panels += describe_subject_panels(latest, "disk", Style.BYTE_RATE)
    panels += describe_temperatures(latest)
    panels += [panel for row in latest if row.kind == "plugin" for panel in describe_added(row)]
    thresholds = read_thresholds()
    return [replace(one, threshold=thresholds.get(one.lines[0].key)) for one in panels]


def describe_subject_panels(latest: Iterable[LatestValues], kind: str, style: Style) -> list[Panel]:
    subjects = sorted(
        (row.subject for row in latest if row.kind == kind),
        key=lambda subject: (subject == "lo", subject),
    )
    return [
        Panel(
            subject,
            style,
            tuple(
                Line(key, label, source=kind, subject=subject) for key, label in SUBJECT_LINES[kind]
            ),
        )
        for subject in subjects[:MAXIMUM_PANELS_OF_A_KIND]
    ]


def describe_temperatures(latest: Iterable[LatestValues]) -> list[Panel]:
    """One chart of the sensors there are."""
    keys = sorted(
        key
        for row in latest
        if row.kind == "hardware"
        for key in row.values
        if is_drawn("hardware", key)
    )
    lines = tuple(
        Line(key, name_attributes(key), source="hardware") for key in keys[:MAXIMUM_LINES]
    )
    return [Panel(_("Temperatures"), Style.TEMPERATURE, lines)] if lines else []


def describe_added(row: LatestValues) -> list[Panel]:
    """The charts of a plug-in's collector: its values of one style together."""
    by_style: dict[Style, list[Line]] = {}
    for key in sorted(row.values):
        line = Line(key, key, source="plugin", subject=row.subject)
        by_style.setdefault(find_style(key), []).append(line)
    return [
        Panel(row.subject, style, tuple(lines[:MAXIMUM_LINES])) for style, lines in by_style.items()
    ]


def name_attributes(key: str) -> str:
    """The values of a key's attributes, which tell its series apart."""
    parsed = parse_key(key)
    return ", ".join(value for _name, value in parsed.attributes) if parsed else key
