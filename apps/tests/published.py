"""Events of this app for the apps above it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first sample of a run came in."""

    run_id: UUID
    assignment_id: UUID
    test_id: UUID
    client_id: UUID


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended: finished, failed, cancelled, missed or not started."""

    run_id: UUID
    assignment_id: UUID
    test_id: UUID
    client_id: UUID
    state: str


@dataclass(frozen=True, slots=True)
class ScheduleChanged:
    """What these clients' agents should do has changed."""

    client_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class TestChanged:
    """A test was made, changed, paused, resumed or deleted."""

    test_id: UUID
