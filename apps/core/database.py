"""What a fault of the database means to a caller."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError

from apps.core.errors import StorageFull, Unavailable

RETRY_AFTER_SECONDS = 5
FULL_RETRY_AFTER_SECONDS = 60
DISK_FULL_CODE = "53100"  # PostgreSQL appendix A, class 53


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turns a database that is away or full into a refusal that says when to come back."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        cause = error.__cause__
        if getattr(cause, "pgcode", None) == DISK_FULL_CODE or "disk is full" in str(error):
            raise StorageFull(
                "storage_full",
                "The server's disk is full; nothing of this was stored.",
                retry_after_seconds=FULL_RETRY_AFTER_SECONDS,
            ) from error
        raise Unavailable(
            "database_unavailable",
            "The database does not answer; nothing of this was stored.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from error
