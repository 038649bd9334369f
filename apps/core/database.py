"""What a fault of the database means to a caller."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError

from apps.core.errors import StorageFull, Unavailable

RETRY_AFTER_SECONDS = 5
FULL_RETRY_AFTER_SECONDS = 60
DISK_FULL_CODE = "53100"  # PostgreSQL appendix A, class 53


def explain_fault(error: OperationalError | InterfaceError) -> Unavailable:
    """The refusal, saying when to come back, for a database that is away, full or stuck."""
    cause = error.__cause__
    if getattr(cause, "pgcode", None) == DISK_FULL_CODE or "disk is full" in str(error):
        return StorageFull(
            "storage_full",
            "The server's disk is full; nothing of this was stored.",
            retry_after_seconds=FULL_RETRY_AFTER_SECONDS,
        )
    return Unavailable(
        "database_unavailable",
        "The database cannot do this right now; nothing of it was stored.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turns a fault of the database into a refusal."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise explain_fault(error) from error
