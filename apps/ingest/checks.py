"""What can be stored: finite numbers, bounded and clean text, bounded depth."""

import json
import math
from typing import Any

import msgspec

DEPTH_LIMIT = 8
TEXT_LIMIT = 4_096
DOCUMENT_LIMIT_BYTES = 64_000
SAMPLE_LENGTH = 500


class RecordRefused(Exception):
    """One record cannot be stored; its neighbours can."""

    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.detail = detail


def too_deep(field: str) -> RecordRefused:
    return RecordRefused("too_deep", field, f"nests deeper than {DEPTH_LIMIT} levels")


def check_tree(value: Any, field: str, depth: int = 1) -> None:
    """Raises RecordRefused for text, numbers or nesting that cannot be stored in a document."""
    if depth > DEPTH_LIMIT:
        raise too_deep(field)
    if isinstance(value, str):
        check_text(value, field)
    elif isinstance(value, float):
        check_finite(value, field)
    elif isinstance(value, dict):
        for name, item in value.items():
            check_text(name, field)
            check_tree(item, f"{field}.{name}"[:255], depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_tree(item, f"{field}[{index}]", depth + 1)


def check_text(value: str, field: str) -> None:
    if len(value) > TEXT_LIMIT:
        raise RecordRefused("too_long", field, f"has more than {TEXT_LIMIT} characters")
    if not value.isprintable() and has_unstorable(value):
        raise RecordRefused("bad_text", field, "contains a NUL or half of a surrogate pair")


def has_unstorable(value: str) -> bool:
    return "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)


def check_finite(value: float, field: str) -> None:
    if not math.isfinite(value):
        raise RecordRefused("not_finite", field, "must be a finite number")


def echo_id(value: str) -> str:
    """The id by which the sender knows its record, as far as an answer can hold it."""
    return value[:64].encode("utf-8", "replace").decode()


def clean_text(value: str) -> str:
    """The text without what a database or a log could not hold."""
    return "".join(letter if letter.isprintable() else "?" for letter in value)


def shorten(item: Any) -> Any:
    """The beginning of a refused record as printable text."""
    try:
        return clean_text(json.dumps(item, default=str))[:SAMPLE_LENGTH]
    except RecursionError:
        return "too deep to show"


def check_document(document: dict[str, Any], field: str) -> None:
    """Raises RecordRefused for a document that is too large, too deep or not storable."""
    try:
        check_tree(document, field)
        size_bytes = len(msgspec.json.encode(document))
    except (RecursionError, UnicodeError, OverflowError) as error:
        raise RecordRefused("malformed", field, "cannot be written as JSON") from error
    if size_bytes > DOCUMENT_LIMIT_BYTES:
        detail = f"has {size_bytes} bytes, more than the {DOCUMENT_LIMIT_BYTES} of a document"
        raise RecordRefused("too_long", field, detail)
