"""The audit as a file, written a piece at a time."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.db.models import QuerySet

from apps.accounts.algorithms.cells import guard_cell
from apps.accounts.models import AuditEntry
from apps.core.clock import format_moment

ROWS_AT_ONCE = 1_000
COLUMNS = (
    "id",
    "at",
    "actor_label",
    "via",
    "address",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "before",
    "after",
    "previous_digest",
    "digest",
)


def read_batches(rows: QuerySet[AuditEntry]) -> Iterator[list[AuditEntry]]:
    """The entries of `rows`, newest first, a thousand at a time however many there are."""
    rows = rows.order_by("-id")
    batch = list(rows[:ROWS_AT_ONCE])
    while batch:
        yield batch
        batch = list(rows.filter(id__lt=batch[-1].id)[:ROWS_AT_ONCE])


def describe_entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        **{name: getattr(entry, name) for name in COLUMNS},
        "at": format_moment(entry.at),
        "via": str(entry.via),
    }


def write_csv_lines(batch: list[AuditEntry]) -> str:
    output = StringIO()
    writer = csv.writer(output)
    for entry in batch:
        document = describe_entry(entry)
        for name in ("before", "after"):
            document[name] = json.dumps(document[name], ensure_ascii=False)
        writer.writerow([guard_cell(document[name]) for name in COLUMNS])
    return output.getvalue()


def write_json_lines(batch: list[AuditEntry]) -> str:
    lines = [json.dumps(describe_entry(entry), ensure_ascii=False) for entry in batch]
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    content_type: str
    head: str
    write: Callable[[list[AuditEntry]], str]


FORMATS: Mapping[str, ExportFormat] = {
    "csv": ExportFormat("text/csv; charset=utf-8", ",".join(COLUMNS) + "\r\n", write_csv_lines),
    "jsonl": ExportFormat("application/jsonl; charset=utf-8", "", write_json_lines),
}


def write_export(rows: QuerySet[AuditEntry], name: str) -> Iterator[str]:
    """The file's pieces, each at most a thousand entries long."""
    chosen = FORMATS[name]
    if chosen.head:
        yield chosen.head
    for batch in read_batches(rows):
        yield chosen.write(batch)
