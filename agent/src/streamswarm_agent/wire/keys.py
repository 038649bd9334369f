"""Metric keys: a metric's name and its attributes in braces, sorted by name."""

import re
from collections.abc import Mapping

_ATTRIBUTE_VALUE = re.compile(r"[^,={}\x00-\x1f\x7f]{1,64}")
_KEY = re.compile(r"(?P<name>[^{}]+)(?:\{(?P<attributes>[^{}]+)\})?")


def format_key(name: str, attributes: Mapping[str, str]) -> str:
    """The canonical key, for example `system.network.io{direction=receive}`.

    Raises: ValueError when a value is not 1-64 characters without `,={}` and control characters.
    """
    for attribute, value in attributes.items():
        if _ATTRIBUTE_VALUE.fullmatch(value) is None:
            raise ValueError(f"{name}: attribute {attribute} cannot hold {value!r}")
    if not attributes:
        return name
    return f"{name}{{{','.join(f'{key}={attributes[key]}' for key in sorted(attributes))}}}"


def parse_key(key: str) -> tuple[str, dict[str, str]]:
    """The metric name and the attributes of a canonical key.

    Raises: ValueError when the text is not what `format_key` would write.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"not a metric key: {key!r}")
    name = match["name"]
    pairs = [part.partition("=") for part in (match["attributes"] or "").split(",") if part]
    attributes = {attribute: value for attribute, _, value in pairs}
    if format_key(name, attributes) != key:
        raise ValueError(f"not a canonical metric key: {key!r}")
    return name, attributes
