"""Quantities as a report writes them: with their unit, about three significant digits.

Decimal mark, thousands and units are those of the language that is spoken at the moment.
"""

import re

from django.utils import formats
from django.utils.translation import pgettext

SPACE = "\N{NO-BREAK SPACE}"
ABSENT = "\N{EM DASH}"
MINUTE, HOUR, DAY = 60, 3600, 86_400
BIT_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
# Beyond so good, more digits tell good from very good.
FINE_RATIO = 0.99
TINY_RATIO = 0.0001
TENS, HUNDREDS = 10, 100
NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?")


def localise(number: str) -> str:
    """A number that Python wrote, as the language does; what is none stays as it is."""
    match = NUMBER.fullmatch(number)
    if match is None:
        return number
    sign, whole, fraction = match.groups()
    text = sign + f"{int(whole):,}".replace(",", formats.get_format("THOUSAND_SEPARATOR"))
    return text + formats.get_format("DECIMAL_SEPARATOR") + fraction if fraction else text


def write_count(count: int) -> str:
    return localise(str(count))


def write_rest(count: int) -> str:
    """How many are left out; empty where none is."""
    return write_count(count) if count > 0 else ""


def write_change(change: float, form: str) -> str:
    """With its sign; `form` is the rest of Python's format, such as `.2f`."""
    return localise(format(change, f"+{form}"))


def write_digits(value: float) -> str:
    # What rounds up to a power of ten is written like it.
    size = abs(float(f"{value:.3g}"))
    if size >= HUNDREDS or value == 0:
        return localise(f"{value:.0f}")
    if size >= TENS:
        return localise(f"{value:.1f}")
    return localise(f"{value:.2f}" if size >= 1 else f"{value:.3g}")


def write_seconds(seconds: float | None) -> str:
    """A latency: milliseconds below a second."""
    if seconds is None:
        return ABSENT
    if abs(seconds) < 1:
        return f"{write_digits(seconds * 1000)}{SPACE}ms"
    return f"{write_digits(seconds)}{SPACE}s"


def write_span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(round(seconds), 0)
    for large, name, small, small_name in (
        (DAY, pgettext("days, in short", "d"), HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= large:
            count, rest = divmod(whole, large)
            text = f"{write_count(count)}{SPACE}{name}"
            return f"{text} {rest // small}{SPACE}{small_name}" if rest // small else text
    return f"{whole}{SPACE}s"


def write_share(ratio: float | None) -> str:
    """A share of a whole in percent; of what is nearly whole three digits behind the point.

    Never 100 % of what is less, and never 0 % of what is more than nothing.
    """
    if ratio is None:
        return ABSENT
    percent = ratio * 100
    if FINE_RATIO <= ratio < 1:
        return say_percent(f"{min(percent, 99.999):.3f}")
    if 0 < ratio < TINY_RATIO:
        return f"<{SPACE}{say_percent('0.01')}"
    digits = 0 if ratio in {0, 1} else 2 if percent < TENS else 1
    return say_percent(f"{percent:.{digits}f}")


def write_availability(ratio: float | None) -> str:
    """A share in percent with three digits behind the point, as columns of them are compared.

    Never 100 % of what is less.
    """
    if ratio is None:
        return ABSENT
    return say_percent(f"{ratio * 100 if ratio == 1 else min(ratio * 100, 99.999):.3f}")


def say_percent(number: str) -> str:
    return f"{localise(number)}{SPACE}%"


def write_bits(bits_per_second: float | None) -> str:
    if bits_per_second is None:
        return ABSENT
    for step, prefix in BIT_STEPS:
        if abs(bits_per_second) >= step:
            return f"{write_digits(bits_per_second / step)}{SPACE}{prefix}bit/s"
    return f"{write_digits(bits_per_second)}{SPACE}bit/s"


WRITERS = {"duration": write_seconds, "ratio": write_share, "bit_rate": write_bits}


def write_quantity(value: float | None, style: str) -> str:
    """The value in a style: `duration` (s), `ratio` (0 to 1) or `bit_rate` (bit/s)."""
    return WRITERS[style](value)


def write_mark(value: float, style: str) -> str:
    """A value of an axis: as `write_quantity`, without zeros that say nothing."""
    text = write_quantity(value, style)
    number, _space, unit = text.partition(SPACE)
    mark = formats.get_format("DECIMAL_SEPARATOR")
    if mark in number:
        number = number.rstrip("0").removesuffix(mark)
    return f"{number}{SPACE}{unit}"
