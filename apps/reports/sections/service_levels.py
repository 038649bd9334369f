"""Each test on each client against its goal, and how that is counted."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.reports.sections.base import Draft, name_assignment
from apps.reports.sections.wording import (
    write_availability,
    write_count,
    write_rest,
    write_share,
    write_span,
)

MOST_ROWS = 500


class ServiceLevels:
    title = _("Service levels")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        accounts = draft.facts.accounts
        if not accounts:
            return None
        rows = [
            {
                "name": name_assignment(one.assignment),
                "goal": write_availability(one.goal_ratio),
                "availability": write_availability(one.tally.availability),
                "is_met": one.is_met,
                "down": write_span(one.down_seconds) if one.incidents else "",
                "incidents": write_count(len(one.incidents)) if one.incidents else "",
                "runs": write_count(one.tally.judged),
                "coverage": write_share(one.tally.coverage),
            }
            for one in accounts[:MOST_ROWS]
        ]
        return {
            "rows": rows,
            "left_out": write_rest(len(accounts) - len(rows)),
            "availability": write_availability(draft.facts.total.availability),
            "coverage": write_share(draft.facts.total.coverage),
            "met": write_count(sum(1 for one in accounts if one.is_met)),
            "missed": write_count(sum(1 for one in accounts if one.is_met is False)),
            "period": draft.period,
        }
