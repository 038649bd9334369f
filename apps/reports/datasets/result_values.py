"""The figures of results: a row for each, and one for each that is missing, with why."""

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import (
    DOCUMENT,
    MOMENT,
    NUMBER,
    TEXT,
    WORD,
    identify,
    name_assignment,
)
from apps.reports.datasets.naming import name_absence, name_unit
from apps.tests.api.filters import ResultFilter
from apps.tests.selectors import list_results

OF_RESULT = (
    identify("run", "run_id"),
    *name_assignment("run__assignment"),
    Column("started_at", MOMENT, "started_at"),
    Column("finished_at", MOMENT, "finished_at"),
)
DECODER = msgspec.json.Decoder(dict[str, Any])


def spread_values(columns: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """A row for each figure of each result; what is missing comes after what was measured."""
    *shared, values_texts, absent_texts = columns
    metrics: list[str] = []
    values: list[Any] = []
    reasons: list[str | None] = []
    counts: list[int] = []
    for values_text, absent_text in zip(values_texts, absent_texts, strict=True):
        measured, absent = DECODER.decode(values_text), DECODER.decode(absent_text)
        missing = [key for key in absent if measured.get(key) is None]
        present = [key for key, value in measured.items() if value is not None]
        metrics += present + missing
        values += [measured[key] for key in present] + [None] * len(missing)
        reasons += [None] * len(present) + [name_absence(absent[key]) for key in missing]
        counts.append(len(present) + len(missing))
    repeated = [list(chain.from_iterable(map(repeat, cells, counts))) for cells in shared]
    return [*repeated, metrics, list(map(name_unit, metrics)), values, reasons]


RESULT_VALUES = RowDataset(
    name="result_values",
    title=_("Results, one figure a row"),
    columns=(
        *OF_RESULT,
        Column("metric", TEXT),
        Column("unit", WORD),
        Column("value", NUMBER),
        Column("absent", WORD),
    ),
    stored=(*OF_RESULT, Column("values", DOCUMENT, "values"), Column("absent", DOCUMENT, "absent")),
    expand=spread_values,
    filterset=ResultFilter,
    list_rows=list_results,
    order=("received_at", "run_id"),
)
