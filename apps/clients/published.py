"""Events of this app for the apps above it."""

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class HeartbeatRecorded:
    """An agent reported that it is there."""

    client_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class MaintenanceChanged:
    """A maintenance window was made, changed, ended or deleted."""

    window_id: UUID
