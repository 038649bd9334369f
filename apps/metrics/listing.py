"""The catalogue as people read it: the tables of docs/metrics.md."""

from collections.abc import Iterable
from itertools import groupby

from apps.metrics.catalogue import Metric

BEGIN = "<!-- scripts/write_metrics.py writes what follows. -->\n"
HEAD = "| metric | unit | kind | better | what it is | how it is measured | from | may be missing |"


def write_tables(metrics: Iterable[Metric]) -> str:
    """The metrics in Markdown, a table a group, in the catalogue's order."""
    return "\n".join(
        write_group(name, list(rows)) for name, rows in groupby(metrics, lambda one: one.group)
    )


def write_group(name: str, metrics: list[Metric]) -> str:
    rows = "".join(map(write_row, metrics))
    return f"## {name}\n\n{HEAD}\n|{'---|' * HEAD.count(' | ')}---|\n{rows}"


def write_row(metric: Metric) -> str:
    attributes = f"`{{{', '.join(metric.attributes)}}}`" if metric.attributes else ""
    cells = (
        f"`{metric.name}` {attributes}".rstrip(),
        f"`{metric.unit}`",
        metric.kind,
        metric.better,
        metric.description,
        metric.source,
        ", ".join(metric.emitted_by),
        " ".join(metric.absent) or "never",
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
