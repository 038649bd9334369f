from apps.metrics.selectors.carriers import (
    Carrier,
    list_number_carriers,
    list_text_carriers,
)
from apps.metrics.selectors.comparison import Comparison, compare_ranges, compare_readings
from apps.metrics.selectors.documents import find_document, get_document
from apps.metrics.selectors.grid import ManyHours, read_many
from apps.metrics.selectors.latest import (
    LatestValues,
    list_fact_changes,
    list_host_values,
    read_facts,
    read_latest,
    read_latest_of_sources,
)
from apps.metrics.selectors.means import FIVE_MINUTES, Means, read_five_minute_means
from apps.metrics.selectors.series import (
    MAXIMUM_POINTS,
    Series,
    read_counter_rates,
    read_range,
    read_ranges,
    read_values,
)
from apps.metrics.selectors.sources import (
    ASSIGNMENT_KIND,
    find_host_source,
    find_source,
    find_sources_of_clients,
    list_keys,
    list_sources,
)
from apps.metrics.selectors.storage import Storage, Tier, read_storage

__all__ = [
    "ASSIGNMENT_KIND",
    "FIVE_MINUTES",
    "MAXIMUM_POINTS",
    "Carrier",
    "Comparison",
    "LatestValues",
    "ManyHours",
    "Means",
    "Series",
    "Storage",
    "Tier",
    "compare_ranges",
    "compare_readings",
    "find_document",
    "find_host_source",
    "find_source",
    "find_sources_of_clients",
    "get_document",
    "list_fact_changes",
    "list_host_values",
    "list_keys",
    "list_number_carriers",
    "list_sources",
    "list_text_carriers",
    "read_counter_rates",
    "read_facts",
    "read_five_minute_means",
    "read_latest",
    "read_latest_of_sources",
    "read_many",
    "read_range",
    "read_ranges",
    "read_storage",
    "read_values",
]
