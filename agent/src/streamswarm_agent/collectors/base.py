"""What every collector hands back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class CollectedFrame:
    """The values of one source at one moment, by metric key in base units.

    `absent` maps a metric key that could not be measured to its reason code: U, P, T, N or I
    (docs/wire.md).
    """

    source_kind: str
    subject: str
    values: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectedFact:
    """A text about a source; the agent sends it when it first appears and when it changes."""

    source_kind: str
    subject: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class CollectedDocument:
    """A picture of what changes too fast for layouts: processes, connections.

    `kind` is the kind of the record as well as of its source; `body` is JSON of at most 64 kB.
    """

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Collection:
    """All that one pass of a collector found."""

    frames: tuple[CollectedFrame, ...] = ()
    facts: tuple[CollectedFact, ...] = ()
    documents: tuple[CollectedDocument, ...] = ()


class Collector(Protocol):
    """One family of host metrics. A new one is one file, one test and one line in the table."""

    name: ClassVar[str]

    def collect(self) -> Collection:
        """Read everything once, without waiting; rates are taken against the previous pass."""
