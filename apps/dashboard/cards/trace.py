"""The hops of a trace, with what changed since the run before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.core.autonomous_systems import AutonomousSystem, find_systems
from apps.dashboard.cards.base import Card
from apps.dashboard.cards.path_graph import PathGraph, Way, draw_paths
from apps.dashboard.selectors.documents import list_objects, read_number, read_text, read_whole
from apps.metrics.catalogue import parse_key
from apps.tests.models import Result, Run
from apps.tests.services.hop_systems import list_stations

MOST_HOPS = 64
MOST_STATIONS = 64
MOST_FLOWS = 64
MOST_LABELS = 8
LARGEST_DSCP = 63
BEST_EFFORT = 0
MARKING = "qos.dscp.hop_changed"
Changes = Mapping[int, tuple[frozenset[str], frozenset[str]]]
"""By place on the path: the addresses that came, and those that went."""


@dataclass(frozen=True, slots=True)
class StationRow:
    """An address at a hop; times in seconds, None where the agent said nothing readable.

    `dscp` is what packets reached it with, where the way before marked them anew.
    """

    address: str
    name: str
    system: str
    dscp: int | None
    rtt_min: float | None
    rtt_median: float | None
    rtt_max: float | None
    flows: str
    labels: str
    text: str
    is_new: bool

    @property
    def has_remarks(self) -> bool:
        return self.is_new or self.dscp is not None or bool(self.labels or self.text)


@dataclass(frozen=True, slots=True)
class HopRow:
    """A distance and who answered there; `gone` are addresses of the run before."""

    ttl: int
    sent: float | None
    received: float | None
    loss_ratio: float | None
    is_rate_limited: bool
    stations: tuple[StationRow, ...]
    gone: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        return bool(self.gone) or any(station.is_new for station in self.stations)

    @property
    def has_remarks(self) -> bool:
        return bool(self.gone) or self.is_rate_limited


@dataclass(frozen=True, slots=True)
class TraceView:
    """The table, the graph where there is more than one path, and what it is compared with."""

    hops: tuple[HopRow, ...]
    graph: PathGraph | None
    flow_count: int
    compared_at: datetime | None

    @property
    def changed_count(self) -> int:
        return sum(hop.is_changed for hop in self.hops)

    @property
    def silent_count(self) -> int:
        return sum(not hop.stations for hop in self.hops)


def build_trace_card(run: Run, result: Result) -> Card | None:
    ways = read_ways(result.document)
    former = find_former(run)
    changes = find_changes(ways, read_ways(former.document)) if former else {}
    hops = list_hop_rows(result.document, changes, sent_dscp=find_sent_dscp(result))
    if not hops:
        return None
    view = TraceView(
        hops=hops,
        graph=draw_paths(ways, name_new(changes)),
        flow_count=len(ways),
        compared_at=former.started_at if former else None,
    )
    return Card("dashboard/cards/trace.html", view)


def find_former(run: Run) -> Result | None:
    """The last result before this one in which a hop answered."""
    earlier = Result.objects.filter(
        run__assignment_id=run.assignment_id,
        run__start_at__lt=run.start_at,
        outcome=Result.Outcome.COMPLETED,
        facts__has_key="path.hash",
    )
    return earlier.order_by("-run__start_at").first()


def read_ways(document: Mapping[str, Any]) -> dict[int, Way]:
    """The addresses by flow, from hop 1 on; None for a hop that was silent or not asked."""
    first_ttl = read_number(document.get("first_ttl")) or 1
    before = (None,) * min(max(int(first_ttl) - 1, 0), MOST_HOPS)
    ways = {}
    for number, flow in enumerate(list_objects(document.get("flows"))[:MOST_FLOWS]):
        path = flow.get("path")
        asked = path[:MOST_HOPS] if isinstance(path, list) else []
        ways[number] = (*before, *(read_text(address) or None for address in asked))
    return ways


def find_changes(now: Mapping[int, Way], before: Mapping[int, Way]) -> Changes:
    """Which addresses of a flow are others than before; silence is no change."""
    came: dict[int, set[str]] = {}
    went: dict[int, set[str]] = {}
    for flow, way in now.items():
        for place, (address, former) in enumerate(zip(way, before.get(flow, ()), strict=False)):
            if address is not None and former is not None and address != former:
                came.setdefault(place, set()).add(address)
                went.setdefault(place, set()).add(former)
    known_before = list_by_place(before.values())
    known_now = list_by_place(now.values())
    return {
        place: (
            frozenset(came[place] - known_before[place]),
            frozenset(went[place] - known_now[place]),
        )
        for place in came
    }


def list_by_place(ways: Iterable[Way]) -> dict[int, set[str | None]]:
    places: dict[int, set[str | None]] = {}
    for way in ways:
        for place, address in enumerate(way):
            places.setdefault(place, set()).add(address)
    return places


def name_new(changes: Changes) -> frozenset[tuple[int, str]]:
    return frozenset((place, one) for place, (came, _) in changes.items() for one in came)


def find_sent_dscp(result: Result) -> int:
    """What the packets left with, by the label of the measure of markings; else best effort."""
    for text in (*result.values, *result.absent):
        key = parse_key(text)
        if key is not None and key.metric.name == MARKING:
            said = dict(key.attributes).get("dscp", "")
            return int(said) if said.isascii() and said.isdecimal() else BEST_EFFORT
    return BEST_EFFORT


def list_hop_rows(
    document: Mapping[str, Any], changes: Changes, *, sent_dscp: int
) -> tuple[HopRow, ...]:
    rows = []
    systems = find_systems({address for _ttl, address in list_stations(document.get("hops")) or ()})
    carried = sent_dscp
    for hop in list_objects(document.get("hops"))[:MOST_HOPS]:
        stations = list_objects(hop.get("stations"))[:MOST_STATIONS]
        rows.append(describe_hop(hop, stations, changes, systems or {}, carried=carried))
        quoted = [read_whole(one.get("dscp"), LARGEST_DSCP) for one in stations]
        carried = next((one for one in quoted if one is not None), carried)
    return tuple(rows)


def describe_hop(
    hop: Mapping[str, Any],
    stations: Sequence[Mapping[str, Any]],
    changes: Changes,
    systems: Mapping[str, AutonomousSystem],
    *,
    carried: int,
) -> HopRow:
    """A hop whose packets are expected with the DSCP `carried`."""
    ttl = int(read_number(hop.get("ttl")) or 0)
    came, went = changes.get(ttl - 1, (frozenset[str](), frozenset[str]()))
    return HopRow(
        ttl=ttl,
        sent=read_number(hop.get("sent")),
        received=read_number(hop.get("received")),
        loss_ratio=read_number(hop.get("loss_ratio")),
        is_rate_limited=hop.get("is_rate_limited") is True,
        stations=tuple(describe_station(one, came, systems, carried=carried) for one in stations),
        gone=tuple(sorted(went)),
    )


def describe_station(
    station: Mapping[str, Any],
    came: frozenset[str],
    systems: Mapping[str, AutonomousSystem],
    *,
    carried: int,
) -> StationRow:
    address = read_text(station.get("address"))
    dscp = read_whole(station.get("dscp"), LARGEST_DSCP)
    return StationRow(
        address=address,
        name=read_text(station.get("name")),
        system=str(systems.get(address, "")),
        dscp=None if dscp == carried else dscp,
        rtt_min=read_number(station.get("rtt_min")),
        rtt_median=read_number(station.get("rtt_median")),
        rtt_max=read_number(station.get("rtt_max")),
        flows=write_flows(station.get("flows")),
        labels=", ".join(
            write_label(one) for one in list_objects(station.get("labels"))[:MOST_LABELS]
        ),
        text=read_text(station.get("text")),
        is_new=address in came,
    )


def write_flows(value: Any) -> str:
    """Numbers of flows, counted from 1, runs of them as ranges: `1-3, 7`."""
    flows = value if isinstance(value, list) else []
    known = (read_number(flow) for flow in flows[:MOST_FLOWS])
    numbers = sorted({int(flow) + 1 for flow in known if flow is not None})
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(write_run(part) for part in parts)


def write_run(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return str(first) if first == last else f"{first}\N{EN DASH}{last}"


def write_label(label: Mapping[str, Any]) -> str:
    number, ttl = read_number(label.get("label")), read_number(label.get("ttl"))
    return "?" if number is None or ttl is None else f"{number:.0f}/{ttl:.0f}"
