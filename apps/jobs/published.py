"""Events of this app for the apps above it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ClaimRenewed:
    """Some job is worked on in this process, inside its time limit."""

    job_id: UUID
