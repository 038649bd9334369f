"""Quantities as people read them; static/js/format.js says the same in the browser.

Both are held to tests/dashboard/quantities.json. Stored values stay in base units.
"""

from collections.abc import Sequence
from enum import StrEnum

from apps.metrics.catalogue import METRICS, parse_key

SPACE = "\u00a0"
ABSENT = "—"
MILLI = 1000
PERCENT = 100
TENS, HUNDREDS = 10, 100
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Style(StrEnum):
    """How a quantity is written."""

    DURATION = "duration"
    RATIO = "ratio"
    BYTES = "bytes"
    BYTE_RATE = "byte_rate"
    BIT_RATE = "bit_rate"
    FREQUENCY = "frequency"
    TEMPERATURE = "temperature"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    ENERGY = "energy"
    LEVEL = "level"
    GAIN = "gain"
    ROTATION = "rotation"
    DRIFT = "drift"
    RATE = "rate"
    FLAG = "flag"
    NUMBER = "number"


BINARY_PREFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
DECIMAL_PREFIXES = ("", "k", "M", "G", "T", "P")
UNIT_STYLES = {
    "s": Style.DURATION,
    "By": Style.BYTES,
    "By/s": Style.BYTE_RATE,
    "bit/s": Style.BIT_RATE,
    "Hz": Style.FREQUENCY,
    "Cel": Style.TEMPERATURE,
    "V": Style.VOLTAGE,
    "A": Style.CURRENT,
    "W": Style.POWER,
    "J": Style.ENERGY,
    "dBm": Style.LEVEL,
    "dB": Style.GAIN,
    "{rpm}": Style.ROTATION,
    "ppm": Style.DRIFT,
}
RATIO_SUFFIXES = (
    ".ratio", ".utilization", "_utilization", ".pressure", ".efficiency", ".effectiveness",
    ".consistency", ".stability", ".steal", ".spare", ".charge", ".link_quality", ".speed_ratio",
    ".sync_ratio", ".cpu.local", ".cpu.remote", ".cpu.utilization.1m", ".cpu.limit",
)  # fmt: skip
FLAG_SUFFIXES = (
    ".detected", ".bleached", ".blackhole", ".option.sack", ".option.timestamps", ".option.ecn",
    ".negotiated", ".ect_survives", ".changed", ".truncated", ".authenticated", ".revalidation",
    ".match", ".hostname_match", ".resumed", ".valid", ".stapled", ".link.up", ".read_only",
    ".synchronized", ".passed", ".degraded",
)  # fmt: skip
# Unit 1 means a share, a yes or no, or a bare number; the catalogue's name tells which.
NAME_STYLES = {
    "http.compression.ratio": Style.NUMBER,
    # A packet is larger or not by a single byte.
    "path.mtu": Style.NUMBER,
    "path.mtu.icmp": Style.NUMBER,
    "path.mss.received": Style.NUMBER,
    "net.tcp.pmtu": Style.NUMBER,
    "net.tcp.mss.send": Style.NUMBER,
    "net.tcp.mss.receive": Style.NUMBER,
    "net.tcp.mss.advertised": Style.NUMBER,
}


def find_style(key: str) -> Style:
    """How the values of a metric key are written; a plain number when the key is unknown."""
    parsed = parse_key(key)
    if parsed is None:
        return Style.NUMBER
    name, unit = parsed.metric.name, parsed.metric.unit
    if name in NAME_STYLES:
        return NAME_STYLES[name]
    if unit in UNIT_STYLES:
        return UNIT_STYLES[unit]
    if unit == "1" and name.endswith(FLAG_SUFFIXES):
        return Style.FLAG
    if unit == "1" and name.endswith(RATIO_SUFFIXES):
        return Style.RATIO
    return Style.RATE if unit.endswith("/s") else Style.NUMBER


def describe_key(key: str) -> str:
    """What the catalogue says a metric key is; the key itself when it is unknown."""
    parsed = parse_key(key)
    return METRICS[parsed.metric.name].description if parsed else key


def format_quantity(value: float | None, style: Style) -> str:
    """The value with its unit, about three significant digits; a dash for None."""
    if value is None:
        return ABSENT
    return WRITERS[style](value)


def format_duration(seconds: float) -> str:
    size = abs(seconds)
    if size < 1:
        return f"{format_digits(seconds * MILLI)}{SPACE}ms"
    if size < 2 * MINUTE:
        return f"{format_digits(seconds)}{SPACE}s"
    if size < 2 * HOUR:
        return join_parts(seconds, MINUTE, "min", 1, "s")
    if size < 2 * DAY:
        return join_parts(seconds, HOUR, "h", MINUTE, "min")
    return join_parts(seconds, DAY, "d", HOUR, "h")


def format_age(seconds: float) -> str:
    """How long ago, in the largest whole unit of which there are two."""
    whole = max(int(seconds), 0)
    for length, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if whole >= 2 * length:
            return f"{whole // length}{SPACE}{unit}"
    return f"{whole}{SPACE}s"


def format_period(seconds: float) -> str:
    """A duration that somebody chose: without digits nobody typed."""
    if seconds < 2 * MINUTE and seconds >= 1:
        return f"{seconds:g}{SPACE}s"
    return format_duration(seconds)


def join_parts(seconds: float, large: int, large_unit: str, small: int, small_unit: str) -> str:
    sign = "-" if seconds < 0 else ""
    count, rest = divmod(int(abs(seconds)), large)
    text = f"{sign}{count}{SPACE}{large_unit}"
    return f"{text} {rest // small}{SPACE}{small_unit}" if rest // small else text


def format_ratio(ratio: float) -> str:
    percent = ratio * PERCENT
    if percent == 0 or abs(percent) >= HUNDREDS:
        return f"{percent:.0f}{SPACE}%"
    digits = 1 if abs(percent) >= 1 else 2
    return f"{percent:.{digits}f}{SPACE}%"


def scale(value: float, step: int, prefixes: Sequence[str], unit: str) -> str:
    index = 0
    while abs(value) >= step and index < len(prefixes) - 1:
        value /= step
        index += 1
    number = f"{value:.0f}" if index == 0 else format_digits(value)
    return f"{number}{SPACE}{prefixes[index]}{unit}"


def format_digits(value: float) -> str:
    size = abs(value)
    if size >= HUNDREDS or size == 0:
        return f"{value:.0f}"
    if size >= TENS:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def format_number(value: float) -> str:
    if float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f")
    return format_digits(value)


WRITERS = {
    Style.DURATION: format_duration,
    Style.RATIO: format_ratio,
    Style.BYTES: lambda value: scale(value, 1024, BINARY_PREFIXES, "B"),
    Style.BYTE_RATE: lambda value: scale(value, 1024, BINARY_PREFIXES, "B/s"),
    Style.BIT_RATE: lambda value: scale(value, 1000, DECIMAL_PREFIXES, "bit/s"),
    Style.FREQUENCY: lambda value: scale(value, 1000, DECIMAL_PREFIXES, "Hz"),
    Style.TEMPERATURE: lambda value: f"{value:.1f}{SPACE}°C",
    Style.VOLTAGE: lambda value: f"{format_digits(value)}{SPACE}V",
    Style.CURRENT: lambda value: f"{format_digits(value)}{SPACE}A",
    Style.POWER: lambda value: f"{format_digits(value)}{SPACE}W",
    Style.ENERGY: lambda value: scale(value, 1000, DECIMAL_PREFIXES, "J"),
    Style.LEVEL: lambda value: f"{format_digits(value)}{SPACE}dBm",
    Style.GAIN: lambda value: f"{format_digits(value)}{SPACE}dB",
    Style.ROTATION: lambda value: f"{format_number(value)}{SPACE}rpm",
    Style.DRIFT: lambda value: f"{format_digits(value)}{SPACE}ppm",
    Style.RATE: lambda value: f"{format_digits(value)}{SPACE}/s",
    Style.FLAG: lambda value: "yes" if value else "no",
    Style.NUMBER: format_number,
}
