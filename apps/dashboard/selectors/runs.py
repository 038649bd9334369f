"""Runs with what lists and the run page show of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser
from apps.core.clock import read_now
from apps.dashboard.selectors.tests import Headline
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
