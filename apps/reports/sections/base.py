"""What a section of a report is given, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import pgettext

from apps.reports.algorithms.accounting import Incident
from apps.reports.selectors.facts import Facts
from apps.tests.models import Assignment

MOST_INCIDENTS = 25


@dataclass(frozen=True, slots=True)
class Draft:
    """The report that is being made."""

    facts: Facts
    accent: str
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return self.facts.question.zone

    @property
    def period(self) -> str:
        """Both ends in words, with the zone."""
        question = self.facts.question
        return write_period(question.start, question.end, self.zone)

    @property
    def numbered(self) -> Sequence[tuple[int, Incident[Any]]]:
        """The longest incidents, numbered in the order of time: charts and tables name them so."""
        longest = sorted(self.facts.incidents, key=lambda one: (-one.seconds, one.start_at))
        shown = sorted(longest[:MOST_INCIDENTS], key=lambda one: (one.start_at, str(one.key)))
        return list(enumerate(shown, start=1))


class Section(Protocol):
    """A part of a report; its template is templates/reports/sections/<its name in the table>."""

    @property
    def title(self) -> str | Promise: ...

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        """What its template shows; None without facts, and then the section is left out."""


def name_assignment(assignment: Assignment) -> str:
    """The test and where it runs."""
    peer = f" \N{RIGHTWARDS ARROW} {assignment.peer.name}" if assignment.peer else ""
    return f"{assignment.test.name} @ {assignment.client.name}{peer}"


def write_moment(moment: datetime, zone: tzinfo) -> str:
    words = pgettext("date, in Django's letters", "j M Y, H:i")
    return formats.date_format(moment.astimezone(zone), words)


def write_day(moment: datetime, zone: tzinfo) -> str:
    words = pgettext("date, in Django's letters", "j M Y")
    return formats.date_format(moment.astimezone(zone), words)


def write_period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    return f"{write_moment(start, zone)} \N{EN DASH} {write_moment(end, zone)} ({zone.key})"
