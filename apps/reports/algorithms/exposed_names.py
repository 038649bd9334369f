"""What a metric of the catalogue is called in Prometheus and OpenMetrics."""

import re

UNITS = {
    "s": "seconds",
    "By": "bytes",
    "bit/s": "bits_per_second",
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
TOTAL = "_total"


def name_unit(unit: str) -> str:
    """The unit as names end in it; empty for what is counted, for a ratio, for a yes or no."""
    rate = COUNTED_RATE.fullmatch(unit)
    return RATES[rate[1]] if rate else UNITS.get(unit, "")


def name_family(metric: str, unit: str) -> str:
    """The name of a metric's family: dots and the like become underscores, the unit comes last."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", metric)
    suffix = name_unit(unit)
    if not suffix or name.endswith(f"_{suffix}"):
        return name
    return f"{name}_{suffix}"


def name_series(metric: str, unit: str, kind: str) -> str:
    """The name of a metric's series: a counter's ends in `_total`."""
    family = name_family(metric, unit)
    return f"{family}{TOTAL}" if kind == "counter" else family


def name_label(attribute: str) -> str:
    """An attribute of a metric's key as a label."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)
