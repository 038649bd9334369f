"""All that a diagnosis may look at: facts of one client, gathered by the server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Usual:
    """What a metric was in the past: its median, and the 5th and 95th percentile."""

    low: float
    median: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What one test found: its newest values, and what is usual for each of them."""

    kind: str
    target: str
    at: float
    is_success: bool | None
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, Usual] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    assignment_id: str = ""
    run_id: str = ""

    @property
    def has_failed(self) -> bool:
        return self.is_success is False


@dataclass(frozen=True, slots=True)
class Hop:
    """A router of the newest trace, by its distance; None where it did not answer."""

    number: int
    address: str
    loss_ratio: float | None
    rtt_seconds: float | None


@dataclass(frozen=True, slots=True)
class Sibling:
    """How another test, or another client, fares at the same time."""

    name: str
    is_failing: bool


@dataclass(frozen=True, slots=True)
class FileSystem:
    mount: str
    utilization_ratio: float
    days_left: float | None = None
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """Counts now, and the rise of any of them lately."""

    name: str
    is_passed: bool | None
    bad_sector_count: float
    bad_sector_rise: float


@dataclass(frozen=True, slots=True)
class Link:
    """An interface of the client; rates of errors and drops a second."""

    name: str
    is_up: bool
    is_wireless: bool = False
    utilization_ratio: float | None = None
    error_rate: float | None = None
    duplex: str = ""
    carrier_changes: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question: what is wrong with this, at this moment.

    `observed` is the result in question, or None when it is about a whole client. `related` are
    newest results of other tests of the same client to the same target, `gateway` those to its
    first router. Utilisation of the way by hour of the day and route changes are Unix seconds.
    """

    at: float
    observed: Observation | None = None
    related: tuple[Observation, ...] = ()
    gateway: tuple[Observation, ...] = ()
    hops: tuple[Hop, ...] = ()
    route_changes: tuple[float, ...] = ()
    host: Mapping[str, float] = field(default_factory=dict)
    host_usual: Mapping[str, Usual] = field(default_factory=dict)
    busiest_process: str = ""
    file_systems: tuple[FileSystem, ...] = ()
    disks: tuple[Disk, ...] = ()
    links: tuple[Link, ...] = ()
    wifi: Mapping[str, float] = field(default_factory=dict)
    clock_offset_seconds: float | None = None
    heartbeat_age_seconds: float | None = None
    heartbeat_interval_seconds: float = 30.0
    same_target: tuple[Sibling, ...] = ()
    same_client: tuple[Sibling, ...] = ()
    same_site: tuple[Sibling, ...] = ()
    hourly_round_trips: Mapping[int, float] = field(default_factory=dict)

    def iterate_results(self) -> Iterator[Observation]:
        """The result in question, then the related ones."""
        if self.observed is not None:
            yield self.observed
        yield from self.related

    def find_kind(self, *kinds: str) -> Observation | None:
        """The first result of one of the kinds to this target."""
        return next((one for one in self.iterate_results() if one.kind in kinds), None)

    def find_metric(self, *keys: str) -> tuple[Observation, str] | None:
        """The first result that has one of the metrics, and which; the keys in their order."""
        for key in keys:
            for one in self.iterate_results():
                if key in one.values:
                    return one, key
        return None
