"""Events of this app for the apps above it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PapersChanged:
    """A report, a message with one, or an export was asked for, goes on, or came to its end."""
