"""Events of this app for the apps above it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame that is stored now; `keys` and `values` run in parallel, None = not measured."""

    source_id: int
    source_kind: str
    source_subject: str
    at: datetime
    seq: int
    keys: tuple[str, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class FramesRecorded:
    """New frames of one client were committed."""

    client_id: UUID
    frames: tuple[RecordedFrame, ...]


@dataclass(frozen=True, slots=True)
class DocumentRecorded:
    """A client's new document of a kind (processes, connections) was committed."""

    client_id: UUID
    kind: str
    at: datetime
