from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.jobs.errors import JobLost
from apps.jobs.models import Job

LONGEST_NOTE = 200


@dataclass(slots=True)
class JobRun:
    """One attempt as its handler sees it."""

    job: Job
    progress: float | None = field(init=False)
    note: str = field(init=False)
    is_lost: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.progress, self.note = self.job.progress, self.job.note

    @property
    def arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = self.job.arguments
        return arguments

    def report(self, progress: float | None, note: str = "") -> None:
        """Say how far the work is (0 to 1); it is shown within a second or so.

        Raises: JobLost when the work need not go on.
        """
        if self.is_lost:
            raise JobLost
        self.progress = None if progress is None else min(max(progress, 0.0), 1.0)
        self.note = note[:LONGEST_NOTE]
