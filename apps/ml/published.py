"""Events of this app for the apps above it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FindingRaised:
    """A new finding about a client was committed."""

    finding_id: UUID
    client_id: UUID
    kind: str
    severity: str


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """Somebody said what was right or wrong about a finding or a diagnosis, or took it back."""

    client_id: UUID


@dataclass(frozen=True, slots=True)
class TrainingChanged:
    """A training was asked for, goes on, or came to its end."""

    training_id: UUID


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """A version was promoted, retired, or found bad."""

    version_id: UUID
