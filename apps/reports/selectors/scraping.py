"""The newest values of clients as families of OpenMetrics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from apps.accounts.policy import AnyUser
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid
from apps.metrics.catalogue import METRICS, Metric
from apps.metrics.selectors import LatestValues, read_latest_of_sources
from apps.reports.algorithms.exposed_names import name_metric
from apps.reports.algorithms.plain_selectors import NAME_LABEL
from apps.reports.selectors.exposed import ExposedSeries, iterate_series

MOST_SAMPLES = 200_000
SOURCES_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scrape asks for; an empty member asks for all."""

    clients: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    longest_age: timedelta = timedelta(minutes=5)

    def holds(self, series: ExposedSeries) -> bool:
        return (
            has(self.clients, series.labels["client"])
            and has(self.sites, series.labels.get("site", ""))
            and has(self.groups, series.metric.group)
            and has(self.metrics, series.metric.name)
        )


def has(wanted: frozenset[str], value: str) -> bool:
    return not wanted or value in wanted


def check_wanted(wanted: Wanted) -> None:
    """Raises: Invalid naming the groups and metrics that the catalogue does not have."""
    known = {
        "group": (wanted.groups, {metric.group for metric in METRICS.values()}),
        "metric": (wanted.metrics, set(METRICS)),
    }
    errors = [
        FieldError(name, "unknown", f"there is no {', '.join(sorted(asked - there))}")
        for name, (asked, there) in known.items()
        if asked - there
    ]
    if errors:
        raise Invalid(errors)


class ClientCollector(Collector):
    """The newest values that `user` may see, each with the moment it was measured at.

    What is older than `longest_age` is left out, as is what could not be measured.
    """

    def __init__(self, user: AnyUser, wanted: Wanted) -> None:
        self._user = user
        self._wanted = wanted

    def collect(self) -> Iterator[Family]:
        """Raises: Invalid for a selection that is unknown or too large."""
        check_wanted(self._wanted)
        since = read_now() - self._wanted.longest_age
        series = []
        for one in iterate_series(self._user, [], since=since):
            if self._wanted.holds(one):
                series.append(one)
            if len(series) > MOST_SAMPLES:
                detail = f"more than {MOST_SAMPLES} values are asked for; choose some"
                raise Invalid([FieldError("metric", "too_many", detail)])
        # A family stands together, whichever clients its series are of.
        series.sort(key=lambda one: one.metric.name)
        latest = read_latest_values(list({one.source.source_id for one in series}))
        start = 0
        while start < len(series):
            end = start
            while end < len(series) and series[end].metric is series[start].metric:
                end += 1
            yield build_family(series[start].metric, series[start:end], latest)
            start = end


def read_latest_values(source_ids: Sequence[int]) -> dict[int, LatestValues]:
    """By source; 500 sources a query, because databases limit parameters."""
    found: dict[int, LatestValues] = {}
    for start in range(0, len(source_ids), SOURCES_PER_QUERY):
        found |= read_latest_of_sources(source_ids[start : start + SOURCES_PER_QUERY])
    return found


def build_family(
    metric: Metric, series: Sequence[ExposedSeries], latest: dict[int, LatestValues]
) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    naming = name_metric(metric.name, metric.unit)
    family = kind(naming.family, metric.description, unit=naming.unit)
    for one in series:
        newest = latest.get(one.source.source_id)
        if newest is not None and one.key in newest.values:
            labels = dict(one.labels)
            sample = labels.pop(NAME_LABEL)
            value = newest.values[one.key] * naming.factor
            family.add_sample(sample, labels, value, newest.at.timestamp())
    return family
