"""What the clients' interfaces carried."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.reports.sections.base import Draft
from apps.reports.sections.figures import Figure, draw_course
from apps.reports.sections.wording import write_count
from apps.reports.selectors.facts.series import RECEIVED, SENT


class Traffic:
    title = gettext_lazy("Traffic")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        figure = draw_traffic(draft)
        return {"figures": [figure]} if figure else None


def draw_traffic(draft: Draft, client_ids: Sequence[UUID] | None = None) -> Figure | None:
    """Received and sent of those clients, or of all, in one figure."""
    facts = draft.facts
    courses = [
        (_("Received"), facts.draw_traffic(RECEIVED, client_ids)),
        (_("Sent"), facts.draw_traffic(SENT, client_ids)),
    ]
    count = courses[0][1].members
    what = ngettext(
        "Mean rate of %(count)s interface.",
        "Sum of the mean rates of %(count)s interfaces.",
        count,
    ) % {"count": write_count(count)}
    return draw_course(
        draft, title=_("Traffic of the interfaces"), style="bit_rate", courses=courses, what=what
    )
