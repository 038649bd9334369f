"""Exports as their page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise

from apps.accounts.policy import AnyUser
from apps.ml.selectors.findings import FindingQuery
from apps.reports.datasets import DATASETS
from apps.reports.models import Export
from apps.reports.selectors.exports import list_exports
from apps.reports.services.exports import Order

ROWS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A line of the list."""

    export: Export
    title: str | Promise
    filters: Sequence[tuple[str, str]]

    @property
    def state(self) -> str:
        return self.export.state

    @property
    def percent(self) -> int:
        return int(100 * self.export.progress)


@dataclass(frozen=True, slots=True)
class ExportRows:
    rows: Sequence[ExportRow]
    is_any_open: bool


def describe_exports(user: AnyUser) -> ExportRows:
    """The newest exports, and whether one of them is still being made."""
    rows = [describe_export(export) for export in list_exports(user)[:ROWS_SHOWN]]
    going = {Export.State.WAITING, Export.State.RUNNING}
    return ExportRows(rows, any(row.state in going for row in rows))


def describe_export(export: Export) -> ExportRow:
    dataset = DATASETS.get(export.dataset)
    return ExportRow(
        export,
        dataset.title if dataset else export.dataset,
        [(name, ", ".join(values)) for name, values in export.filters.items()],
    )


def build_download(order: Order) -> str:
    """The address that downloads it at once."""
    query = urlencode({name: list(values) for name, values in order.filters.items()}, doseq=True)
    path = reverse("export-download", args=[order.file_name])
    return f"{path}?{query}" if query else path


def build_findings_export(query: FindingQuery) -> str:
    """The page of exports with what a list of findings is narrowed by."""
    filters: dict[str, str | list[str]] = {
        name: str(getattr(query, name) or "")
        for name in (
            "kind", "severity", "client", "site", "tag", "test", "metric", "cause", "feedback",
            "group",
        )
    }  # fmt: skip
    filters["after"] = query.since.isoformat() if query.since else ""
    filters["provisional"] = "" if query.provisional is None else str(query.provisional).lower()
    return build_export("findings", filters)


def list_fields(order: Order) -> list[tuple[str, str]]:
    """The order as fields of the form, once a value."""
    own = [("dataset", order.dataset.name), ("format", order.format.name)]
    given = [(name, value) for name, values in order.filters.items() for value in values]
    return [*own, *given, *([("is_gzip", "on")] if order.is_gzip else [])]


def build_export(dataset: str, filters: dict[str, str | list[str]]) -> str:
    """The page of exports with that much filled in."""
    given = {name: value for name, value in filters.items() if value}
    query = urlencode({"dataset": dataset, **given}, doseq=True)
    return f"{reverse('dashboard:exports')}?{query}"
