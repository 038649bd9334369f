"""The figures of a test that its page draws when asked for, beyond the charts of its kind."""

from collections.abc import Collection
from dataclasses import dataclass

from apps.dashboard.charts import Line, Panel
from apps.dashboard.formats import find_style
from apps.dashboard.kind_charts import name_line
from apps.dashboard.selectors.history import RUNS
from apps.tests.models import Assignment
from apps.tests.selectors import list_measured_keys


@dataclass(frozen=True, slots=True)
class Figures:
    """The keys that can be chosen, those of samples and those of whole runs, and the chosen one."""

    sampled: tuple[str, ...]
    of_runs: tuple[str, ...]
    chosen: str

    @property
    def panels(self) -> list[Panel]:
        """The chart of the chosen one; none when none is."""
        if not self.chosen:
            return []
        line = name_line(self.chosen)
        if self.chosen in self.of_runs:
            line = Line(self.chosen, line.label, source=RUNS[0])
        return [Panel(self.chosen, find_style(self.chosen), (line,))]


def list_figures(assignment: Assignment, drawn: Collection[str], wanted: str) -> Figures:
    """What else the assignment measures than is drawn; `wanted` is chosen if it is among that."""
    keys = list_measured_keys(assignment)
    sampled = tuple(key for key in keys.sampled if key not in drawn)
    return Figures(
        sampled=sampled,
        of_runs=keys.of_runs,
        chosen=wanted if wanted in {*sampled, *keys.of_runs} else "",
    )
