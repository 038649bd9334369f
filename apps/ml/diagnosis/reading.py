"""What results and documents of tests say, in the terms of a case."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from apps.ml.diagnosis.case import Hop, Observation, Usual

USUAL_LEAST = 8


def measure_usual(past: Sequence[Mapping[str, float]]) -> dict[str, Usual]:
    """The 5th, 50th and 95th percentile of each metric that at least eight results have."""
    columns: dict[str, list[float]] = {}
    for values in past:
        for key, value in values.items():
            columns.setdefault(key, []).append(value)
    by_length: dict[int, list[str]] = {}
    for key, column in columns.items():
        if len(column) >= USUAL_LEAST:
            by_length.setdefault(len(column), []).append(key)
    usual: dict[str, Usual] = {}
    for count, keys in by_length.items():
        # All metrics of a length at once: one by one takes twice as long.
        edges = np.percentile([columns[key] for key in keys], (5, 50, 95), axis=1)
        for key, (low, median, high) in zip(keys, edges.T.tolist(), strict=True):
            usual[key] = Usual(low, median, high, count)
    return usual


def read_hops(observations: Iterable[Observation]) -> tuple[Hop, ...]:
    """The hops of the newest trace among them; documents come from agents, so each may be odd."""
    traces = [one for one in observations if one.kind == "trace"]
    if not traces:
        return ()
    rows = max(traces, key=lambda one: one.at).document.get("hops", ())
    hops = [hop for row in rows if (hop := read_hop(row))] if isinstance(rows, list) else []
    return tuple(sorted(hops, key=lambda hop: hop.number))


def read_hop(row: object) -> Hop | None:
    """A row of a trace's document; None for what is none."""
    if not isinstance(row, dict) or not isinstance(row.get("ttl"), int):
        return None
    stations = row.get("stations")
    station = stations[0] if isinstance(stations, list) and stations else {}
    known = station if isinstance(station, dict) else {}
    return Hop(
        number=row["ttl"],
        address=str(known.get("address", "")),
        loss_ratio=as_number(row.get("loss_ratio")) if known else None,
        rtt_seconds=as_number(known.get("rtt_median")),
    )


def as_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
