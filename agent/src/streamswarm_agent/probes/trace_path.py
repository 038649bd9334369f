"""From the answers of a trace to hops and paths; pure functions without clocks or sockets."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamswarm_agent.probes.trace_answers import Answer, Label

INITIAL_TTLS = (64, 128, 255)
"""What systems begin with: Unix, Windows, routers."""
FARTHEST_HOPS = 48
"""No path is longer; a reply that seems to have come so far began with another TTL."""
HASH_DIGITS = 16
Path = tuple[str | None, ...]
"""Addresses from the first hop asked on; None for a hop that did not answer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One probe and its answer, None for none in time."""

    flow: int
    ttl: int
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class FlowPath:
    """The way of one flow; `end_ttl` is where the target, or a refusal, answered."""

    flow: int
    path: Path
    end_ttl: int | None
    is_reached: bool
    round_trips: tuple[float, ...]
    """Of the target's answers at `end_ttl`, in seconds."""


@dataclass(frozen=True, slots=True)
class Station:
    """An address that answered at a hop, and for which flows; round trips in seconds."""

    address: str
    flows: tuple[int, ...]
    round_trips: tuple[float, ...]
    received_ttl: int | None
    labels: tuple[Label, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Hop:
    """All that is known of a distance.

    `forwarding_loss_ratio` is the share of probes that may have been lost up to here: that of the
    best hop from here on. What a hop itself answers less is its own reluctance to answer.
    """

    ttl: int
    sent_count: int
    received_count: int
    stations: tuple[Station, ...]
    forwarding_loss_ratio: float = 0.0

    @property
    def loss_ratio(self) -> float:
        return 1 - self.received_count / self.sent_count

    @property
    def is_rate_limited(self) -> bool:
        """Whether later hops answer more often: it forwards what it does not answer itself."""
        return self.received_count > 0 and self.loss_ratio > self.forwarding_loss_ratio

    @property
    def round_trips(self) -> list[float]:
        return [seconds for station in self.stations for seconds in station.round_trips]


def find_paths(trials: Iterable[Trial], first_ttl: int) -> list[FlowPath]:
    """The way of each flow, in the order of flows; a flow without any answer has an empty path."""
    by_flow: dict[int, list[Trial]] = {}
    for trial in trials:
        by_flow.setdefault(trial.flow, []).append(trial)
    return [_find_path(flow, by_flow[flow], first_ttl) for flow in sorted(by_flow)]


def list_hops(trials: Iterable[Trial], paths: Sequence[FlowPath]) -> list[Hop]:
    """The hops up to the end of each flow's path.

    A flow without an end reaches as far as the others do: what it lost on the way counts.
    """
    asked = list(trials)
    ends = [path.end_ttl for path in paths if path.end_ttl]
    answered = [trial.ttl for trial in asked if trial.answer]
    reach = max(ends or answered, default=0)
    last = {path.flow: path.end_ttl or reach for path in paths}
    by_ttl: dict[int, list[Trial]] = {}
    for trial in asked:
        if trial.ttl <= last[trial.flow]:
            by_ttl.setdefault(trial.ttl, []).append(trial)
    return _add_forwarding_loss([_describe_hop(ttl, by_ttl[ttl]) for ttl in sorted(by_ttl)])


def count_distinct(paths: Iterable[FlowPath]) -> int:
    """How many different paths there are at least.

    A silent hop agrees with every address, and a path without an end with every way to go on.
    """
    known: list[Path] = []
    for one in sorted(paths, key=lambda one: (one.end_ttl is None, one.path.count(None))):
        reach = None if one.end_ttl else len(one.path)
        if one.path and not any(_agree(one.path, other[:reach]) for other in known):
            known.append(one.path)
    return len(known)


def fill_gaps(paths: Iterable[FlowPath], former: Mapping[int, Path]) -> dict[int, Path]:
    """The addresses by flow, with silent hops named as in the former paths where all else agrees.

    A path that does not reach the target is taken to go on as before when it begins as before.
    """
    return {path.flow: _fill_gaps(path, former.get(path.flow, ())) for path in paths}


def hash_paths(paths: Mapping[int, Path]) -> str:
    """16 hex digits of the SHA-1 of the addresses that answered, flow by flow."""
    lines = [
        f"{flow}:{','.join(address for address in path if address)}"
        for flow, path in sorted(paths.items())
    ]
    return hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False).hexdigest()[:HASH_DIGITS]


def has_loop(path: Path) -> bool:
    """Whether an address stands at two distances of the path."""
    known = [address for address in path if address]
    return len(set(known)) < len(known)


def estimate_asymmetry(hop_count: int, received_ttl: int) -> int | None:
    """Hops of the way there minus those of the way back; None when the way back is unknowable.

    The answer is taken to have begun with the next higher of 64, 128 and 255.
    """
    initial = next((ttl for ttl in INITIAL_TTLS if ttl >= received_ttl), None)
    if initial is None or initial - received_ttl >= FARTHEST_HOPS:
        return None
    return hop_count - (initial - received_ttl + 1)


def _find_path(flow: int, trials: Sequence[Trial], first_ttl: int) -> FlowPath:
    answered = [(one.ttl, one.answer) for one in trials if one.answer]
    ends = [(ttl, answer) for ttl, answer in answered if answer.verdict != "passed"]
    end_ttl = min((ttl for ttl, _ in ends), default=None)
    last = end_ttl or max((ttl for ttl, _ in answered), default=first_ttl - 1)
    path = tuple(
        _most_frequent(answer.address for ttl, answer in answered if ttl == wanted)
        for wanted in range(first_ttl, last + 1)
    )
    at_end = [answer for ttl, answer in ends if ttl == end_ttl and answer.verdict == "reached"]
    round_trips = tuple(answer.seconds for answer in at_end)
    return FlowPath(flow, path, end_ttl, bool(at_end), round_trips)


def _most_frequent(addresses: Iterable[str]) -> str | None:
    counted = Counter(addresses)
    return min(counted, key=lambda address: (-counted[address], address), default=None)


def _describe_hop(ttl: int, trials: Sequence[Trial]) -> Hop:
    by_address: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.answer is not None:
            by_address.setdefault(trial.answer.address, []).append(trial)
    stations = [_describe_station(address, by_address[address]) for address in sorted(by_address)]
    received_count = sum(trial.answer is not None for trial in trials)
    return Hop(ttl, len(trials), received_count, tuple(stations))


def _describe_station(address: str, trials: Sequence[Trial]) -> Station:
    answers = [trial.answer for trial in trials if trial.answer is not None]
    ttls = Counter(answer.received_ttl for answer in answers)
    return Station(
        address=address,
        flows=tuple(sorted({trial.flow for trial in trials})),
        round_trips=tuple(answer.seconds for answer in answers),
        received_ttl=ttls.most_common(1)[0][0],
        labels=next((answer.labels for answer in answers if answer.labels), ()),
        text=next((answer.text for answer in answers if answer.text), ""),
    )


def _add_forwarding_loss(hops: Sequence[Hop]) -> list[Hop]:
    lowest = 1.0
    found: list[Hop] = []
    for hop in reversed(hops):
        lowest = min(lowest, hop.loss_ratio)
        found.append(replace(hop, forwarding_loss_ratio=lowest))
    return found[::-1]


def _agree(path: Path, other: Path) -> bool:
    return len(path) == len(other) and all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in zip(path, other, strict=True)
    )


def _fill_gaps(path: FlowPath, former: Path) -> Path:
    reach = len(former) if path.is_reached else len(path.path)
    if not _agree(path.path, former[:reach]):
        return path.path
    filled = (mine or theirs for mine, theirs in zip(path.path, former, strict=False))
    return (*filled, *former[len(path.path) :])
