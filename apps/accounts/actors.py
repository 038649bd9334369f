"""Who is acting right now, for the audit: set at every door, read by services."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from apps.accounts.models import AuditEntry, User


@dataclass(frozen=True, slots=True)
class Actor:
    label: str
    via: AuditEntry.Via
    user: User | None = None
    address: str = ""


SYSTEM = Actor(label="server", via=AuditEntry.Via.SYSTEM)

_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def read_actor() -> Actor:
    return _current.get()


@contextmanager
def act_as(actor: Actor) -> Iterator[None]:
    """Everything audited inside is written down as done by `actor`."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)


def replace_actor(actor: Actor) -> None:
    """Correct the actor inside `act_as`, when a request proves only later who sent it."""
    _current.set(actor)
