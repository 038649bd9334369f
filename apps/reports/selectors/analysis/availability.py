"""How much of what was tried succeeded, and how much of what was planned was tried."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.reports.algorithms.accounting import Tally, add_tallies
from apps.reports.algorithms.statistics import Share, compare_shares, measure_weighted_share
from apps.reports.selectors.analysis.question import Period, Question
from apps.reports.selectors.facts.accounts import Span, reckon
from apps.tests.models import Assignment

METHOD = (
    "Good run time of the run time with a verdict, by planned start: of many tests each run counts "
    "with its length, as in reports. Runs that maintenance paused, that somebody cancelled, or "
    "that are still under way do not count; coverage is how much of the planned run time has a "
    "verdict. Whether a change is more than chance is judged by the counts of runs."
)


@dataclass(frozen=True, slots=True)
class TestAvailability:
    """One test: its share of successes, of how many planned runs, and the share before."""

    __test__ = False

    test_id: UUID
    name: str
    share: Share | None
    planned: int
    coverage: float | None
    before: Share | None
    # How probable such a change is by chance alone.
    chance: float | None


@dataclass(frozen=True, slots=True)
class Availability:
    """All runs together, each with its length, and by test, the worst first."""

    share: Share | None
    planned: int
    coverage: float | None
    before: Share | None
    chance: float | None
    tests: tuple[TestAvailability, ...]

    @property
    def failures(self) -> int:
        return count_failures(self.share)

    @property
    def failures_before(self) -> int:
        return count_failures(self.before)


def read_availability(question: Question) -> Availability:
    """Of the runs planned to start in the period, beside the period before.

    Counted and weighed as reports do, from the days that are kept where they are.
    """
    assignments = list(question.list_assignments())
    names = {one.test_id: one.test.name for one in assignments}
    now = tally_tests(assignments, question.period)
    before = tally_tests(assignments, question.period.previous)
    tests = [
        describe_test(test_id, names[test_id], tallies, before.get(test_id, ()))
        for test_id, tallies in now.items()
    ]
    tests.sort(key=lambda one: (one.share is None, one.share.share if one.share else 0, one.name))
    every, earlier = join(now), join(before)
    return Availability(
        share=measure(every),
        planned=sum(one.planned for one in every),
        coverage=add_tallies(every).coverage,
        before=measure(earlier),
        chance=compare(every, earlier),
        tests=tuple(tests),
    )


def tally_tests(assignments: Sequence[Assignment], period: Period) -> dict[UUID, list[Tally]]:
    """The tallies of each test of which runs were due in the period."""
    tallies = reckon(assignments, Span(period.start, period.end)).tallies
    found: dict[UUID, list[Tally]] = defaultdict(list)
    for one in assignments:
        if tallies[one.id].planned:
            found[one.test_id].append(tallies[one.id])
    return dict(found)


def describe_test(
    test_id: UUID, name: str, now: Sequence[Tally], before: Sequence[Tally]
) -> TestAvailability:
    return TestAvailability(
        test_id=test_id,
        name=name,
        share=measure(now),
        planned=sum(one.planned for one in now),
        coverage=add_tallies(now).coverage,
        before=measure(before),
        chance=compare(now, before),
    )


def join(by_test: Mapping[UUID, Sequence[Tally]]) -> list[Tally]:
    return [one for tallies in by_test.values() for one in tallies]


def measure(tallies: Iterable[Tally]) -> Share | None:
    return measure_weighted_share([(one.good, one.judged, one.run_seconds) for one in tallies])


def compare(now: Sequence[Tally], before: Sequence[Tally]) -> float | None:
    """By the counts alone: what is by chance is a run, however long it is."""
    return compare_shares(count_successes(now), count_successes(before))


def count_successes(tallies: Sequence[Tally]) -> tuple[int, int]:
    return sum(one.good for one in tallies), sum(one.judged for one in tallies)


def count_failures(share: Share | None) -> int:
    return share.total - share.successes if share else 0
