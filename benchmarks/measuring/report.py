"""How every benchmark ends: a table for people, one JSON line for machines."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Claim:
    """One measured claim beside what it is compared with in the same run."""

    claim: str
    value: float
    unit: str
    goal: float
    better: str
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of the table, whose columns are as wide as their longest cell."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print("\n".join(format_table(header, rows)))


def finish(claim: Claim) -> None:
    """Print the closing JSON line and leave with 1 when the goal was missed."""
    finish_all(claim)


def finish_all(*claims: Claim) -> None:
    """As `finish`, with a line for each claim and 1 when any goal was missed."""
    for claim in claims:
        print(json.dumps(asdict(claim)))
    sys.exit(0 if all(claim.is_met for claim in claims) else 1)
