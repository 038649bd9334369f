"""What differs between a thing before and after a change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One field: what it was and is as text, None where the document did not have it."""

    field: str
    before: str | None
    after: str | None

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every field of either document, the changed ones first, each group by name."""
    found = [
        Change(field, write_value(before, field), write_value(after, field))
        for field in sorted({*before, *after})
    ]
    return sorted(found, key=lambda change: not change.is_changed)


def write_value(document: Mapping[str, Any], field: str) -> str | None:
    """Text as it is, anything else as JSON; None when the document has no such field."""
    if field not in document:
        return None
    value = document[field]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
