"""All that the sections of one report may ask for, read once and only when asked for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.accounts.policy import AnyUser, Permission
from apps.clients.algorithms.selector import Selector
from apps.clients.models import Client
from apps.clients.selectors import list_selected
from apps.metrics.algorithms.grids import Grid
from apps.metrics.selectors import find_sources_of_clients
from apps.ml.algorithms.health_inputs import find_inputs
from apps.ml.models import HealthGoal
from apps.reports.algorithms.accounting import Incident, Tally, Total, add_tallies
from apps.reports.selectors.facts.accounts import Reckoning, Span, reckon
from apps.reports.selectors.facts.gaps import Gap, find_gaps
from apps.reports.selectors.facts.judgements import Judgements, read_judgements
from apps.reports.selectors.facts.series import (
    LATENCY,
    MEASURES,
    Course,
    Measure,
    draw_many,
    draw_sum,
    read_grid,
    read_means,
)
from apps.reports.selectors.links import list_links
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments

HOST_KIND = "host"
# Of the time that was measured in a period, so much must be in the one before it.
ENOUGH_TO_COMPARE = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is about: as whom it reads, which clients and tests, and two periods."""

    user: AnyUser
    selector: Selector
    test_ids: tuple[UUID, ...]
    start: datetime
    end: datetime
    previous_start: datetime
    previous_end: datetime
    zone: ZoneInfo

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def previous(self) -> Span:
        return Span(self.previous_start, self.previous_end)


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one test on one client in the period."""

    assignment: Assignment
    tally: Tally
    incidents: tuple[Incident[UUID], ...]
    goal_ratio: float

    @property
    def down_seconds(self) -> float:
        return sum(one.seconds for one in self.incidents)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal was reached; None where nothing was measured."""
        availability = self.tally.availability
        return None if availability is None else availability >= self.goal_ratio


class Facts:
    """The facts of one question; everything is scoped by what its user may see."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.grids: dict[tuple[str, str, Span], Grid] = {}

    @cached_property
    def clients(self) -> Sequence[Client]:
        """The clients meant, by name."""
        question = self.question
        rows = list_selected(question.user, question.selector, Permission.VIEW)
        return list(rows.order_by("name"))

    @cached_property
    def assignments(self) -> Sequence[Assignment]:
        """What those clients measure, or what they answered to, by test and client."""
        question = self.question
        rows = list_assignments(question.user).filter(created_at__lt=question.end)
        rows = rows.filter(client_id__in=[client.id for client in self.clients])
        if question.test_ids:
            rows = rows.filter(test_id__in=question.test_ids)
        return list(rows.order_by("test__name", "client__name", "id"))

    @cached_property
    def reckoning(self) -> Reckoning:
        return reckon(self.assignments, self.question.span)

    @cached_property
    def previous_reckoning(self) -> Reckoning:
        return reckon(self.assignments, self.question.previous)

    @cached_property
    def gaps(self) -> Sequence[Gap]:
        return find_gaps(self.assignments, self.reckoning.holes, self.question.span)

    @property
    def tallies(self) -> Mapping[UUID, Tally]:
        return self.reckoning.tallies

    @property
    def incidents(self) -> Sequence[Incident[UUID]]:
        return self.reckoning.incidents

    @property
    def previous_incidents(self) -> Sequence[Incident[UUID]]:
        return self.previous_reckoning.incidents

    @cached_property
    def accounts(self) -> Sequence[Account]:
        """One for each test on each client of which runs were due in the period."""
        by_key: dict[UUID, list[Incident[UUID]]] = defaultdict(list)
        for incident in self.incidents:
            by_key[incident.key].append(incident)
        goals = dict(
            HealthGoal.objects.filter(
                test_id__in={one.test_id for one in self.assignments}
            ).values_list("test_id", "availability_goal_ratio")
        )
        return [
            Account(
                assignment=one,
                tally=self.tallies[one.id],
                incidents=tuple(by_key[one.id]),
                goal_ratio=goals.get(
                    one.test_id, find_inputs(one.test.kind).profile.availability_goal_ratio
                ),
            )
            for one in self.assignments
            if self.tallies[one.id].planned
        ]

    @cached_property
    def total(self) -> Total:
        return add_tallies(self.tallies.values())

    @cached_property
    def previous_total(self) -> Total:
        return add_tallies(self.previous_reckoning.tallies.values())

    @property
    def has_previous(self) -> bool:
        """Whether enough was measured in the period before to compare with it."""
        enough = self.total.judged_seconds * ENOUGH_TO_COMPARE
        return self.previous_total.judged_seconds >= enough > 0

    @cached_property
    def assignments_by_id(self) -> Mapping[UUID, Assignment]:
        return {one.id: one for one in self.assignments}

    @cached_property
    def judgements(self) -> Judgements:
        question = self.question
        client_ids = [client.id for client in self.clients]
        return read_judgements(question.user, client_ids, question.span, test_ids=question.test_ids)

    def list_of_kind(self, measure: Measure) -> Mapping[str, Sequence[Assignment]]:
        """The assignments that have the measure, by their kind."""
        found: dict[str, list[Assignment]] = defaultdict(list)
        for one in self.assignments:
            if one.test.kind in measure.keys and one.source_id is not None:
                found[one.test.kind].append(one)
        return found

    def read_measure(self, name: str, kind: str, span: Span) -> Grid:
        """The numbers of a measure over all tests of the kind, read once."""
        found = self.grids.get((name, kind, span))
        if found is None:
            measure = MEASURES[name]
            ids = [one.source_id for one in self.list_of_kind(measure)[kind] if one.source_id]
            found = read_grid(ids, measure.keys[kind], span.start, span.end)
            self.grids[name, kind, span] = found
        return found

    def draw_measure(self, name: str, kind: str) -> Course:
        """The course of a measure over all tests of the kind."""
        return draw_many(self.read_measure(name, kind, self.question.span))

    def read_assignment_means(self, name: str, *, is_previous: bool = False) -> dict[UUID, float]:
        """The mean of a measure over the period, of each assignment that has one."""
        measure = MEASURES[name]
        span = self.question.previous if is_previous else self.question.span
        found: dict[UUID, float] = {}
        for kind, members in self.list_of_kind(measure).items():
            means = read_means(self.read_measure(name, kind, span))
            found |= {
                one.id: mean for one, mean in zip(members, means, strict=True) if mean is not None
            }
        return found

    @cached_property
    def latency_means(self) -> Mapping[UUID, float]:
        """Seconds, of each assignment with a latency."""
        return self.read_assignment_means("latency")

    @cached_property
    def previous_latency_means(self) -> Mapping[UUID, float]:
        return self.read_assignment_means("latency", is_previous=True)

    @cached_property
    def latency_kind(self) -> str:
        """The kind of test that most of the assignments with a latency are of; maybe none."""
        members = self.list_of_kind(LATENCY)
        return max(members, key=lambda kind: len(members[kind]), default="")

    def draw_assignment(self, assignment: Assignment, name: str) -> Course | None:
        """The course of a measure of one assignment; None when its kind has none."""
        key = MEASURES[name].keys.get(assignment.test.kind)
        if key is None or assignment.source_id is None:
            return None
        return self.draw_source(assignment.source_id, key)

    @cached_property
    def interfaces(self) -> Mapping[UUID, Sequence[int]]:
        """The sources of each client's outer interfaces."""
        rows = list_links([client.id for client in self.clients])
        found: dict[UUID, list[int]] = defaultdict(list)
        for client_id, source_id in rows.order_by("subject").values_list("client_id", "id"):
            found[client_id].append(source_id)
        return found

    def draw_traffic(self, key: str, client_ids: Sequence[UUID] | None = None) -> Course:
        """The sum of `key` over the interfaces of those clients, or of all."""
        wanted = self.interfaces if client_ids is None else client_ids
        ids = [source for client_id in wanted for source in self.interfaces.get(client_id, ())]
        span = self.question.span
        return draw_sum(read_grid(ids, key, span.start, span.end))

    @cached_property
    def hosts(self) -> Mapping[UUID, int]:
        return find_sources_of_clients([client.id for client in self.clients], HOST_KIND)

    def draw_host(self, client_id: UUID, key: str) -> Course | None:
        """The course of a metric of a client's host; None when it sends nothing of itself."""
        source_id = self.hosts.get(client_id)
        return None if source_id is None else self.draw_source(source_id, key)

    def draw_source(self, source_id: int, key: str) -> Course:
        """The course of a metric of one source, which the caller may see."""
        span = self.question.span
        return draw_many(read_grid([source_id], key, span.start, span.end))
