"""What failed, when, for how long, and why as far as that is known."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.reports.algorithms.accounting import Incident
from apps.reports.sections.base import Draft, name_assignment, write_moment
from apps.reports.sections.sentences import say_reason
from apps.reports.sections.wording import write_count, write_rest, write_span
from apps.reports.sections.words import name_cause
from apps.reports.selectors.facts import Facts


class Incidents:
    title = gettext_lazy("Incidents")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        facts = draft.facts
        if not facts.incidents:
            return None
        rows = [
            {
                "number": number,
                "start": write_moment(incident.start_at, draft.zone),
                "duration": write_span(incident.seconds),
                "is_open": incident.is_open,
                "name": name_assignment(facts.assignments_by_id[incident.key]),
                "cause": find_cause(facts, incident),
            }
            for number, incident in draft.numbered
        ]
        return {
            "rows": rows,
            "count": len(facts.incidents),
            "count_words": write_count(len(facts.incidents)),
            "left_out": write_rest(len(facts.incidents) - len(rows)),
            "total": write_span(sum(one.seconds for one in facts.incidents)),
        }


def find_cause(facts: Facts, incident: Incident[UUID]) -> str:
    """A diagnosis of that time names it; else what the first failed run said."""
    assignment = facts.assignments_by_id[incident.key]
    for one in facts.judgements.diagnoses:
        is_of_it = one.client_id == assignment.client_id and one.test_id in {
            None,
            assignment.test_id,
        }
        if one.cause and is_of_it and incident.start_at <= one.about_at <= incident.end_at:
            return name_cause(one.cause)
    return say_reason(incident.reason) or _("no cause known")
