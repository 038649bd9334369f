"""Whether a value is a right one for its setting; each refusal says the rule or the limit."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.configuration.definitions import BY_NAME, RISING, Definition, SettingKind, TextForm

LONGEST_TEXT = 500
HOST_PATTERN = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]{2,45}")
MOST_WORDS = 50


def check_value(definition: Definition, value: object) -> object:
    """The value as it is stored and read: a flag, int, float, text or a list of words.

    Raises: ValueError whose text says what is allowed.
    """
    return CHECKS[definition.kind](definition, value)


def find_disorder(values: Mapping[str, object]) -> tuple[str, str] | None:
    """The first setting that is greater than the one that must not be below it, and the rule."""
    for lower, upper in pairwise(RISING):
        least, most = values[lower], values[upper]
        if isinstance(least, int) and isinstance(most, int) and least > most:
            return lower, f"must be at most {upper}, which is {most} {BY_NAME[upper].unit}"
    return None


def check_flag(_definition: Definition, value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - one kind of refusal for all
    return value


def check_number(definition: Definition, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a number {describe_limits(definition)}".strip())
    check_limits(definition, value)
    return float(value)


def check_whole(definition: Definition, value: object) -> object:
    is_whole = isinstance(value, int | float) and float(value).is_integer()
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_whole:
        raise ValueError(f"must be a whole number {describe_limits(definition)}".strip())
    check_limits(definition, value)
    return int(value)


def check_limits(definition: Definition, value: float) -> None:
    lowest, highest = definition.minimum, definition.maximum
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        raise ValueError(f"must be {describe_limits(definition)}")


def describe_limits(definition: Definition) -> str:
    """`from 1 to 720 min`; empty without limits."""
    if definition.minimum is None or definition.maximum is None:
        return ""
    limits = f"from {write_number(definition.minimum)} to {write_number(definition.maximum)}"
    return f"{limits} {definition.unit}".strip()


def write_number(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def check_text(definition: Definition, value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - one kind of refusal for all
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise ValueError("must be one line without control characters")
    text = value.strip()
    if text:
        FORMS[definition.form](text)
    return text


def check_secret(definition: Definition, value: object) -> object:
    """A secret is kept as it is: a space at its end may be part of it."""
    check_text(definition, value)
    return value


def check_choice(definition: Definition, value: object) -> object:
    if value not in definition.choices:
        raise ValueError(f"must be one of {', '.join(definition.choices)}")
    return value


def check_words(definition: Definition, value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of texts")  # noqa: TRY004 - one kind of refusal for all
    words = [str(check_text(definition, word)) for word in value]
    kept = list(dict.fromkeys(word for word in words if word))
    if len(kept) > MOST_WORDS:
        raise ValueError(f"must be at most {MOST_WORDS}")
    return kept


def accept_text(_text: str) -> None:
    """Any line is right."""


def check_address(text: str) -> None:
    try:
        validate_email(text)
    except ValidationError:
        raise ValueError(f"must be an e-mail address, which {text[:80]!r} is not") from None


def check_host(text: str) -> None:
    if not HOST_PATTERN.fullmatch(text):
        raise ValueError("must be a host name or an IP address, without port or scheme")


FORMS: dict[TextForm, Callable[[str], None]] = {
    "": accept_text,
    "host": check_host,
    "address": check_address,
}
CHECKS: dict[SettingKind, Callable[[Definition, object], object]] = {
    "flag": check_flag,
    "whole": check_whole,
    "number": check_number,
    "text": check_text,
    "words": check_words,
    "secret": check_secret,
    "choice": check_choice,
}
