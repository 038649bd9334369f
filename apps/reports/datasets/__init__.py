"""What can be exported: a new dataset is one file and one line here."""

from collections.abc import Mapping

from apps.core.errors import NotFound
from apps.reports.datasets.audit import AUDIT
from apps.reports.datasets.base import Dataset, Filters, Selection
from apps.reports.datasets.clients import CLIENTS
from apps.reports.datasets.findings import FINDINGS
from apps.reports.datasets.result_values import RESULT_VALUES
from apps.reports.datasets.results import RESULTS
from apps.reports.datasets.runs import RUNS
from apps.reports.datasets.samples import SAMPLES

__all__ = ["DATASETS", "Dataset", "Filters", "Selection", "find_dataset"]

DATASETS: Mapping[str, Dataset] = {
    "results": RESULTS,
    "result_values": RESULT_VALUES,
    "samples": SAMPLES,
    "runs": RUNS,
    "clients": CLIENTS,
    "findings": FINDINGS,
    "audit": AUDIT,
}


def find_dataset(name: str) -> Dataset:
    """Raises: NotFound."""
    found = DATASETS.get(name)
    if found is None:
        detail = f"There is no such dataset; there are {', '.join(DATASETS)}."
        raise NotFound("dataset_unknown", detail)
    return found
