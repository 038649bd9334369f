"""What the words mean, how much was measured, and where it was not."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.reports.sections.base import Draft, name_assignment, write_moment, write_period
from apps.reports.sections.wording import write_count, write_rest, write_share, write_span
from apps.reports.selectors.facts.gathering import Account

FULL_ENOUGH_RATIO = 0.95
MOST_GAPS = 30


class Appendix:
    title = gettext_lazy("Definitions and coverage")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        facts = draft.facts
        question = facts.question
        gaps = list_gaps(facts.accounts)
        return {
            "definitions": list_definitions(),
            "period": draft.period,
            "previous": write_period(question.previous_start, question.previous_end, question.zone),
            "clients": write_count(len(facts.clients)),
            "assignments": write_count(len(facts.accounts)),
            "runs": write_count(sum(one.tally.planned for one in facts.accounts)),
            "coverage": write_share(facts.total.coverage),
            "gaps": gaps[:MOST_GAPS],
            "gaps_left_out": write_rest(len(gaps) - MOST_GAPS),
            "silences": list_silences(draft),
            "made": write_moment(draft.now, draft.zone),
        }


def list_gaps(accounts: Sequence[Account]) -> list[dict[str, str]]:
    """Of what less than 95 in 100 of its runs was measured, the least first."""
    short = [one for one in accounts if (one.tally.coverage or 0.0) < FULL_ENOUGH_RATIO]
    short.sort(key=lambda one: one.tally.coverage or 0.0)
    return [
        {
            "name": name_assignment(one.assignment),
            "coverage": write_share(one.tally.coverage),
            "unknown": write_count(one.tally.unknown),
            "planned": write_count(one.tally.planned),
        }
        for one in short
    ]


def list_silences(draft: Draft) -> list[dict[str, str]]:
    """When a client measured nothing although runs were due; the longest, by time."""
    names = {client.id: client.name for client in draft.facts.clients}
    longest = sorted(draft.facts.gaps, key=lambda gap: gap.start_at - gap.end_at)[:MOST_GAPS]
    return [
        {
            "client": names[gap.client_id],
            "start": write_moment(gap.start_at, draft.zone),
            "end": _("not over") if gap.is_open else write_moment(gap.end_at, draft.zone),
            "lasted": write_span((gap.end_at - gap.start_at).total_seconds()),
        }
        for gap in sorted(longest, key=lambda gap: (gap.start_at, names[gap.client_id]))
    ]


def list_definitions() -> list[tuple[str, str]]:
    return [
        (
            _("Availability"),
            _(
                "Good run time divided by measured run time. A run is good when it reached its "
                "target as its test asks. Of many tests together each run counts with its length."
            ),
        ),
        (
            _("Measured (coverage)"),
            _(
                "Runs with a verdict divided by the runs that were due. Runs without one, because "
                "the agent was away, could not execute or never began, are unknown: they are "
                "left out of the availability and lower the coverage."
            ),
        ),
        (
            _("Maintenance"),
            _(
                "Runs that a maintenance window paused, and runs that somebody cancelled, are in "
                "no count. A window that only mutes alerts changes nothing here."
            ),
        ),
        (
            _("Incident"),
            _(
                "Failed runs of one test on one client with no good run between them, from the "
                "start of the first until the start of the next good run. Down time is the sum."
            ),
        ),
        (
            _("Goal"),
            _("The availability that the test is asked for, or what is usual for its type."),
        ),
        (
            _("Health"),
            _(
                "0 to 100, from 80 on healthy, from 60 on a warning; how it is made of "
                "performance, availability and reliability says the documentation."
            ),
        ),
        (
            _("Capacity"),
            _(
                "The growth of the last days continued, with an interval that holds 80 in 100 "
                "outcomes; where the growth is not certain enough, nothing is foretold."
            ),
        ),
    ]
