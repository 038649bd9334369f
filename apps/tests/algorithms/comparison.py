"""What follows from a result and the one before it: changes, and how content users are."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Measures = dict[str, float | str]
"""Numbers, or the reason codes of why there are none, by metric key."""


def is_compared(document: Document) -> bool:
    """Whether anything follows from a result with that document."""
    return any(key in document for key in ("answers", "body_sha256", "apdex"))


def compare_results(document: Document, previous: Document | None) -> Measures:
    """The values that a result has beyond what its agent measured.

    `previous` is the document of the run before on the same client; without one, whether the answer
    changed is I (too few samples).
    """
    measures: Measures = {}
    if "answers" in document:
        measures["dns.answer.changed"] = tell_change("answers", document, previous)
    if "apdex" in document:
        measures["http.content.changed"] = tell_change("body_sha256", document, previous)
        measures["http.apdex"] = reckon_apdex(document["apdex"])
    return measures


def tell_change(part: str, document: Document, previous: Document | None) -> float | str:
    """1 when the part is another one than before, 0 when it is the same, N without it."""
    if part not in document:
        return "N"
    if previous is None or part not in previous:
        return "I"
    return float(document[part] != previous[part])


def reckon_apdex(counts: Any) -> float | str:
    """The index, 0 to 1, of counts of `satisfied`, `tolerating` and `all`; I for none.

    Source: Apdex technical specification 1.1. What is no count is treated as none.
    """
    try:
        satisfied, tolerating, total = (
            int(counts[name]) for name in ("satisfied", "tolerating", "all")
        )
    except (KeyError, TypeError, ValueError):
        return "I"
    if not 0 <= satisfied + tolerating <= total or total == 0 or min(satisfied, tolerating) < 0:
        return "I"
    return (satisfied + tolerating / 2) / total
