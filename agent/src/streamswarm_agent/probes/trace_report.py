"""What a trace is worth in metrics, facts and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from streamswarm_agent.probes.measures import Measure
from streamswarm_agent.probes.statistics import percentile
from streamswarm_agent.probes.trace_path import (
    FlowPath,
    Hop,
    Path,
    Station,
    Trial,
    count_distinct,
    estimate_asymmetry,
    fill_gaps,
    find_paths,
    has_loop,
    hash_paths,
    list_hops,
)
from streamswarm_agent.wire.keys import format_key

PAIR_NEEDS = 2
FACT_LENGTH = 1024
TARGET_KEYS = (
    "path.hop.count",
    "path.hop.rtt.median",
    "path.hop.loss.ratio",
    "path.ttl.received",
    "path.asymmetry.hops",
)
SILENT_KEYS = (
    *TARGET_KEYS,
    "path.hop.mpls",
    "path.hash",
    "path.ecmp.width",
    "path.ecmp.flow_spread",
    "path.loop.detected",
    "path.nat.detected",
    "net.rtt.gateway",
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the trials of a run show; `former` are the paths of the run before, by flow.

    `dscps` are the DSCP values with which packets reached an address; None where this host does not
    show them.
    """

    paths: Sequence[FlowPath]
    hops: Sequence[Hop]
    first_ttl: int
    is_altered: bool | None
    former: Mapping[int, Path] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    dscps: Mapping[str, int] | None = None

    @property
    def is_reached(self) -> bool:
        return any(path.is_reached for path in self.paths)

    @property
    def filled_paths(self) -> dict[int, Path]:
        """The addresses by flow, silent hops named as before where nothing else changed."""
        return fill_gaps(self.paths, self.former or {})

    @property
    def target(self) -> Hop | None:
        """The hop at which the target answered."""
        return self.hops[-1] if self.is_reached else None

    @property
    def farthest(self) -> Hop | None:
        """The last hop that answered."""
        return next((hop for hop in reversed(self.hops) if hop.stations), None)


def survey_trials(
    trials: Sequence[Trial], first_ttl: int, former: Mapping[int, Path] | None = None
) -> Survey:
    """The hops and paths that the trials show."""
    paths = find_paths(trials, first_ttl)
    said = [trial.answer.is_altered for trial in trials if trial.answer]
    is_altered = True if True in said else False if False in said else None
    return Survey(paths, list_hops(trials, paths), first_ttl, is_altered, former)


def measure_path(survey: Survey) -> dict[str, Measure]:
    """`path.*` and `net.rtt.gateway`; count, round trip in seconds and loss are the target's."""
    if survey.farthest is None:
        silent: dict[str, Measure] = dict.fromkeys(SILENT_KEYS, "T")
        return silent | {"path.hop.unresponsive": 0.0, "path.change.count": "I"}
    return {
        **_measure_target(survey.target),
        "path.hop.unresponsive": sum(not hop.stations for hop in survey.hops),
        "path.ecmp.width": count_distinct(survey.paths),
        "path.ecmp.flow_spread": _measure_spread(survey.paths),
        "path.loop.detected": float(any(has_loop(path.path) for path in survey.paths)),
        "path.nat.detected": "U" if survey.is_altered is None else float(survey.is_altered),
        "path.change.count": _count_change(survey),
        **_measure_gateway(survey),
    }


def measure_marking(survey: Survey, dscp: int) -> dict[str, Measure]:
    """`qos.dscp.hop_changed`: the first hop that got packets with another DSCP than was sent.

    N when none did, P when this host does not show it, T when no hop quoted a header.
    """
    key = format_key("qos.dscp.hop_changed", {"dscp": str(dscp)})
    if survey.dscps is None:
        return {key: "P" if survey.hops else "T"}
    seen = [
        (hop.ttl, survey.dscps[station.address])
        for hop in survey.hops
        for station in hop.stations
        if station.address in survey.dscps
    ]
    changed = [ttl for ttl, found in seen if found != dscp]
    return {key: min(changed, default="N" if seen else "T")}


def state_facts(survey: Survey) -> dict[str, str]:
    """The hash of the path and its MPLS labels as `hop address label/ttl`; none without answers."""
    if survey.farthest is None:
        return {}
    labelled = [
        f"{hop.ttl} {station.address} {_write_labels(station)}"
        for hop in survey.hops
        for station in hop.stations
        if station.labels
    ]
    labels = "; ".join(labelled)[:FACT_LENGTH] or "none"
    return {"path.hash": hash_paths(survey.filled_paths), "path.hop.mpls": labels}


def describe_survey(survey: Survey) -> dict[str, Any]:
    """The hops and the way of each flow, as the result's document has them."""
    return {
        "is_reached": survey.is_reached,
        "first_ttl": survey.first_ttl,
        "hops": [_describe_hop(hop, survey) for hop in survey.hops],
        "flows": [
            {
                "flow": path.flow,
                "path": list(path.path),
                "is_reached": path.is_reached,
                "rtt_median": percentile(path.round_trips, 0.5) if path.round_trips else None,
            }
            for path in survey.paths
        ],
    }


def _write_labels(station: Station) -> str:
    return " ".join(f"{one.label}/{one.ttl}" for one in station.labels)


def explain_end(survey: Survey) -> str:
    """Why the target was not reached; empty when it was."""
    if survey.is_reached:
        return ""
    farthest = survey.farthest
    if farthest is None:
        return "no hop answered"
    [station, *_] = farthest.stations
    if station.text:
        return f"hop {farthest.ttl}, {station.address}, says: {station.text}"
    return f"silence behind hop {farthest.ttl}, {station.address}"


def _measure_gateway(survey: Survey) -> dict[str, Measure]:
    first = survey.hops[0]
    if survey.first_ttl != 1:
        return {}
    return {"net.rtt.gateway": percentile(first.round_trips, 0.5) if first.stations else "T"}


def _measure_target(target: Hop | None) -> dict[str, Measure]:
    if target is None or not target.stations:
        return dict.fromkeys(TARGET_KEYS, "T")
    ttl = target.stations[0].received_ttl
    asymmetry = None if ttl is None else estimate_asymmetry(target.ttl, ttl)
    return {
        "path.hop.count": target.ttl,
        "path.hop.rtt.median": percentile(target.round_trips, 0.5),
        "path.hop.loss.ratio": target.loss_ratio,
        "path.ttl.received": "U" if ttl is None else ttl,
        "path.asymmetry.hops": ("U" if ttl is None else "I") if asymmetry is None else asymmetry,
    }


def _measure_spread(paths: Sequence[FlowPath]) -> Measure:
    medians = [percentile(path.round_trips, 0.5) for path in paths if path.round_trips]
    return max(medians) - min(medians) if len(medians) >= PAIR_NEEDS else "I"


def _count_change(survey: Survey) -> Measure:
    if survey.former is None:
        return "I"
    return float(hash_paths(survey.filled_paths) != hash_paths(survey.former))


def _describe_hop(hop: Hop, survey: Survey) -> dict[str, Any]:
    return {
        "ttl": hop.ttl,
        "sent": hop.sent_count,
        "received": hop.received_count,
        "loss_ratio": hop.loss_ratio,
        "forwarding_loss_ratio": hop.forwarding_loss_ratio,
        "is_rate_limited": hop.is_rate_limited,
        "stations": [_describe_station(station, survey) for station in hop.stations],
    }


def _describe_station(station: Station, survey: Survey) -> dict[str, Any]:
    return {
        "address": station.address,
        "name": survey.names.get(station.address, ""),
        "dscp": (survey.dscps or {}).get(station.address),
        "flows": list(station.flows),
        "received": len(station.round_trips),
        "rtt_min": min(station.round_trips),
        "rtt_median": percentile(station.round_trips, 0.5),
        "rtt_max": max(station.round_trips),
        "received_ttl": station.received_ttl,
        "labels": [asdict(label) for label in station.labels],
        "text": station.text,
    }
