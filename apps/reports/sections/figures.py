"""Charts with the words around them: never one without its unit and its period."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from apps.metrics.algorithms.series import Numbers
from apps.reports.algorithms.charts import Chart, Line, Mark, Value, draw_chart
from apps.reports.sections.base import Draft
from apps.reports.sections.wording import write_count, write_mark, write_quantity, write_span
from apps.reports.selectors.facts.accounts import Span
from apps.reports.selectors.facts.series import Course

UNITS = {"duration": "ms, s", "ratio": "%", "bit_rate": "bit/s"}
WHOLE = {"ratio": 1.0}
# The longest span of each step of the time axis.
TICK_STEPS = (
    (timedelta(days=1.5), timedelta(hours=4), "H:i"),
    (
        timedelta(days=4),
        timedelta(hours=12),
        pgettext_lazy("date, in Django's letters", "j M, H:i"),
    ),
    (timedelta(days=10), timedelta(days=1), pgettext_lazy("date, in Django's letters", "D j M")),
    (timedelta(days=40), timedelta(days=4), pgettext_lazy("date, in Django's letters", "j M")),
    (timedelta(days=110), timedelta(days=14), pgettext_lazy("date, in Django's letters", "j M")),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its title, its caption, and the words for who does not see it."""

    title: str
    caption: str
    alt: str
    svg: str

    @property
    def url(self) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


def draw_course(
    draft: Draft,
    *,
    title: str,
    style: str,
    courses: Sequence[tuple[str, Course]],
    what: str,
    marks: Sequence[Mark] = (),
) -> Figure | None:
    """A figure of one or two courses over the same buckets; None when nothing was measured.

    `what` says what the line and its band are.
    """
    drawn = [(label, course) for label, course in courses if not course.is_empty]
    if not drawn:
        return None
    question = draft.facts.question
    has_band = len(drawn) == 1 and not np.array_equal(
        drawn[0][1].low, drawn[0][1].high, equal_nan=True
    )
    lines = [
        Line(
            label,
            as_list(course.middle),
            as_list(course.low) if has_band else (),
            as_list(course.high) if has_band else (),
        )
        for label, course in drawn
    ]
    span = question.span
    chart = Chart(
        start=span.start.timestamp(),
        end=span.end.timestamp(),
        at=[moment + drawn[0][1].step_seconds / 2 for moment in drawn[0][1].at.tolist()],
        lines=lines,
        write=lambda value: write_mark(value, style),
        ticks=list_ticks(draft, span),
        marks=marks,
        accent=draft.accent,
        most=WHOLE.get(style),
    )
    return Figure(
        title=title,
        caption=write_caption(draft, style, what, drawn[0][1].step_seconds, marks),
        alt=describe(title, style, drawn, marks),
        svg=draw_chart(chart),
    )


def write_caption(
    draft: Draft, style: str, what: str, step_seconds: int, marks: Sequence[Mark]
) -> str:
    text = _("%(what)s Each point covers %(step)s. Unit: %(unit)s. Period: %(period)s.") % {
        "what": what,
        "step": write_span(step_seconds),
        "unit": UNITS[style],
        "period": draft.period,
    }
    if not marks:
        return text
    return f"{text} " + _("Shaded: incidents, by their number in the list.")


def describe(
    title: str, style: str, drawn: Sequence[tuple[str, Course]], marks: Sequence[Mark]
) -> str:
    """The chart in words."""
    parts = []
    for label, course in drawn:
        words = {
            "label": label,
            "mean": write_quantity(course.mean, style),
            "least": write_quantity(float(np.nanmin(course.middle)), style),
            "most": write_quantity(float(np.nanmax(course.middle)), style),
        }
        parts.append(_("%(label)s: mean %(mean)s, from %(least)s to %(most)s.") % words)
    if marks:
        count = len(marks)
        parts.append(
            ngettext("%(count)s incident is marked.", "%(count)s incidents are marked.", count)
            % {"count": write_count(count)}
        )
    return _("Line chart of %(title)s. %(rest)s") % {"title": title, "rest": " ".join(parts)}


def as_list(values: Numbers) -> list[Value]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def list_ticks(draft: Draft, span: Span) -> list[tuple[float, str]]:
    """Moments of the time axis in the report's zone: whole hours, days or months."""
    zone, length = draft.zone, timedelta(seconds=span.seconds)
    for longest, step, words in TICK_STEPS:
        if length <= longest:
            return step_through(span, step, str(words), draft)
    words_of_month = pgettext("date, in Django's letters", "M Y")
    begin = span.start.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    while begin < span.end:
        if begin >= span.start:
            found.append((begin.timestamp(), formats.date_format(begin, words_of_month)))
        begin = (begin + timedelta(days=32)).replace(day=1)
    return found


def step_through(span: Span, step: timedelta, words: str, draft: Draft) -> list[tuple[float, str]]:
    """From the first midnight on the wall clock on, in steps of that clock."""
    local = span.start.astimezone(draft.zone)
    moment: datetime = local.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while moment < span.end:
        if moment >= span.start:
            found.append((moment.timestamp(), formats.date_format(moment, words)))
        moment += step
    return found
