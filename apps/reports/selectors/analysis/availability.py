"""How much of what was tried succeeded, and how much of what was planned was tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q

from apps.reports.algorithms.statistics import Share, compare_shares, measure_share
from apps.reports.selectors.analysis.question import Period, Question
from apps.tests.models import Run
from apps.tests.selectors import list_runs

# Those that maintenance paused, or somebody cancelled, were not meant to be.
COUNTED = (Run.State.FINISHED, Run.State.FAILED, Run.State.MISSED, Run.State.NONSTART)
METHOD = (
    "Successful runs of those with a verdict, by planned start. Runs that maintenance paused or "
    "somebody cancelled do not count; coverage is how many of the planned ones have a verdict."
)


@dataclass(frozen=True, slots=True)
class TestAvailability:
    """One test: its share of successes, of how many planned runs, and the share before."""

    __test__ = False

    test_id: UUID
    name: str
    share: Share | None
    planned: int
    before: Share | None
    # How probable such a change is by chance alone.
    chance: float | None

    @property
    def coverage(self) -> float | None:
        return divide(self.share.total if self.share else 0, self.planned)


@dataclass(frozen=True, slots=True)
class Availability:
    """All runs together, and by test, the worst first."""

    share: Share | None
    planned: int
    before: Share | None
    chance: float | None
    tests: tuple[TestAvailability, ...]

    @property
    def coverage(self) -> float | None:
        return divide(self.share.total if self.share else 0, self.planned)

    @property
    def failures(self) -> int:
        return count_failures(self.share)

    @property
    def failures_before(self) -> int:
        return count_failures(self.before)


@dataclass(frozen=True, slots=True)
class Tally:
    name: str
    planned: int
    judged: int
    successes: int


def read_availability(question: Question) -> Availability:
    """Of the runs planned to start in the period, beside the period before. Two queries."""
    now = count_runs(question, question.period)
    before = count_runs(question, question.period.previous)
    tests = [describe_test(test_id, tally, before.get(test_id)) for test_id, tally in now.items()]
    tests.sort(key=lambda one: (one.share is None, one.share.share if one.share else 0, one.name))
    total, earlier = add_up(now), add_up(before)
    return Availability(
        share=measure_share(total.successes, total.judged),
        planned=total.planned,
        before=measure_share(earlier.successes, earlier.judged),
        chance=compare(total, earlier),
        tests=tuple(tests),
    )


def count_runs(question: Question, period: Period) -> dict[UUID, Tally]:
    rows = (
        list_runs(question.user)
        .select_related(None)
        .filter(
            assignment__in=question.list_assignments().order_by().values("id"),
            start_at__gte=period.start,
            start_at__lt=period.end,
            state__in=COUNTED,
        )
    )
    counted = (
        rows.order_by()
        .values_list("assignment__test_id", "assignment__test__name")
        .annotate(
            planned=Count("id"),
            judged=Count("id", filter=Q(result__is_success__isnull=False)),
            successes=Count("id", filter=Q(result__is_success=True)),
        )
    )
    return {test_id: Tally(*columns) for test_id, *columns in counted}


def describe_test(test_id: UUID, now: Tally, before: Tally | None) -> TestAvailability:
    earlier = before or Tally(now.name, 0, 0, 0)
    return TestAvailability(
        test_id=test_id,
        name=now.name,
        share=measure_share(now.successes, now.judged),
        planned=now.planned,
        before=measure_share(earlier.successes, earlier.judged),
        chance=compare(now, earlier),
    )


def add_up(tallies: Mapping[UUID, Tally]) -> Tally:
    rows = tallies.values()
    return Tally(
        "",
        sum(one.planned for one in rows),
        sum(one.judged for one in rows),
        sum(one.successes for one in rows),
    )


def compare(now: Tally, before: Tally) -> float | None:
    return compare_shares((now.successes, now.judged), (before.successes, before.judged))


def count_failures(share: Share | None) -> int:
    return share.total - share.successes if share else 0


def divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None
