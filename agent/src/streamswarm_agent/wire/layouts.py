"""Layouts: the ordered metric keys of a frame, known by their hash."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAXIMUM_KEYS = 256


@dataclass(frozen=True, slots=True)
class Layout:
    hash: str
    keys: tuple[str, ...]


def hash_keys(keys: Sequence[str]) -> str:
    """The first 16 hex digits of the SHA-256 of the keys joined by line feeds."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def build_layout(keys: Iterable[str]) -> Layout:
    """The layout of these keys in sorted order, so that equal sets share one layout.

    Raises: ValueError for more than 256 keys.
    """
    ordered = tuple(sorted(keys))
    if len(ordered) > MAXIMUM_KEYS:
        raise ValueError(f"a layout holds at most {MAXIMUM_KEYS} keys, not {len(ordered)}")
    return Layout(hash_keys(ordered), ordered)
