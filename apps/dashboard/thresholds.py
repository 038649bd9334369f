"""Above which values something counts as high, by the server's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from apps.configuration.selectors import read_settings

PERCENT = 100
MEGABIT = 1_000_000
IN_KEY = "system.network.io.rate{direction=receive}"
OUT_KEY = "system.network.io.rate{direction=transmit}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A setting, the metric keys it holds for, and how much of their unit one of its unit is."""

    setting: str
    keys: tuple[str, ...]
    factor: float


RULES: tuple[Rule, ...] = (
    Rule("cpu_threshold_percent", ("system.cpu.utilization",), 1 / PERCENT),
    Rule("memory_threshold_percent", ("system.memory.utilization",), 1 / PERCENT),
    Rule("disk_threshold_percent", ("system.filesystem.utilization",), 1 / PERCENT),
    Rule("bandwidth_threshold_mbps", (IN_KEY, OUT_KEY), MEGABIT),
)

Thresholds = Mapping[str, float]


def read_thresholds() -> Thresholds:
    """The threshold of each metric key that has one, in the key's own unit; one query."""
    values = read_settings(rule.setting for rule in RULES)
    return {
        key: float(str(values[rule.setting])) * rule.factor for rule in RULES for key in rule.keys
    }


def read_thresholds_once(request: HttpRequest) -> Thresholds:
    """As `read_thresholds`, asked for once in a request however many rows a page has."""
    known: Thresholds | None = getattr(request, "_thresholds", None)
    if known is None:
        known = read_thresholds()
        request._thresholds = known  # type: ignore[attr-defined]  # noqa: SLF001 - cache of one request
    return known
