"""Latency and loss of the tests, kind by kind."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.reports.sections.base import Draft
from apps.reports.sections.figures import Figure, draw_course
from apps.reports.sections.marks import list_marks
from apps.reports.sections.wording import write_count
from apps.reports.sections.words import name_kind
from apps.reports.selectors.facts.series import MEASURES, Course, Measure


class Quality:
    title = gettext_lazy("Latency and loss")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        figures = draw_measures(draft, ("latency", "loss"))
        return {"figures": figures} if figures else None


def draw_measures(draft: Draft, names: tuple[str, ...]) -> list[Figure]:
    """A figure for each measure and kind of test that has numbers of it."""
    figures = []
    for name in names:
        measure = MEASURES[name]
        for kind, members in draft.facts.list_of_kind(measure).items():
            course = draft.facts.draw_measure(name, kind)
            figure = draw_course(
                draft,
                title=write_title(measure, name_kind(kind)),
                style=measure.style,
                courses=[(str(measure.title), course)],
                what=describe_members(course),
                marks=list_marks(draft, {one.id for one in members}),
            )
            figures += [figure] if figure else []
    return figures


def write_title(measure: Measure, of: str) -> str:
    return _("%(measure)s: %(of)s") % {"measure": measure.title, "of": of}


def describe_members(course: Course) -> str:
    """What the line and its band are made of."""
    if course.members == 1:
        return _("Line: mean; band: least to most.")
    return ngettext(
        "Line: median of %(count)s test; band: 80 in 100 of them.",
        "Line: median of %(count)s tests; band: 80 in 100 of them.",
        course.members,
    ) % {"count": write_count(course.members)}
