"""What is wrong with a chain of seals, told from the row, its neighbours and the head."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    CUT = "cut"
    HEAD = "head"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Link:
    """A row's place in the chain: its id, the seal it builds on, its own, and the right one."""

    entry_id: int
    previous_digest: str
    digest: str
    expected_digest: str

    @property
    def is_sealed(self) -> bool:
        return self.digest == self.expected_digest


@dataclass(frozen=True, slots=True)
class Fault:
    """The first bad row (0 when the chain has none) and what is wrong, in a sentence."""

    kind: FaultKind
    entry_id: int
    detail: str


def judge_link(
    link: Link, *, previous_id: int, previous_digest: str, follower: str
) -> Fault | None:
    """What is wrong with `link`, or None.

    `follower` is the seal that the next row builds on (at the end, the head's): when it is
    `previous_digest`, the chain goes on as if `link` were not there, so it was put in.
    """
    is_continuing = link.previous_digest == previous_digest
    if link.is_sealed and is_continuing:
        return None
    number = link.entry_id
    if follower == previous_digest and follower != link.digest:
        return Fault(FaultKind.INSERTED, number, f"Entry {number} was inserted.")
    if not link.is_sealed:
        return Fault(FaultKind.CHANGED, number, f"Entry {number} was changed.")
    where = f"between entries {previous_id} and {number}" if previous_id else f"before {number}"
    return Fault(FaultKind.MISSING, number, f"Entries are missing {where}.")
