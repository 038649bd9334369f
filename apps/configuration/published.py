"""What this room tells the rooms above it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Settings got other values: the names of those that were stored or forgotten."""

    names: tuple[str, ...]
