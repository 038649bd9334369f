"""Numbers as people read them; units are the catalogue's."""

from streamswarm_agent.wire.catalogue import load_metrics
from streamswarm_agent.wire.keys import parse_key

_SHARES = (".ratio", ".utilization", ".pressure", ".steal", ".charge", ".speed_ratio")
ABSENT = {
    "U": "unsupported here",
    "P": "needs a permission",
    "T": "no reply",
    "N": "not applicable",
    "I": "too few samples",
}
_DECIMAL_PREFIXES = ("", "k", "M", "G", "T")
_THOUSAND = 1000.0


def format_quantity(key: str, value: float) -> str:
    """A metric's value with its unit, for example `12.3 ms`, `0.5 %` or `1.4 kB`."""
    name, _ = parse_key(key)
    metric = load_metrics().get(name)
    unit = "" if metric is None else metric.unit
    if unit == "s":
        return _format_seconds(value)
    if name.endswith(_SHARES):
        return f"{value * 100:.4g} %"
    if unit == "Cel":
        return f"{value:.1f} °C"
    if unit in {"By", "bit/s", "By/s", "Hz"}:
        return _format_prefixed(value, unit.replace("By", "B"))
    return f"{value:.6g} {_name_count(unit)}".rstrip()


def _format_seconds(seconds: float) -> str:
    if abs(seconds) >= 1:
        return f"{seconds:.3f} s"
    milliseconds = seconds * 1e3
    if abs(milliseconds) >= 1 or seconds == 0:
        return f"{milliseconds:.3f} ms"
    return f"{milliseconds * 1e3:.1f} µs"


def _format_prefixed(value: float, unit: str) -> str:
    for prefix in _DECIMAL_PREFIXES[:-1]:
        if abs(value) < _THOUSAND:
            return f"{value:.4g} {prefix}{unit}"
        value /= _THOUSAND
    return f"{value:.4g} {_DECIMAL_PREFIXES[-1]}{unit}"


def _name_count(unit: str) -> str:
    """`{packet}/s` reads `packet/s`; the plain number of unit 1 has no name."""
    return "" if unit == "1" else unit.replace("{", "").replace("}", "")
