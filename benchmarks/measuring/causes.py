"""Recorded cases judged: the first cause that is named beside the one that was put in."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.ml.diagnosis.ranking import diagnose

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Named:
    """A run: the cause put in, the first one named, all that were named; seconds it took."""

    run: str
    truth: str
    first: str
    causes: tuple[str, ...]
    seconds: float

    @property
    def is_right(self) -> bool:
        return self.first == self.truth


def judge_all(recorded: Iterable[Any]) -> list[Named]:
    """Each recorded run as the rules of today judge it (tests/injection/cases.py)."""
    return [judge_one(one) for one in recorded]


def judge_one(one: Any) -> Named:
    begun = time.perf_counter()
    judged = diagnose(one.case)
    seconds = time.perf_counter() - begun
    first = judged.first.cause if judged.first is not None else NOTHING
    causes = tuple(verdict.cause for verdict in judged.verdicts)
    return Named(one.run, one.cause or NOTHING, first, causes, seconds)


def find_accuracy(named: Sequence[Named]) -> float:
    return sum(one.is_right for one in named) / len(named) if named else 0.0


def build_confusion(named: Sequence[Named]) -> list[tuple[object, ...]]:
    """For each cause put in: runs, right first causes, recall, precision, and what was named."""
    firsts = Counter(one.first for one in named)
    rows: list[tuple[object, ...]] = []
    for truth in sorted({one.truth for one in named}):
        runs = [one for one in named if one.truth == truth]
        right = sum(one.is_right for one in runs)
        wrong = Counter(one.first for one in runs if not one.is_right)
        precision = f"{right / firsts[truth]:.0%}" if firsts[truth] else ""
        rows.append(
            (
                truth,
                len(runs),
                right,
                f"{right / len(runs):.0%}",
                precision,
                ", ".join(f"{count} x {name}" for name, count in wrong.most_common()),
            )
        )
    return rows
