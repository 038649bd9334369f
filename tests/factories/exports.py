"""Exports as the background makes them."""

from datetime import timedelta

from apps.core.clock import read_now
from apps.reports.datasets import find_dataset
from apps.reports.models import Export
from apps.reports.selectors.exports import describe_scope
from apps.reports.writers.export_files import find_folder, locate_file
from tests.factories.jobs import make_job


def make_export(user, *, content=b"", **fields):
    """An export of that user; with content it is ready."""
    now = read_now()
    dataset = fields.get("dataset", "runs")
    export = Export.objects.create(
        **{
            "dataset": dataset,
            "format": "csv",
            "requested_by": user,
            "scope": describe_scope(user, find_dataset(dataset).permission),
            "job": make_job("export", state="done" if content else "queued"),
            "created_at": now,
            "expires_at": now + timedelta(hours=24),
            "sha256": "0" * 64 if content else "",
            "size_bytes": len(content),
            **fields,
        }
    )
    if content:
        find_folder().mkdir(parents=True, exist_ok=True)
        locate_file(export.id).write_bytes(content)
    return export
