"""What jobs there are: higher rooms add theirs from a table in their `apps.py: ready()`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise

from apps.core.errors import FieldError, Invalid
from apps.jobs.queues import Queue
from apps.jobs.runs import JobRun

MOST_LEASE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended well: what is said of it, and whether nothing is left to do.

    Work that is not complete goes on behind the other jobs, with its attempts counted anew.
    """

    note: str = ""
    is_complete: bool = True


Handler = Callable[[JobRun], Outcome | None]


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work. Its handler may run again after a kill, so it does no harm twice.

    After `time_limit_seconds` the attempt has failed; a worker that does not come back from it
    within half a minute more is killed.
    """

    title: str | Promise
    handler: Handler
    queue: Queue = Queue.DEFAULT
    most_attempts: int = 3
    lease_seconds: float = MOST_LEASE_SECONDS
    time_limit_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.lease_seconds <= MOST_LEASE_SECONDS:
            raise ValueError(f"a claim lasts at most {MOST_LEASE_SECONDS:g} s")
        if self.most_attempts < 1:
            raise ValueError("a job needs at least one attempt")


_kinds: dict[str, JobKind] = {}


def register_job(name: str, kind: JobKind) -> None:
    """Have jobs of that name done by that kind's handler.

    Raises: ValueError for a name that means another kind already.
    """
    if _kinds.setdefault(name, kind) != kind:
        raise ValueError(f"two kinds of job are called {name}")


def list_kinds() -> Mapping[str, JobKind]:
    return _kinds


def find_kind(name: str) -> JobKind:
    """Raises: Invalid for a name that nobody registered."""
    kind = _kinds.get(name)
    if kind is None:
        raise Invalid([FieldError("kind", "unknown_kind", f"must be one of {', '.join(_kinds)}")])
    return kind


def name_kind(name: str) -> str:
    """What people call it; the name itself of a kind that is gone."""
    kind = _kinds.get(name)
    return str(kind.title) if kind is not None else name
