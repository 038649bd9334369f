"""Each test by itself: what it asks, and what every client measured of it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.reports.sections.base import Draft, name_assignment
from apps.reports.sections.figures import Figure, draw_course
from apps.reports.sections.marks import list_marks
from apps.reports.sections.quality import write_title
from apps.reports.sections.wording import (
    write_availability,
    write_count,
    write_quantity,
    write_rest,
    write_seconds,
    write_share,
    write_span,
)
from apps.reports.sections.words import name_kind
from apps.reports.selectors.facts.gathering import Account
from apps.reports.selectors.facts.series import MEASURES
from apps.tests.models import Test

MOST_TESTS = 5
MOST_FIGURES = 12


class Tests:
    title = gettext_lazy("Tests")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        by_test = [
            list(members)
            for _id, members in groupby(
                draft.facts.accounts, key=lambda one: one.assignment.test_id
            )
        ]
        if not by_test:
            return None
        return {
            "tests": [describe_test(draft, members) for members in by_test[:MOST_TESTS]],
            "left_out": write_rest(len(by_test) - MOST_TESTS),
        }


def describe_test(draft: Draft, accounts: Sequence[Account]) -> dict[str, Any]:
    test = accounts[0].assignment.test
    figures = (figure for one in accounts for figure in draw_figures(draft, one))
    return {
        "name": test.name,
        "rows": describe_definition(test),
        "clients": [describe_client(draft, one) for one in accounts],
        "figures": list(islice(figures, MOST_FIGURES)),
    }


def describe_definition(test: Test) -> list[tuple[str, str]]:
    """Name and value of what the test asks."""
    every = write_span(test.every_seconds) if test.every_seconds else ""
    rows = [
        (_("Type"), name_kind(test.kind)),
        (_("Target"), test.target.address if test.target else ""),
        (_("Every"), every),
        (_("A run lasts"), write_span(test.duration_seconds)),
    ]
    return [(name, value) for name, value in rows if value]


def describe_client(draft: Draft, account: Account) -> dict[str, str]:
    return {
        "name": account.assignment.client.name,
        "availability": write_availability(account.tally.availability),
        "latency": write_seconds(draft.facts.latency_means.get(account.assignment.id)),
        "incidents": write_count(len(account.incidents)),
        "down": write_span(account.down_seconds) if account.incidents else "",
        "coverage": write_share(account.tally.coverage),
    }


def draw_figures(draft: Draft, account: Account) -> Iterator[Figure]:
    """A figure for each measure that the test has on that client, read when it is asked for."""
    assignment = account.assignment
    for name, measure in MEASURES.items():
        course = draft.facts.draw_assignment(assignment, name)
        if course is None:
            continue
        figure = draw_course(
            draft,
            title=write_title(measure, name_assignment(assignment)),
            style=measure.style,
            courses=[(str(measure.title), course)],
            what=_("Line: mean %(mean)s; band: least to most.")
            % {"mean": write_quantity(course.mean, measure.style)},
            marks=list_marks(draft, {assignment.id}),
        )
        if figure is not None:
            yield figure
