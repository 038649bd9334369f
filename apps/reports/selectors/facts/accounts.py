"""What became of the runs of a period, with the incidents in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from apps.reports.algorithms.accounting import Incident, Tally, find_incidents, join_stretches
from apps.reports.selectors.facts.gaps import Holes
from apps.reports.selectors.facts.stretches import Span, read_stretches
from apps.tests.models import Assignment

__all__ = ["Reckoning", "Span", "reckon"]
NONE = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The tally of each assignment, and their incidents by assignment and time.

    `holes` tells by which stretches it was counted, which changes nothing of the rest.
    """

    tallies: Mapping[UUID, Tally]
    incidents: Sequence[Incident[UUID]]
    holes: Holes = field(compare=False)


def reckon(assignments: Collection[Assignment], span: Span) -> Reckoning:
    """Of the assignments, which the caller may see."""
    seconds = {one.id: one.test.duration_seconds for one in assignments}
    stretches = read_stretches(seconds, span)
    counts, turns = join_stretches(stretches)
    tallies = {key: Tally(*counts.get(key, NONE), run_seconds=seconds[key]) for key in seconds}
    holes = {
        (one.key, Span(one.start_at, one.end_at)): one.unknown for one in stretches if one.unknown
    }
    return Reckoning(tallies, find_incidents(turns, span.end), holes)
