"""What the documents of processes and connections have in common: bounded, and clean text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_DOCUMENT_BYTES = 60_000
"""Below the 64 kB that the wire allows, since the server measures its own spelling."""
LONGEST_TEXT = 256


def fit_rows(
    body: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, max_rows: int
) -> dict[str, Any]:
    """The body with as many of the `rows`, first ones first, as fit; `left_out` counts the rest."""
    room_bytes = MAX_DOCUMENT_BYTES - measure(body) - len('"left_out":100000,"rows":[]')
    kept: list[Mapping[str, Any]] = []
    for row in rows[:max_rows]:
        room_bytes -= measure(row) + 1
        if room_bytes < 0:
            break
        kept.append(row)
    return {**body, "rows": kept, "left_out": len(rows) - len(kept)}


def measure(value: Any) -> int:
    """The bytes of a value's compact JSON."""
    return len(json.dumps(value, separators=(",", ":")))


def clean(text: str) -> str:
    """The text without what neither a database nor a terminal should get, at most 256 letters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_TEXT])


def describe_missing(code: str, what: str, remedy: str = "") -> dict[str, str]:
    """An entry of a document's `missing`: reason code, what is not there, what would help."""
    return {"code": code, "what": what, "remedy": remedy}
