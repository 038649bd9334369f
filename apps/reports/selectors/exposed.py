"""Every series somebody may see, by the name and the labels that other tools know it by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db.models import F, QuerySet

from apps.accounts.policy import AnyUser
from apps.clients.selectors import list_clients
from apps.metrics.catalogue import METRICS, Metric, parse_key
from apps.metrics.models import Layout, Source
from apps.metrics.selectors import ASSIGNMENT_KIND
from apps.reports.algorithms.exposed_names import name_label, name_metric, name_series
from apps.reports.algorithms.plain_selectors import NAME_LABEL, Matcher, Selector
from apps.tests.selectors import list_assignments

Labels = dict[str, str]
SOURCE_LABELS = (
    "client",
    "site",
    "source",
    "subject",
    "test",
    "kind",
    "target",
    "peer",
    "assignment",
)
COLUMNS = ("source_id", "layout_id", "newest_at", "client_name", "site_slug")
ASSIGNMENT_COLUMNS = ("id", "test__name", "test__kind", "test__target__address", "peer__name")


@dataclass(frozen=True, slots=True)
class ExposedSource:
    """A stream of numbers with the labels that all of its series have."""

    source_id: int
    layout_id: int
    newest_at: datetime
    labels: Labels


@dataclass(frozen=True, slots=True)
class ExposedSeries:
    """One metric key of a source; `labels` has the name too."""

    source: ExposedSource
    key: str
    metric: Metric
    labels: Labels

    @property
    def factor(self) -> float:
        """What our values are times to be in the unit that the name says."""
        return name_metric(self.metric.name, self.metric.unit).factor


@lru_cache(maxsize=1)
def list_exposed_metrics() -> dict[str, Metric]:
    """The metrics that are numbers, by the names that their series have elsewhere."""
    return {
        name_series(metric.name, metric.unit, metric.kind): metric
        for metric in METRICS.values()
        if metric.is_number
    }


def list_exposed_sources(user: AnyUser) -> list[ExposedSource]:
    """What the user's clients measure of themselves, and what tests measure that `user` sees.

    Two queries. Assignments that were taken away keep their series; deleted clients have none.
    """
    clients = list_clients(user).order_by().values("id")
    hosts = Source.objects.filter(client_id__in=clients).exclude(kind=ASSIGNMENT_KIND)
    found = [
        describe_source(common, {"source": kind, "subject": subject})
        for *common, kind, subject in annotate_sources(hosts).values_list(
            *COLUMNS, "kind", "subject"
        )
    ]
    assignments = list_assignments(user).filter(client__deleted_at=None).select_related(None)
    rows = assignments.filter(source__latest__isnull=False).annotate(
        layout_id=F("source__latest__layout_id"),
        newest_at=F("source__latest__at"),
        client_name=F("client__name"),
        site_slug=F("client__site__slug"),
    )
    measured = rows.order_by("source_id").values_list(*COLUMNS, *ASSIGNMENT_COLUMNS, "is_paired")
    return found + [describe_source(row[:5], name_assignment(row[5:])) for row in measured]


def annotate_sources(rows: QuerySet[Source]) -> QuerySet[Source, Any]:
    return (
        rows.filter(latest__isnull=False)
        .annotate(
            source_id=F("id"),
            layout_id=F("latest__layout_id"),
            newest_at=F("latest__at"),
            client_name=F("client__name"),
            site_slug=F("client__site__slug"),
        )
        .order_by("id")
    )


def name_assignment(row: Sequence[Any]) -> Mapping[str, str | None]:
    assignment_id, test, kind, target, peer, is_paired = row
    labels = {
        "source": ASSIGNMENT_KIND,
        "test": test,
        "kind": kind,
        "target": target,
        "peer": peer,
    }
    if is_paired and peer is None:
        # Whose far end is deleted would be hard to tell from another such.
        labels["assignment"] = str(assignment_id)
    return labels


def describe_source(common: Sequence[Any], own: Mapping[str, str | None]) -> ExposedSource:
    source_id, layout_id, newest_at, client, site = common
    labels = {"client": client, "site": site, **own}
    # A label without a value is the same as none.
    kept = {name: value for name, value in labels.items() if value}
    return ExposedSource(source_id, layout_id, newest_at, kept)


def list_layout_keys(sources: Sequence[ExposedSource]) -> dict[int, list[str]]:
    layouts = {source.layout_id for source in sources}
    return dict(Layout.objects.filter(id__in=layouts).values_list("id", "keys"))


def iterate_series(
    user: AnyUser, selectors: Sequence[Selector], *, since: datetime | None = None
) -> Iterator[ExposedSeries]:
    """The series for which one of the selectors holds; all of them without any selector.

    With `since` only of sources that have measured then or later. Three queries. Of a source that
    sends other metrics than it once did, the newest ones.
    """
    sources = [
        source for source in list_exposed_sources(user) if not since or source.newest_at >= since
    ]
    keys = list_layout_keys(sources)
    parted = [part_matchers(selector) for selector in selectors]
    wanted: dict[tuple[int, int], list[tuple[str, Metric, Labels]]] = {}
    for source in sources:
        for number, (of_source, of_key) in enumerate(parted or [((), ())]):
            if not Selector(of_source).matches(source.labels):
                continue
            place = (source.layout_id, number)
            if place not in wanted:
                wanted[place] = list(match_keys(keys[source.layout_id], of_key))
            # What an earlier selector has given is not given again.
            earlier = selectors[:number]
            for key, metric, own in wanted[place]:
                labels = own | source.labels
                if not any(one.matches(labels) for one in earlier):
                    yield ExposedSeries(source, key, metric, labels)


def part_matchers(selector: Selector) -> tuple[tuple[Matcher, ...], tuple[Matcher, ...]]:
    """The matchers of labels that a source gives, and those of the name and the attributes."""
    of_source = tuple(one for one in selector.matchers if one.label in SOURCE_LABELS)
    of_key = tuple(one for one in selector.matchers if one.label not in SOURCE_LABELS)
    return of_source, of_key


def match_keys(
    keys: Sequence[str], matchers: tuple[Matcher, ...]
) -> Iterator[tuple[str, Metric, Labels]]:
    """Those of the keys that are numbers and match, with their names and attributes as labels."""
    for key in keys:
        parsed = parse_key(key)
        if parsed is None or not parsed.metric.is_number:
            continue
        metric = parsed.metric
        labels = {NAME_LABEL: name_series(metric.name, metric.unit, metric.kind)}
        labels |= {name_attribute(name): value for name, value in parsed.attributes}
        if Selector(matchers).matches(labels):
            yield key, metric, labels


def name_attribute(attribute: str) -> str:
    """The label of an attribute; one that a source has too is told apart."""
    label = name_label(attribute)
    return f"attribute_{label}" if label in SOURCE_LABELS else label


def take_series(
    user: AnyUser, selectors: Sequence[Selector], *, most: int, since: datetime | None = None
) -> list[ExposedSeries] | None:
    """The series, or None when they are more than `most`."""
    found = list(islice(iterate_series(user, selectors, since=since), most + 1))
    return None if len(found) > most else found
