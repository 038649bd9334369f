"""The catalogue of metrics as its pages show it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.selectors import ClientQuery, search_clients
from apps.core.errors import NotFound
from apps.dashboard.charts import Line, Panel, name_attributes
from apps.dashboard.formats import Style, find_style
from apps.dashboard.selectors.history import RUNS
from apps.metrics.catalogue import METRICS, Metric
from apps.metrics.selectors import (
    ASSIGNMENT_KIND,
    Carrier,
    list_number_carriers,
    list_text_carriers,
)
from apps.metrics.selectors.carriers import pick
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments, list_carriers_of_results

SOURCES_SHOWN = 50
LINES_DRAWN = 6
UNBRACED = str.maketrans("", "", "{}")

Label = str | Promise

# What measures without a test; a plug-in's collector keeps its own name.
EMITTERS: Mapping[str, Label] = {
    "server": _("The server"),
    "agent": _("The agent itself"),
    "host": _("Host"),
    "cpu": _("Processors"),
    "filesystem": _("File systems"),
    "disk": _("Disks"),
    "interface": _("Interfaces"),
    "network": _("Kernel network"),
    "hardware": _("Hardware"),
    "wifi": _("Wi-Fi"),
}


@dataclass(frozen=True, slots=True)
class Emitter:
    """What a metric comes from; `url` leads to the tests of that kind."""

    name: str
    label: Label
    url: str = ""


@dataclass(frozen=True, slots=True)
class MetricRow:
    metric: Metric
    emitters: tuple[Emitter, ...]

    @property
    def unit(self) -> Label:
        """The unit as people call it: `{packet}/s` is packet/s, and what is a share says so."""
        words = {Style.FLAG: _("yes or no"), Style.RATIO: _("share"), Style.NUMBER: _("number")}
        if self.metric.unit == "1":
            return words[find_style(self.metric.name)]
        return _("words") if self.metric.kind == "text" else self.metric.unit.translate(UNBRACED)


@dataclass(frozen=True, slots=True)
class MetricGroup:
    name: str
    rows: tuple[MetricRow, ...]


@dataclass(frozen=True, slots=True)
class CatalogueQuery:
    """What the list is narrowed to; empty for all."""

    text: str = ""
    group: str = ""
    emitter: str = ""


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """The newest of a key at a source, and the test when the source is one's.

    `is_of_run`: it sums up the test's newest run, and no frame holds it.
    """

    carrier: Carrier
    assignment: Assignment | None
    is_of_run: bool = False

    @property
    def attributes(self) -> str:
        return name_attributes(self.carrier.key)

    @property
    def url(self) -> str:
        """The page that shows the source whole."""
        client = str(self.carrier.source.client_id)
        if self.assignment is None:
            return reverse("dashboard:client", args=[client])
        return f"{reverse('dashboard:test', args=[self.assignment.test_id])}?client={client}"


def describe_emitter(name: str) -> Emitter:
    if name in KINDS and name not in EMITTERS:
        return Emitter(name, KINDS[name].title, f"{reverse('dashboard:tests')}?kind={name}")
    return Emitter(name, EMITTERS.get(name, name))


def list_emitters() -> list[Emitter]:
    """All that metrics come from, by name."""
    names = sorted({name for metric in METRICS.values() for name in metric.emitted_by})
    return [describe_emitter(name) for name in names]


def list_groups() -> list[str]:
    return list(dict.fromkeys(metric.group for metric in METRICS.values()))


def search_catalogue(query: CatalogueQuery) -> list[MetricGroup]:
    """The metrics that fit, in their groups; each word must be in name, sentence or source."""
    words = query.text.lower().split()
    found = [metric for metric in METRICS.values() if fits(metric, query, words)]
    return [
        MetricGroup(name, tuple(describe_metric(metric) for metric in metrics))
        for name, metrics in groupby(found, lambda metric: metric.group)
    ]


def fits(metric: Metric, query: CatalogueQuery, words: Iterable[str]) -> bool:
    text = f"{metric.name} {metric.description} {metric.source}".lower()
    return (
        query.group in ("", metric.group)
        and (not query.emitter or query.emitter in metric.emitted_by)
        and all(word in text for word in words)
    )


def describe_metric(metric: Metric) -> MetricRow:
    return MetricRow(metric, tuple(describe_emitter(name) for name in metric.emitted_by))


def get_metric(name: str) -> Metric:
    """Raises: NotFound when the catalogue has no such metric."""
    if name not in METRICS:
        raise NotFound("metric_unknown", f"There is no metric {name!r}.")
    return METRICS[name]


def list_carrier_rows(user: AnyUser, metric: Metric, text: str) -> list[CarrierRow]:
    """Where the metric is measured on the clients that `user` sees and `text` fits."""
    clients = search_clients(user, ClientQuery(text=text)).order_by()
    list_carriers = list_number_carriers if metric.is_number else list_text_carriers
    carriers = list_carriers(clients, metric.name, at_most=SOURCES_SHOWN)
    assignments = find_assignments(user, carriers)
    rows = [CarrierRow(carrier, assignments.get(carrier.source.subject)) for carrier in carriers]
    rows = [
        row
        for row in rows
        if row.assignment is not None or row.carrier.source.kind != ASSIGNMENT_KIND
    ]
    room = SOURCES_SHOWN - len({row.carrier.source.id for row in rows})
    if metric.is_number and room:
        of_runs = list_carriers_of_results(user, clients, metric.name, at_most=room)
        rows += [row for assignment in of_runs for row in cut_out(assignment, metric.name)]
    return rows


def cut_out(assignment: Assignment, name: str) -> Iterator[CarrierRow]:
    """The numbers of the metric in the newest result of the assignment, which has a source."""
    source, at = assignment.source, assignment.last_run_at
    if source is None or at is None:
        return
    for key in pick(sorted(assignment.last_values), name):
        carrier = Carrier(source, key, at, value=assignment.last_values[key])
        yield CarrierRow(carrier, assignment, is_of_run=True)


def find_assignments(user: AnyUser, carriers: Iterable[Carrier]) -> dict[str, Assignment]:
    """The assignments that are sources of the carriers, by the source's subject."""
    subjects = {one.source.subject for one in carriers if one.source.kind == ASSIGNMENT_KIND}
    rows = list_assignments(user).filter(id__in=[UUID(subject) for subject in subjects])
    return {str(row.id): row for row in rows}


def choose_source(rows: Sequence[CarrierRow], wanted: str) -> int | None:
    """The source whose numbers are drawn: the wanted one, else the first that has any."""
    numbers = [row.carrier for row in rows if row.carrier.value is not None]
    ids = [carrier.source.id for carrier in numbers]
    if wanted.isascii() and wanted.isdecimal() and int(wanted) in ids:
        return int(wanted)
    return ids[0] if ids else None


def draw_carriers(rows: Sequence[CarrierRow], source_id: int | None, key: str = "") -> list[Panel]:
    """The chart of the metric at one source, a line a key; none when nothing has numbers.

    With a `key` that it has, of that alone: a line that stands alone has a band.
    """
    drawn = [row for row in rows if row.carrier.source.id == source_id]
    drawn = [row for row in drawn if row.carrier.key == key] or drawn
    if not drawn:
        return []
    lines = tuple(draw_line(row) for row in drawn[:LINES_DRAWN])
    return [Panel(METRICS[lines[0].key.partition("{")[0]].name, find_style(lines[0].key), lines)]


def draw_line(row: CarrierRow) -> Line:
    carrier, source = row.carrier, row.carrier.source
    attributes = name_attributes(carrier.key)
    if source.kind == ASSIGNMENT_KIND:
        label = attributes or source.client.name
        return Line(carrier.key, label, source=RUNS[0] if row.is_of_run else ASSIGNMENT_KIND)
    label = attributes or source.subject or source.client.name
    return Line(carrier.key, label, source=source.kind, subject=source.subject)


def find_history_url(row: CarrierRow) -> str:
    """Where the chart of the row's source gets its numbers."""
    client_id = row.carrier.source.client_id
    if row.assignment is None:
        return reverse("dashboard:client-history", args=[client_id])
    # A client may have several of a test, one towards each peer.
    return reverse("dashboard:assignment-history", args=[row.assignment.test_id, row.assignment.id])
