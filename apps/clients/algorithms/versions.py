import re

PARTS = re.compile(r"\d+(?:\.\d+)*")


def is_older(version: str, than: str) -> bool:
    """Whether release `version` came before `than`; False when either is no release number.

    Only the leading dotted numbers count, and 1.2 equals 1.2.0.
    """
    own, other = parse_release(version), parse_release(than)
    return own is not None and other is not None and own < other


def parse_release(version: str) -> tuple[int, ...] | None:
    """The leading numbers of a version without closing zeros."""
    match = PARTS.match(version)
    if match is None:
        return None
    numbers = [int(part) for part in match.group().split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
