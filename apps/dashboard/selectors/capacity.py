"""Forecasts as pages tell them: what fills when, and how much better than the day before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.clients.selectors import build_tag_filter
from apps.dashboard.formats import find_style, format_quantity
from apps.dashboard.kind_charts import LABELS
from apps.metrics.algorithms.series import Numbers
from apps.metrics.algorithms.tiers import DAY_SECONDS, HOUR_SECONDS, floor_day, floor_moment
from apps.metrics.selectors import ASSIGNMENT_KIND
from apps.ml.algorithms.capacity import gather_days
from apps.ml.algorithms.capacity import judge as judge_growth
from apps.ml.algorithms.forecast import build_grid
from apps.ml.models import Forecast
from apps.ml.selectors.forecasts import count_days, recommend
from apps.ml.selectors.hours import read_hours
from apps.ml.selectors.subjects import HOST_METRICS

PERCENT = 100
BAD_DAYS, WARNING_DAYS = 14, 60
SHORTEST_OUTLOOK_DAYS, LONGEST_OUTLOOK_DAYS = 14, 365
HOURS_SHOWN = timedelta(days=7)
RECOMMENDED_AT_MOST = 5
LINES_AND_TIMES = 3
KINDS: Mapping[str, str | Promise] = {
    "filesystem": gettext_lazy("Disks"),
    "host": gettext_lazy("Memory"),
    "interface": gettext_lazy("Links"),
    ASSIGNMENT_KIND: gettext_lazy("Tests"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A badge: colour, icon and word."""

    tone: str
    icon: str
    word: str


@dataclass(frozen=True, slots=True)
class CapacityRow:
    """A forecast in words; what does not apply to it is empty."""

    forecast: Forecast
    title: str
    level: str
    growth: str
    limit: str
    standing: Standing | None
    range: str
    advantage: str
    has_hours: bool
    advice: str

    @property
    def url(self) -> str:
        return reverse("dashboard:forecast", args=[self.forecast.id])


def keep_forecasts(
    rows: QuerySet[Forecast], *, kind: str = "", site: str = "", tag: str = ""
) -> QuerySet[Forecast]:
    """Those of the forecasts that are of that kind of source, of clients at that site or tag."""
    if kind in KINDS:
        rows = rows.filter(source__kind=kind)
    if site:
        rows = rows.filter(source__client__site__slug=site)
    return rows.filter(build_tag_filter(tag, path="source__client__")) if tag else rows


def describe_forecasts(rows: Iterable[Forecast], now: datetime) -> list[CapacityRow]:
    return [describe_forecast(row, now) for row in rows]


def describe_forecast(row: Forecast, now: datetime) -> CapacityRow:
    style = find_style(row.metric)
    growth = None if row.growth is None else write_growth(row.growth)
    return CapacityRow(
        forecast=row,
        title=name_forecast(row),
        level="" if row.level is None else format_quantity(row.level, style),
        growth=growth or "",
        limit="" if row.limit is None else format_quantity(row.limit, style),
        standing=judge(row, now),
        range=describe_range(row, now),
        advantage=describe_advantage(row),
        has_hours=row.middle is not None,
        advice=recommend(row, now),
    )


def name_forecast(row: Forecast) -> str:
    if row.source.kind == ASSIGNMENT_KIND:
        assignment = getattr(row.source, "assignment", None)
        name = assignment.test.name if assignment else _("A test that is gone")
        return f"{name}: {LABELS.get(row.metric, row.metric)}"
    names = {
        "filesystem": _("Disk %(subject)s"),
        "host": _("Memory"),
        "interface": _("Link %(subject)s"),
    }
    return names.get(row.source.kind, row.metric) % {"subject": row.source.subject}


def write_growth(growth: float) -> str:
    # Adding zero takes the sign off what is rounded to it.
    points = round(growth * PERCENT, 2) + 0.0
    return _("%(points)s points a day") % {"points": f"{points:+.2f}"}


def judge(row: Forecast, now: datetime) -> Standing | None:
    """How urgent the limit is: bad below two weeks, warning below two months; None without one."""
    if row.limit is None:
        return None
    if row.limit_refusal:
        return Standing("idle", "circle-dashed", describe_refusal(row, is_of_limit=True))
    if row.verdict == Forecast.Verdict.REACHED:
        return Standing("bad", "circle-x", _("Reached"))
    days = count_days(row.full_at, now)
    if row.verdict == Forecast.Verdict.GROWING and days is not None:
        word = _("%(days)s days") % {"days": days}
        if days < BAD_DAYS:
            return Standing("bad", "alert-triangle", word)
        is_warning = days < WARNING_DAYS
        icon = "alert-circle" if is_warning else "circle-check"
        return Standing("warning" if is_warning else "good", icon, word)
    return Standing("good", "circle-check", str(row.get_verdict_display()))


def describe_refusal(row: Forecast, *, is_of_limit: bool) -> str:
    """Why nothing is said: "learning 5/8 days"."""
    if is_of_limit:
        words = {"count": row.days_there, "needed": row.days_needed}
        return _("Learning %(count)s/%(needed)s days") % words
    if row.refusal == Forecast.Refusal.TOO_SHORT:
        return _("Learning %(count)s/%(needed)s h") % {"count": row.count, "needed": row.needed}
    return str(row.get_refusal_display()).capitalize()


def describe_range(row: Forecast, now: datetime) -> str:
    soonest = count_days(row.full_soonest_at, now)
    latest = count_days(row.full_latest_at, now)
    if row.verdict == Forecast.Verdict.REACHED or soonest is None or latest is None:
        return ""
    if latest >= LONGEST_OUTLOOK_DAYS - 1:
        return _("%(soonest)s to over 365 days") % {"soonest": soonest}
    if soonest == latest:
        return ""
    return _("%(soonest)s to %(latest)s days") % {"soonest": soonest, "latest": latest}


def describe_threshold(row: Forecast, threshold: float | None, now: datetime) -> str:
    """When the level passes the threshold below the limit; empty where there is none, or no growth.

    By the growth as it was found when the forecast was made.
    """
    if threshold is None or row.limit is None or threshold >= row.limit or row.growth is None:
        return ""
    room = threshold - (row.level or 0.0)
    growth = (row.growth, row.growth_low or 0.0, row.growth_high or row.growth)
    _verdict, days = judge_growth(room, *growth)
    limit = format_quantity(threshold, find_style(row.metric))
    if room <= 0:
        return _("above %(limit)s already") % {"limit": limit}
    if days[0] is None or days[0] >= LONGEST_OUTLOOK_DAYS:
        return ""
    left = count_days(row.made_at + timedelta(days=days[0]), now)
    return _("above %(limit)s in %(days)s days") % {"limit": limit, "days": left}


def describe_advantage(row: Forecast) -> str:
    """By how much the hours to come are foretold better than by the day before; or why not."""
    if row.refusal:
        return describe_refusal(row, is_of_limit=False)
    better = f"{(row.margin or 0.0) * PERCENT:.0f}"
    return _("%(percent)s %% better than repeating the day before") % {"percent": better}


def draw_hours(row: Forecast, now: datetime) -> dict[str, Any]:
    """The last week by hours and the day to come inside its intervals."""
    end = floor_moment(now, HOUR_SECONDS)
    hours = read_hours([row.source_id], row.metric, now, is_of_tests=False)[row.source_id]
    grid = build_grid(hours.start, hours.mean, step_seconds=HOUR_SECONDS, end=end.timestamp())
    shown = grid[-int(HOURS_SHOWN.total_seconds() // HOUR_SECONDS) :]
    newest = float(hours.start.max()) if len(hours.start) else end.timestamp()
    at = (newest - HOUR_SECONDS * np.arange(len(shown) - 1, -1, -1)).tolist()
    bands = [row.lowest, row.highest, row.lower, row.upper]
    columns = join_columns(at, shown, find_moments(row), [row.middle, *bands])
    return describe_drawing(row, columns, [_("Measured"), _("Forecast")])


def find_moments(row: Forecast) -> list[float]:
    if row.start_at is None or row.middle is None:
        return []
    first = row.start_at.timestamp()
    return [first + HOUR_SECONDS * place for place in range(len(row.middle))]


def draw_days(row: Forecast, now: datetime) -> dict[str, Any]:
    """The days that the growth was read from, and where it leads, inside its interval."""
    hours = read_hours([row.source_id], row.metric, now, is_of_tests=False)[row.source_id]
    share = HOST_METRICS[row.source.kind].day_share if row.source.kind in HOST_METRICS else 1.0
    values = hours.maximum if share == 1 else hours.mean
    end = floor_day(now)
    daily = gather_days(hours.start, values, end=end.timestamp(), share=share)
    last = newest_day(hours.start, end)
    at = (last - DAY_SECONDS * np.arange(len(daily) - 1, -1, -1)).tolist()
    ahead = list(range(1, count_ahead(row, now) + 1))
    level = row.level or 0.0
    lines = [
        [level + (growth or 0.0) * days for days in ahead]
        for growth in (row.growth, row.growth_low, row.growth_high)
    ]
    is_growing = row.growth is not None
    moments = [last + DAY_SECONDS * days for days in ahead] if is_growing else []
    middle, low, high = lines
    columns = join_columns(at, daily, moments, [middle, low, high])
    name = _("Highest of each day") if share == 1 else _("Busy hour of each day")
    return describe_drawing(row, columns, [name, _("Growth")])


def newest_day(start: Numbers, end: datetime) -> float:
    before = start[start < end.timestamp()]
    newest = float(before.max()) if len(before) else end.timestamp()
    return newest // DAY_SECONDS * DAY_SECONDS


def count_ahead(row: Forecast, now: datetime) -> int:
    """How many days of growth are drawn: until the limit is reached for sure, at most a year."""
    latest = count_days(row.full_latest_at, now)
    wanted = SHORTEST_OUTLOOK_DAYS if latest is None else latest + 2
    return min(max(wanted, SHORTEST_OUTLOOK_DAYS), LONGEST_OUTLOOK_DAYS)


def join_columns(
    at: Sequence[float],
    measured: Numbers,
    moments: Sequence[float],
    foretold: Sequence[Sequence[float | None] | None],
) -> list[list[float | None]]:
    """Columns over both times: what was measured, and behind it what is foretold.

    The first of the foretold is a line, which begins where the measured one ends.
    """
    past = [None if np.isnan(value) else float(value) for value in measured]
    columns: list[list[float | None]] = [[*at, *moments], [*past, *(None for _at in moments)]]
    for column in foretold:
        ahead = list(column or ()) if moments else []
        columns.append([*(None for _at in past), *ahead])
    if past and moments:
        columns[2][len(past) - 1] = past[-1]
    return columns


def describe_drawing(
    row: Forecast, columns: list[list[float | None]], labels: Sequence[str]
) -> dict[str, Any]:
    """What static/js/forecast.js draws: two lines, then the edges of the bands."""
    bands = [{"name": "percentiles", "label": _("80 in 100 lie within")}]
    if len(columns) == LINES_AND_TIMES + 2 * 2:
        bands.insert(0, {"name": "extremes", "label": _("95 in 100 lie within")})
    return {
        "style": find_style(row.metric),
        "lines": [{"label": labels[0]}, {"label": labels[1], "isGhost": True, "colour": 1}],
        "bands": bands,
        "columns": columns,
        "threshold": row.limit,
    }
