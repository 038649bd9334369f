"""The five-minute means of many keys of many sources: what is judged as it closes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from apps.metrics.algorithms.tiers import FIVE_MINUTES_SECONDS
from apps.metrics.models import DirtyBucket, Layout, Rollup

ROWS_PER_FETCH = 500
FIVE_MINUTES = timedelta(seconds=FIVE_MINUTES_SECONDS)

# By the begin of the bucket, oldest first: the mean of each key that was measured in it.
Means = dict[datetime, dict[str, float]]


def read_five_minute_means(
    starts: Mapping[int, datetime], keys: Mapping[int, Iterable[str]]
) -> dict[int, Means]:
    """By source the kept means of its `keys` since its start.

    They end where the first bucket still waits to be computed, so that none is passed over.
    """
    if not starts:
        return {}
    waiting = find_waiting(starts)
    rows = Rollup.objects.filter(
        step=FIVE_MINUTES_SECONDS, source_id__in=list(starts), at__gte=min(starts.values())
    ).order_by("source_id", "at")
    columns = rows.values_list("source_id", "layout_id", "at", "mean")
    wanted = {source_id: frozenset(names) for source_id, names in keys.items()}
    places: dict[tuple[int, int], list[tuple[int, str]]] = {}
    found: dict[int, Means] = {source_id: defaultdict(dict) for source_id in starts}
    for source_id, layout_id, at, means in columns.iterator(chunk_size=ROWS_PER_FETCH):
        if at < starts[source_id] or at >= waiting.get(source_id, at + FIVE_MINUTES):
            continue
        pair = (source_id, layout_id)
        if pair not in places:
            places[pair] = find_wanted(layout_id, wanted.get(source_id, frozenset()))
        values = {key: means[place] for place, key in places[pair] if means[place] is not None}
        found[source_id][at].update(values)
    return {source_id: dict(means) for source_id, means in found.items()}


def find_waiting(starts: Mapping[int, datetime]) -> dict[int, datetime]:
    """The first bucket of each source since its start that is not computed yet, if there is one."""
    rows = DirtyBucket.objects.filter(
        step=FIVE_MINUTES_SECONDS, source_id__in=list(starts), at__gte=min(starts.values())
    )
    firsts: dict[int, datetime] = {}
    for source_id, at in rows.order_by("at").values_list("source_id", "at"):
        if at >= starts[source_id]:
            firsts.setdefault(source_id, at)
    return firsts


def find_wanted(layout_id: int, keys: frozenset[str]) -> list[tuple[int, str]]:
    names = Layout.objects.values_list("keys", flat=True).get(id=layout_id)
    return [(place, name) for place, name in enumerate(names) if name in keys]
