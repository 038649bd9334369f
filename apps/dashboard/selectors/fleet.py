"""One metric of many clients over a long time, put together from every hour of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import numpy as np
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.clients.models import Client
from apps.core.buckets import choose_step_seconds
from apps.dashboard.formats import Style, find_style, format_quantity
from apps.dashboard.ranges import write_canonical
from apps.dashboard.selectors.history import write_step
from apps.metrics.algorithms.grids import Grid, Table, summarise_columns
from apps.metrics.algorithms.series import Numbers
from apps.metrics.algorithms.tiers import DAY_SECONDS
from apps.metrics.selectors import ManyHours, find_sources_of_clients, read_many

MOST_CLIENTS = 50
# Together below 2,000: what is drawn at a time, however many values it comes from.
FAN_POINTS = 370
HEAT_CELLS = 1000
HOUR_COLUMNS = 24
LEAST_COLUMNS = 7
LEVELS = 7
HOUR_TIER = "1h"


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a heat map: how warm it is (0 to 6), what it says, and the time it leads to."""

    x: int
    level: int
    title: str
    query: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    label: str
    url: str
    mean: str
    highest: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Rows of equally many cells; `lowest` and `highest` are what the coldest and warmest mean."""

    rows: Sequence[HeatRow]
    width: int
    step: str
    lowest: str
    highest: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the page draws. `fan` has a column of times and those of the chart's line and bands."""

    fan: dict[str, Any]
    clients: HeatMap | None
    hours: HeatMap | None
    resolution: str
    source: str


def read_fleet(
    clients: Sequence[Client], *, kind: str, key: str, start: datetime, end: datetime
) -> Fleet:
    """The metric `key` of the clients' sources of `kind` in [start, end)."""
    source_ids = find_sources_of_clients([client.id for client in clients], kind)
    measured = [client for client in clients if client.id in source_ids]
    many = read_many(
        source_ids=[source_ids[client.id] for client in measured], key=key, start=start, end=end
    )
    grid = many.cut(FAN_POINTS)
    style = find_style(key)
    return Fleet(
        fan=describe_fan(grid, style),
        clients=describe_clients(measured, many, style),
        hours=describe_hours(many, style),
        resolution=_("%(step)s means of each client") % {"step": write_step(grid.step_seconds)},
        source=describe_source(many),
    )


def describe_source(many: ManyHours) -> str:
    counted = many.bucket_count
    texts = {
        "5m": ngettext(
            "From %(number)s five-minute value", "From %(number)s five-minute values", counted
        ),
        "1h": ngettext("From %(number)s hourly value", "From %(number)s hourly values", counted),
        "1d": ngettext("From %(number)s daily value", "From %(number)s daily values", counted),
    }
    return texts[many.tier] % {"number": f"{counted:,}"}


def describe_fan(grid: Grid, style: Style) -> dict[str, Any]:
    """Across the clients, each by its mean: the median one, and the range the others lie in."""
    found = summarise_columns(grid.mean)
    at = grid.start[found.group].tolist()
    bands = [found.minimum, found.maximum, found.p50, found.p95]
    columns = [at, *(column.tolist() for column in (found.p50, *bands))]
    return {"style": style, "columns": columns, "step_seconds": grid.step_seconds}


def describe_clients(clients: Sequence[Client], many: ManyHours, style: Style) -> HeatMap | None:
    """A row for each client with a value, the highest mean first; a field leads to its time."""
    if not clients:
        return None
    grid = many.cut(max(HEAT_CELLS // len(clients), LEAST_COLUMNS))
    weights = grid.count.sum(axis=1)
    means = np.nansum(grid.mean * grid.count, axis=1) / np.maximum(weights, 1)
    rows = []
    scale = Scale.of(grid.mean)
    titles, queries = write_days(grid.start), describe_spans(many, grid)
    for row in np.argsort(-means, kind="stable").tolist():
        if not weights[row]:
            continue
        url = reverse("dashboard:client", args=[clients[row].id])
        rows.append(
            HeatRow(
                label=clients[row].name,
                url=url,
                mean=format_quantity(float(means[row]), style),
                highest=format_quantity(float(np.nanmax(grid.maximum[row])), style),
                cells=make_cells(titles, grid.mean[row], scale, style, queries),
            )
        )
    return make_map(rows, grid.start, grid.step_seconds, scale, style)


def describe_spans(many: ManyHours, grid: Grid) -> list[str]:
    """The queries that name the time of each bucket in an address."""
    queries = []
    for begin in grid.start.tolist():
        start = max(datetime.fromtimestamp(begin, UTC), many.start)
        end = min(datetime.fromtimestamp(begin + grid.step_seconds, UTC), many.end)
        ends = {"start": write_canonical(start), "end": write_canonical(end)}
        queries.append(f"?{urlencode(ends)}")
    return queries


def describe_hours(many: ManyHours, style: Style) -> HeatMap | None:
    """A row for each hour of the user's day over all clients; only what comes from hours has it."""
    step = max(choose_step_seconds(many.start, many.end, HOUR_COLUMNS), DAY_SECONDS)
    if many.tier != HOUR_TIER or (many.end - many.start).total_seconds() < LEAST_COLUMNS * step:
        return None
    zone = ZoneInfo(timezone.get_current_timezone_name())
    begins, table = many.average_by_hour(step, zone)
    if np.isnan(table).all():
        return None
    scale, titles = Scale.of(table), write_days(begins)
    rows = []
    for hour, means in enumerate(table):
        known = means[~np.isnan(means)]
        rows.append(
            HeatRow(
                label=f"{hour:02}:00",
                url="",
                mean=format_quantity(float(known.mean()) if len(known) else None, style),
                highest=format_quantity(float(known.max()) if len(known) else None, style),
                cells=make_cells(titles, means, scale, style),
            )
        )
    return make_map(rows, begins, step, scale, style)


@dataclass(frozen=True, slots=True)
class Scale:
    """From the coldest value to the warmest."""

    low: float
    high: float

    @classmethod
    def of(cls, table: Table) -> "Scale":
        known = table[~np.isnan(table)]
        return cls(float(known.min()), float(known.max())) if len(known) else cls(0.0, 0.0)

    def rate(self, value: float) -> int:
        width = self.high - self.low
        share = (value - self.low) / width if width > 0 else 0.0
        return min(int(share * LEVELS), LEVELS - 1)


def make_cells(
    titles: Sequence[str], values: Numbers, scale: Scale, style: Style, queries: Sequence[str] = ()
) -> list[Cell]:
    return [
        Cell(
            x=x,
            level=scale.rate(value),
            title=f"{titles[x]}: {format_quantity(value, style)}",
            query=queries[x] if queries else "",
        )
        for x, value in enumerate(values.tolist())
        if not math.isnan(value)
    ]


def make_map(
    rows: Sequence[HeatRow],
    begins: Numbers,
    step_seconds: int,
    scale: Scale,
    style: Style,
) -> HeatMap | None:
    if not rows:
        return None
    return HeatMap(
        rows=rows,
        width=len(begins),
        step=write_step(step_seconds),
        lowest=format_quantity(scale.low, style),
        highest=format_quantity(scale.high, style),
        first=write_days(begins[:1])[0],
        last=write_days(begins[-1:])[0],
    )


def write_days(begins: Numbers) -> list[str]:
    """The local days and, of what does not begin at midnight there, the time."""
    zone = timezone.get_current_timezone()
    moments = [datetime.fromtimestamp(begin, zone) for begin in begins.tolist()]
    return [
        f"{moment:%Y-%m-%d %H:%M}" if moment.hour or moment.minute else f"{moment:%Y-%m-%d}"
        for moment in moments
    ]
