"""Every metric an agent may send, read from the file that both sides share.

`agent/wire/v1/metrics.json` is the one source: the agent ships it, the server reads it here.
Plug-ins add theirs by contracts of the same form.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from apps.metrics.contracts import load_contracts, read_own_metrics

ABSENT_CODES = MappingProxyType(
    {
        "U": "unsupported",
        "P": "permission missing",
        "T": "no reply",
        "N": "not applicable",
        "I": "too few samples",
    }
)

NUMBERS = frozenset({"gauge", "counter"})
"""The kinds of metric that are numbers; a text is a fact and a histogram a document."""

LONGEST_KEY = 255
KEY_PATTERN = re.compile(r"(?P<name>[a-z0-9_.]+)(?:\{(?P<attributes>[^{}]*)\})?")
ATTRIBUTE_PATTERN = re.compile(
    r"(?P<name>[a-z0-9_.]+)=(?P<value>[^,={}\x00-\x1f\x7f\ud800-\udfff]{1,64})"
)
LISTS = ("absent", "attributes", "emitted_by")


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the catalogue; `absent` holds the reason codes it may carry.

    `emitted_by` names the probes, the collectors or the `server` that it comes from.
    """

    name: str
    unit: str
    group: str
    kind: str
    better: str
    description: str
    source: str
    absent: tuple[str, ...]
    attributes: tuple[str, ...]
    emitted_by: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS


def build_catalogue(rows: Iterable[Mapping[str, Any]]) -> dict[str, Metric]:
    return {
        row["name"]: Metric(**{**row, **{name: tuple(row[name]) for name in LISTS}}) for row in rows
    }


METRICS = MappingProxyType(
    build_catalogue(
        [
            *read_own_metrics(),
            *(
                {"emitted_by": [name], **row}
                for name, one in load_contracts().items()
                for row in one.metrics
            ),
        ]
    )
)


@dataclass(frozen=True, slots=True)
class Key:
    """A metric with its attributes: what one position of a layout means."""

    metric: Metric
    attributes: tuple[tuple[str, str], ...]


def parse_key(text: str) -> Key | None:
    """The catalogue's metric and the attributes of a key; None when it is not in the catalogue."""
    # What is too long is never kept, or hostile names would fill the memory.
    return read_key(text) if len(text) <= LONGEST_KEY else None


@lru_cache(maxsize=8192)
def read_key(text: str) -> Key | None:
    match = KEY_PATTERN.fullmatch(text)
    if match is None or match["name"] not in METRICS:
        return None
    metric = METRICS[match["name"]]
    if not match["attributes"]:
        return Key(metric, ()) if match["attributes"] is None else None
    attributes = []
    for part in match["attributes"].split(","):
        pair = ATTRIBUTE_PATTERN.fullmatch(part)
        if pair is None or pair["name"] not in metric.attributes:
            return None
        attributes.append((pair["name"], pair["value"]))
    names = [name for name, _value in attributes]
    if names != sorted(set(names)):
        return None
    return Key(metric, tuple(attributes))


def explain_refusal(text: str) -> tuple[str, str]:
    """The rejection code and the reason for a key that `parse_key` does not take."""
    if len(text) > LONGEST_KEY:
        return "too_long", f"has more than {LONGEST_KEY} characters"
    if text.partition("{")[0] in METRICS:
        return "malformed", "has attributes that are unknown, unsorted or not well-formed"
    return "unknown_metric", "is not in the catalogue"
