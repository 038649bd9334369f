"""Events of this app for the apps above it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A client went online, late or offline, or came back."""

    client_id: UUID
    presence: str
    previous: str


@dataclass(frozen=True, slots=True)
class ClientChanged:
    """A client was enrolled, renamed, moved, described anew, or deleted."""

    client_id: UUID
