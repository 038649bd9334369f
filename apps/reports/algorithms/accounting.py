"""What is counted as available, and what an incident is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Tally:
    """The runs of one test on one client in a period, by what became of them.

    `unknown` were due, and nobody can say how they would have ended. Paused ones are in none.
    """

    good: int = 0
    bad: int = 0
    unknown: int = 0
    run_seconds: float = 1.0

    @property
    def judged(self) -> int:
        return self.good + self.bad

    @property
    def planned(self) -> int:
        return self.judged + self.unknown

    @property
    def availability(self) -> float | None:
        """Good of measured time, 0 to 1; None where nothing was measured."""
        return self.good / self.judged if self.judged else None

    @property
    def coverage(self) -> float | None:
        """Measured of planned time, 0 to 1; None where nothing was planned."""
        return self.judged / self.planned if self.planned else None


@dataclass(frozen=True, slots=True)
class Total:
    """Many tallies together: each run counts with its length."""

    good_seconds: float
    judged_seconds: float
    planned_seconds: float

    @property
    def availability(self) -> float | None:
        return self.good_seconds / self.judged_seconds if self.judged_seconds else None

    @property
    def coverage(self) -> float | None:
        return self.judged_seconds / self.planned_seconds if self.planned_seconds else None


@dataclass(frozen=True, slots=True)
class Turn(Generic[Key]):
    """A judged run whose verdict differs from the one before it, or the first of its key."""

    key: Key
    at: datetime
    is_good: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stretch(Generic[Key]):
    """Runs of one key from `start_at` until before `end_at`, counted, with their turns by time."""

    key: Key
    start_at: datetime
    end_at: datetime
    good: int
    bad: int
    unknown: int
    turns: Sequence[Turn[Key]]


@dataclass(frozen=True, slots=True)
class Incident(Generic[Key]):
    """Failed runs with no good one between them: from the first on until the next good run.

    `is_open`: no good run came before the period ended, which then ends it.
    """

    key: Key
    start_at: datetime
    end_at: datetime
    reason: str
    is_open: bool

    @property
    def seconds(self) -> float:
        return (self.end_at - self.start_at).total_seconds()


def add_tallies(tallies: Iterable[Tally]) -> Total:
    """The sum of good, judged and planned seconds."""
    good = judged = planned = 0.0
    for one in tallies:
        good += one.good * one.run_seconds
        judged += one.judged * one.run_seconds
        planned += one.planned * one.run_seconds
    return Total(good, judged, planned)


def join_stretches(
    stretches: Iterable[Stretch[Key]],
) -> tuple[dict[Key, tuple[int, int, int]], list[Turn[Key]]]:
    """Good, bad and unknown runs by key, and the turns by key in the order of time.

    Stretches of a key do not overlap, and come in any order; a turn that is none, because the
    stretch before ended with the same verdict, is left out.
    """
    by_key: dict[Key, list[Stretch[Key]]] = {}
    for one in stretches:
        by_key.setdefault(one.key, []).append(one)
    counts: dict[Key, tuple[int, int, int]] = {}
    turns: list[Turn[Key]] = []
    for key in sorted(by_key, key=str):
        members = by_key[key]
        members.sort(key=lambda one: one.start_at)
        counts[key] = (
            sum(one.good for one in members),
            sum(one.bad for one in members),
            sum(one.unknown for one in members),
        )
        verdict: bool | None = None
        for turn in (turn for one in members for turn in one.turns):
            if turn.is_good is not verdict:
                turns.append(turn)
                verdict = turn.is_good
    return counts, turns


def find_incidents(turns: Sequence[Turn[Key]], end: datetime) -> list[Incident[Key]]:
    """The incidents that the turns make, in their order; turns of a key are neighbours by time."""
    found = []
    for place, turn in enumerate(turns):
        if turn.is_good:
            continue
        after = turns[place + 1] if place + 1 < len(turns) else None
        is_open = after is None or after.key != turn.key
        until = end if after is None or is_open else after.at
        found.append(Incident(turn.key, turn.at, until, turn.reason, is_open))
    return found
