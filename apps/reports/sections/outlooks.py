"""What fills, drawn: as it was measured, and as it is expected until its limit is reached."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.utils.translation import gettext as _

from apps.ml.models import Forecast
from apps.reports.algorithms.charts import Chart, Limit, Line, Value, draw_chart
from apps.reports.sections.base import Draft, write_day
from apps.reports.sections.figures import UNITS, Figure, as_list, list_ticks
from apps.reports.sections.wording import write_mark, write_quantity, write_share
from apps.reports.selectors.facts.accounts import Span
from apps.reports.selectors.facts.series import Course

RATIO = "ratio"
LEAST_AHEAD, MOST_AHEAD = timedelta(days=7), timedelta(days=90)
# Of the time ahead, so that the limit is seen to be passed.
BEHIND_LIMIT_SHARE = 0.2
EXPECTED_POINTS = 40


def draw_outlook(draft: Draft, forecast: Forecast, name: str) -> Figure | None:
    """The course of what is watched, and its growth continued; None without either."""
    course = draft.facts.draw_source(forecast.source_id, forecast.metric)
    if course.is_empty or forecast.level is None or forecast.growth is None:
        return None
    span = Span(draft.facts.question.start, find_end(forecast))
    moments = list_moments(forecast.made_at, span.end)
    limit = forecast.limit or 1.0
    chart = Chart(
        start=span.start.timestamp(),
        end=span.end.timestamp(),
        at=[moment + course.step_seconds / 2 for moment in course.at.tolist()] + moments,
        lines=join_lines(course, forecast, moments),
        write=lambda value: write_mark(value, RATIO),
        ticks=list_ticks(draft, span),
        accent=draft.accent,
        most=1.0,
        limit=Limit(limit, _("Limit: %(limit)s") % {"limit": write_share(limit)}),
    )
    return Figure(
        title=name,
        caption=write_caption(draft, span),
        alt=describe(draft, forecast, name, course, span),
        svg=draw_chart(chart),
    )


def find_end(forecast: Forecast) -> datetime:
    """A little behind the moment at which the limit is reached, one to some weeks ahead."""
    ahead = LEAST_AHEAD
    if forecast.full_at is not None:
        ahead = (forecast.full_at - forecast.made_at) * (1 + BEHIND_LIMIT_SHARE)
    return forecast.made_at + min(max(ahead, LEAST_AHEAD), MOST_AHEAD)


def list_moments(start: datetime, end: datetime) -> list[float]:
    found: list[float] = np.linspace(start.timestamp(), end.timestamp(), EXPECTED_POINTS).tolist()
    return found


def join_lines(course: Course, forecast: Forecast, moments: Sequence[float]) -> list[Line]:
    """Two lines over the same times: one ends where the other begins."""
    past: list[Value] = [None] * len(course.at)
    ahead: list[Value] = [None] * len(moments)
    middle, low, high = (
        continue_growth(forecast, growth, moments)
        for growth in (forecast.growth, forecast.growth_low, forecast.growth_high)
    )
    return [
        Line(_("measured"), as_list(course.middle) + ahead),
        Line(_("expected"), past + middle, past + low, past + high),
    ]


def continue_growth(
    forecast: Forecast, growth: float | None, moments: Sequence[float]
) -> list[Value]:
    """The level with so much a day more, from 0 to 1; the expected growth where it is unknown."""
    rate = forecast.growth if growth is None else growth
    days = (np.array(moments) - forecast.made_at.timestamp()) / timedelta(days=1).total_seconds()
    found: list[Value] = np.clip((forecast.level or 0.0) + (rate or 0.0) * days, 0.0, 1.0).tolist()
    return found


def write_caption(draft: Draft, span: Span) -> str:
    return _(
        "Solid: measured; dashed: expected, with the band that holds 80 in 100 outcomes. "
        "Unit: %(unit)s. Period: %(period)s, and ahead until %(until)s."
    ) % {
        "unit": UNITS[RATIO],
        "period": draft.period,
        "until": write_day(span.end, draft.zone),
    }


def describe(draft: Draft, forecast: Forecast, name: str, course: Course, span: Span) -> str:
    """The chart in words."""
    last = continue_growth(forecast, forecast.growth, [span.end.timestamp()])[0]
    return _(
        "Line chart of %(name)s: mean %(mean)s in the period; %(level)s now, and %(last)s expected "
        "on %(until)s."
    ) % {
        "name": name,
        "mean": write_quantity(course.mean, RATIO),
        "level": write_share(forecast.level),
        "last": write_share(last),
        "until": write_day(span.end, draft.zone),
    }
