"""Tests with what their list and their page show of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Avg, Count, Exists, F, FloatField, Max, Min, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from apps.accounts.policy import AnyUser
from apps.core.clock import read_now
from apps.dashboard.selectors.clients import ACTIVE, IS_FAILING, IS_PASSING
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Run, Test
from apps.tests.selectors import list_assignments, list_runs, list_tests

HEADLINE_KEYS = tuple(dict.fromkeys(key for kind in KINDS.values() for key in kind.headline))
ALIASES = {key: f"headline_{index}" for index, key in enumerate(HEADLINE_KEYS)}
SHOWN_BY = {
    key: [name for name, kind in KINDS.items() if key in kind.headline] for key in HEADLINE_KEYS
}


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure that sums a test up: the mean over its clients' newest results."""

    key: str
    value: float | None


@dataclass(frozen=True, slots=True)
class TestRow:
    """A line of the list of tests."""

    test: Test
    client_count: int = 0
    passing_count: int = 0
    failing_count: int = 0
    last_run_at: datetime | None = None
    headlines: tuple[Headline, ...] = ()
    lowest_health: int | None = None

    @property
    def kind_title(self) -> str:
        return KINDS[self.test.kind].title

    @property
    def state(self) -> str:
        if self.test.is_paused:
            return "paused"
        if not self.client_count:
            return "unassigned"
        if self.failing_count:
            return "failing"
        return "passing" if self.passing_count else "waiting"


def search_tests(
    user: AnyUser, *, text: str = "", kind: str = "", state: str = ""
) -> QuerySet[Test]:
    """The tests `user` sees whose name or target holds `text`, of that kind and state."""
    rows = list_tests(user)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(target__address__icontains=text))
    if kind:
        rows = rows.filter(kind=kind)
    if state == "paused":
        return rows.filter(is_paused=True)
    if state in {"failing", "passing"}:
        own = list_assignments(user).order_by().filter(ACTIVE, test_id=OuterRef("id"))
        rows = rows.filter(Exists(own.filter(IS_FAILING if state == "failing" else IS_PASSING)))
        if state == "passing":
            rows = rows.exclude(Exists(own.filter(IS_FAILING)))
    return rows


def describe_tests(user: AnyUser, tests: Sequence[Test]) -> list[TestRow]:
    """The tests with the counts and figures of the clients `user` sees; one query."""
    # A document is searched only for what its kind shows: the searches cost most of the query.
    figures = {
        alias: Avg(
            Cast(KT(f"last_values__{key}"), FloatField()), filter=Q(test__kind__in=SHOWN_BY[key])
        )
        for key, alias in ALIASES.items()
    }
    rows = (
        list_assignments(user)
        .select_related(None)
        .order_by()
        .filter(test_id__in=[test.id for test in tests], removed_at=None)
        .values("test_id")
        .annotate(
            total=Count("id"),
            passing=Count("id", filter=IS_PASSING),
            failing=Count("id", filter=IS_FAILING),
            last=Max("last_run_at"),
            lowest_health=Min("health__score"),
            **figures,
        )
    )
    found: dict[UUID, dict[str, Any]] = {row["test_id"]: dict(row) for row in rows}
    return [describe_test(test, found.get(test.id)) for test in tests]


def describe_test(test: Test, row: dict[str, Any] | None) -> TestRow:
    if row is None:
        return TestRow(test)
    return TestRow(
        test=test,
        client_count=row["total"],
        passing_count=row["passing"],
        failing_count=row["failing"],
        last_run_at=row["last"],
        lowest_health=None if test.is_paused else row["lowest_health"],
        headlines=tuple(Headline(key, row[ALIASES[key]]) for key in KINDS[test.kind].headline),
    )


def list_test_assignments(user: AnyUser, test: Test) -> QuerySet[Assignment]:
    """The test's assignments on clients `user` sees: failing ones first, then by client name."""
    worst_first = F("last_is_success").asc(nulls_last=True)
    rows = list_assignments(user).filter(test=test, removed_at=None)
    return rows.order_by(worst_first, "client__name")


def find_next_start(user: AnyUser, test_id: UUID) -> datetime | None:
    """When the test's next run begins on a client that `user` sees; None when none is planned."""
    waiting = list_runs(user).filter(
        assignment__test_id=test_id,
        state__in=[Run.State.SCHEDULED, Run.State.LEASED],
        start_at__gt=read_now(),
    )
    moment: datetime | None = waiting.order_by().aggregate(next=Min("start_at"))["next"]
    return moment
