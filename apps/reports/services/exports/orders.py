"""What somebody wants exported, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.errors import NotFound
from apps.reports.algorithms.formats import Format, find_format
from apps.reports.datasets import Dataset, Filters, find_dataset

GZIP_SUFFIX = ".gz"


@dataclass(frozen=True, slots=True)
class Order:
    """A dataset by its filters, in a format; without the end line a cut-off file may look whole."""

    dataset: Dataset
    format: Format
    filters: Filters
    is_gzip: bool = False
    has_end_line: bool = True

    @property
    def file_name(self) -> str:
        return f"{self.dataset.name}.{self.format.name}{GZIP_SUFFIX if self.is_gzip else ''}"

    def describe(self) -> dict[str, Any]:
        """What the audit says of it."""
        return {
            "dataset": self.dataset.name,
            "format": self.format.name,
            "is_gzip": self.is_gzip,
            "filters": {name: list(values) for name, values in self.filters.items()},
        }


def read_order(
    *,
    dataset: str,
    format_name: str,
    filters: Mapping[str, Sequence[str]],
    is_gzip: bool = False,
    has_end_line: bool = True,
) -> Order:
    """Empty filters count as not given.

    Raises: NotFound for a dataset, Invalid for a format that there is not, or that cannot be made.
    """
    given = {name: [value for value in values if value] for name, values in filters.items()}
    return Order(
        dataset=find_dataset(dataset),
        format=find_format(format_name, is_gzip=is_gzip),
        filters={name: values for name, values in given.items() if values},
        is_gzip=is_gzip,
        has_end_line=has_end_line,
    )


def read_file_name(name: str) -> tuple[str, str, bool]:
    """Dataset, format and whether it is compressed, of a name such as `runs.csv.gz`.

    Raises: NotFound.
    """
    plain = name.removesuffix(GZIP_SUFFIX)
    dataset, separator, format_name = plain.partition(".")
    if not separator or not dataset or not format_name:
        detail = "An export is called by dataset and format, such as runs.csv or runs.csv.gz."
        raise NotFound("export_unknown", detail)
    return dataset, format_name, plain != name
