"""What a metric of the catalogue is called in Prometheus and OpenMetrics."""

import re
from dataclasses import dataclass
from functools import lru_cache

UNITS = {
    "s": "seconds",
    "By": "bytes",
    "bit/s": "bytes_per_second",
    "By/s": "bytes_per_second",
    "Cel": "celsius",
    "Hz": "hertz",
    "W": "watts",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "dB": "decibels",
    "dBm": "decibel_milliwatts",
    "ppm": "parts_per_million",
}
RATES = {"s": "per_second", "min": "per_minute"}
COUNTED_RATE = re.compile(r"\{\w+\}/(s|min)")
# Elsewhere sizes and rates are of bytes (https://prometheus.io/docs/practices/naming/#base-units).
BITS_PER_BYTE = 8
BITS = "_bits"
COUNT = "_count"
TOTAL = "_total"


@dataclass(frozen=True, slots=True)
class Naming:
    """A metric elsewhere: the family, its unit (empty if it has none) and what values are times."""

    family: str
    unit: str
    factor: float = 1.0


@lru_cache(maxsize=1024)
def name_metric(metric: str, unit: str) -> Naming:
    """Dots and the like become underscores, the unit comes last; bits become bytes.

    Names end in no `_count`, which is of histograms: `path.hop.count` is `path_hops`.
    Source: OpenMetrics 1.0, https://prometheus.io/docs/practices/naming/
    """
    name = re.sub(r"[^a-zA-Z0-9_]", "_", metric)
    if name.endswith(BITS):
        return Naming(f"{name.removesuffix(BITS)}_bytes", "bytes", 1 / BITS_PER_BYTE)
    if name.endswith(COUNT):
        name = pluralize(name.removesuffix(COUNT))
    suffix = name_unit(unit)
    if suffix and not name.endswith(f"_{suffix}"):
        name = f"{name}_{suffix}"
    return Naming(name, suffix, 1 / BITS_PER_BYTE if unit == "bit/s" else 1.0)


def pluralize(noun: str) -> str:
    if noun.endswith("ss"):
        return f"{noun}es"
    return noun if noun.endswith("s") else f"{noun}s"


def name_unit(unit: str) -> str:
    """The unit as names end in it; empty for what is counted, for a ratio, for a yes or no."""
    rate = COUNTED_RATE.fullmatch(unit)
    return RATES[rate[1]] if rate else UNITS.get(unit, "")


def name_series(metric: str, unit: str, kind: str) -> str:
    """The name of a metric's series: a counter's ends in `_total`."""
    family = name_metric(metric, unit).family
    return f"{family}{TOTAL}" if kind == "counter" else family


def name_label(attribute: str) -> str:
    """An attribute of a metric's key as a label."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)
