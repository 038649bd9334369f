"""Runs with what lists and the run page show of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser
from apps.core.clock import read_now
from apps.dashboard.formats import describe_key
from apps.dashboard.selectors.tests import Headline
from apps.metrics.catalogue import METRICS, parse_key
from apps.tests.kinds import KINDS
from apps.tests.models import Result, Run
from apps.tests.selectors import list_runs


@dataclass(frozen=True, slots=True)
class RunRow:
    """A line of a list of runs."""

    run: Run
    state: str
    result: Result | None
    headlines: tuple[Headline, ...]

    @property
    def began_at(self) -> datetime:
        return self.run.started_at or self.run.start_at

    @property
    def lasted_seconds(self) -> float | None:
        if self.result is None:
            return None
        return (self.result.finished_at - self.result.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Finding:
    """One value of a result, or the reason why there is none."""

    key: str
    meaning: str
    value: float | None
    absent: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    name: str
    findings: tuple[Finding, ...]


def list_begun_runs(user: AnyUser) -> QuerySet[Run]:
    """Runs that began or should have, newest first."""
    waiting = [Run.State.SCHEDULED, Run.State.LEASED]
    # The planned ones, of which there are many, lie before the first row of this range.
    begun = list_runs(user).filter(start_at__lte=read_now()).exclude(state__in=waiting)
    return begun.order_by("-start_at")


def describe_runs(runs: Iterable[Run]) -> list[RunRow]:
    return [describe_run(run) for run in runs]


def describe_run(run: Run) -> RunRow:
    result = find_result(run)
    state = run.state
    if state == Run.State.FINISHED and result is not None and result.is_success is False:
        state = "unsuccessful"
    keys = KINDS[run.assignment.test.kind].headline
    values = result.values if result else {}
    return RunRow(run, state, result, tuple(Headline(key, values.get(key)) for key in keys))


def find_result(run: Run) -> Result | None:
    try:
        return run.result
    except Result.DoesNotExist:
        return None


def describe_findings(result: Result) -> list[FindingGroup]:
    """All values and absences of a result, grouped and ordered as in the catalogue."""
    order = {name: place for place, name in enumerate(METRICS)}
    keys = sorted({*result.values, *result.absent}, key=lambda key: (place_of(key, order), key))
    groups: dict[str, list[Finding]] = {}
    for key in keys:
        parsed = parse_key(key)
        finding = Finding(
            key, describe_key(key), result.values.get(key), result.absent.get(key, "")
        )
        groups.setdefault(parsed.metric.group if parsed else "", []).append(finding)
    return [FindingGroup(name, tuple(findings)) for name, findings in groups.items()]


def place_of(key: str, order: dict[str, int]) -> int:
    parsed = parse_key(key)
    return order[parsed.metric.name] if parsed else len(order)
