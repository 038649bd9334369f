"""What a path really did to the packets of one direction: exact counts, and every packet's fate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, Literal

from streamswarm_agent.laboratory.packets import Flow

Fate = Literal["passed", "lost", "policed", "queue_full", "too_big"]
MOST_ENTRIES = 100_000
"""Packets remembered one by one; counts go on without end."""


@dataclass(slots=True)
class Counts:
    """How many packets met what; `reordered` as RFC 4737 counts, by the order of leaving."""

    arrived: int = 0
    arrived_bytes: int = 0
    left: int = 0
    left_bytes: int = 0
    lost: int = 0
    policed: int = 0
    queue_full: int = 0
    too_big: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    marked: int = 0
    bleached: int = 0
    fragmented: int = 0

    @property
    def dropped(self) -> int:
        """Packets that did not pass, for whatever reason."""
        return self.lost + self.policed + self.queue_full + self.too_big


@dataclass(slots=True)
class Entry:
    """One packet. Moments are seconds of the host's monotonic clock.

    `flow` is the place of its flow in the ledger, `tag` tells it apart in it; `traffic_class` is
    as it arrived; `held_seconds` lies between its reading and the writing of its first copy.
    """

    flow: int
    tag: int
    size_bytes: int
    traffic_class: int
    arrived_at: float
    fate: Fate = "passed"
    copies: int = 1
    is_corrupt: bool = False
    is_marked: bool = False
    held_seconds: float | None = None
    is_reordered: bool = False


@dataclass(slots=True)
class DirectionLedger:
    """The account of one direction."""

    flows: list[Flow] = field(default_factory=list)
    counts_by_flow: list[Counts] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    @property
    def total(self) -> Counts:
        """The counts of all flows together."""
        return add_counts(self.counts_by_flow)

    def count(self, **wanted: str | int) -> Counts:
        """The counts of the flows with these fields, as `protocol="udp", destination_port=53`."""
        flows = zip(self.flows, self.counts_by_flow, strict=True)
        return add_counts(counts for flow, counts in flows if _fits(flow, wanted))

    def select(self, **wanted: str | int) -> list[Entry]:
        """The packets of the flows with these fields, in the order of arrival."""
        places = {place for place, flow in enumerate(self.flows) if _fits(flow, wanted)}
        return [entry for entry in self.entries if entry.flow in places]

    @property
    def is_complete(self) -> bool:
        """Whether every packet has an entry."""
        return len(self.entries) == self.total.arrived


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the bridge did since its ledger was opened.

    `missed_count`: packets that its devices dropped before it could read them; an experiment
    proves something only while that is 0.
    """

    forward: DirectionLedger
    reverse: DirectionLedger
    missed_count: int = 0


def add_counts(several: Iterable[Counts]) -> Counts:
    """Their sum."""
    columns = zip(*(astuple(one) for one in several), strict=True)
    return Counts(*(sum(column) for column in columns))


def write_direction(ledger: DirectionLedger) -> dict[str, Any]:
    """The account as JSON; entries are lists in the order of their fields."""
    return {
        "flows": [asdict(flow) for flow in ledger.flows],
        "counts": [asdict(counts) for counts in ledger.counts_by_flow],
        "entries": [[getattr(entry, name) for name in ENTRY_FIELDS] for entry in ledger.entries],
    }


def read_direction(written: Mapping[str, Any]) -> DirectionLedger:
    """The account that `write_direction` wrote."""
    return DirectionLedger(
        [Flow(**flow) for flow in written["flows"]],
        [Counts(**counts) for counts in written["counts"]],
        [Entry(*entry) for entry in written["entries"]],
    )


ENTRY_FIELDS: Sequence[str] = tuple(one.name for one in fields(Entry))


def _fits(flow: Flow, wanted: Mapping[str, str | int]) -> bool:
    return all(getattr(flow, name) == value for name, value in wanted.items())
