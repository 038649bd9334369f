"""Free time for runs that need their participants to themselves."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Span:
    """The time from `start` to before `end` that a run has to itself, its margins included."""

    start: datetime
    end: datetime
    run_id: UUID

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a run fits; without a place, what is in its way at the time it was meant for."""

    span: Span | None
    blocker: Span | None = None


def place_run(wanted: Span, *, latest: datetime, taken: Collection[Span]) -> Placing:
    """The first free place of that length that starts from `wanted.start` to `latest`.

    `taken` may be in any order and overlap; a place may touch its neighbours.
    """
    length = wanted.end - wanted.start
    in_the_way = sorted(
        (span for span in taken if span.start < latest + length and span.end > wanted.start),
        key=lambda span: span.start,
    )
    start, blocker = wanted.start, None
    for span in in_the_way:
        if span.start >= start + length:
            break
        if span.end > start:
            start, blocker = span.end, blocker or span
    if start > latest:
        return Placing(None, blocker)
    return Placing(Span(start, start + length, wanted.run_id))


def widen(start: datetime, end: datetime, run_id: UUID, margin: timedelta) -> Span:
    """The span of a run with a margin before and after it."""
    return Span(start - margin, end + margin, run_id)
