"""What the frames of one bucket add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apps.metrics.algorithms.series import Groups, Numbers, summarise_groups

COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The values of a bucket's frames of one layout: a row a frame, NaN where not measured."""

    layout_id: int
    keys: Sequence[str]
    values: Numbers


def roll_up_tables(tables: Sequence[FrameTable]) -> dict[int, tuple[list[float | None], ...]]:
    """By layout, the columns of `COLUMNS`, each running parallel to the layout's keys.

    All values of a key, of whatever layout, stand at the layout of the lowest number that has the
    key; elsewhere its count is 0 and the rest None, as for a key without a value.
    Layouts that would hold nothing are left out.
    """
    ordered = sorted(tables, key=lambda table: table.layout_id)
    places: dict[str, int] = {}
    for table in ordered:
        for key in table.keys:
            places.setdefault(key, len(places))
    found = summarise_groups(*pool_values(ordered, places))
    rolled = {}
    taken: set[str] = set()
    for table in ordered:
        own = [places[key] if key not in taken else -1 for key in table.keys]
        taken.update(table.keys)
        columns = arrange(found, np.array(own, dtype=np.int64))
        if any(columns[0]):
            rolled[table.layout_id] = columns
    return rolled


def pool_values(
    tables: Sequence[FrameTable], places: Mapping[str, int]
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", Numbers]:
    """All values that were measured, and the place of the key of each."""
    groups, values = [np.empty(0, np.int64)], [np.empty(0)]
    for table in tables:
        place = np.array([places[key] for key in table.keys], dtype=np.int64)
        is_measured = ~np.isnan(table.values)
        groups.append(np.broadcast_to(place, table.values.shape)[is_measured])
        values.append(table.values[is_measured])
    return np.concatenate(groups), np.concatenate(values)


def arrange(found: Groups, own: Numbers) -> tuple[list[float | None], ...]:
    """The columns for the places `own`; -1 is a key whose values stand elsewhere."""
    spot = np.searchsorted(found.group, own)
    spot = np.minimum(spot, max(len(found.group) - 1, 0))
    has_values = np.zeros(len(own), dtype=bool)
    if len(found.group):
        has_values = found.group[spot] == own
    columns: list[list[float | None]] = []
    for name in COLUMNS:
        column = getattr(found, name)
        nothing = 0.0 if name == "count" else None
        columns.append(
            [
                float(column[place]) if is_there else nothing
                for place, is_there in zip(spot.tolist(), has_values.tolist(), strict=True)
            ]
        )
    return tuple(columns)
