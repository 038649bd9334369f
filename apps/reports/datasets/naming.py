"""Words of the catalogue beside figures."""

from apps.metrics.catalogue import ABSENT_CODES, parse_key

NOT_SAID = "not measured"


def name_unit(key: str) -> str:
    """The unit of a metric's key; empty for one that the catalogue does not know (any more)."""
    found = parse_key(key)
    return found.metric.unit if found else ""


def name_absence(code: str | None) -> str:
    """Why there is no figure, in words."""
    return ABSENT_CODES.get(code or "", NOT_SAID)
