"""What a fault of the database means to a caller, and when its connection need not be doubted."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse

from apps.core.errors import StorageFull, Unavailable
from apps.core.storage_state import note_storage_fault

RETRY_AFTER_SECONDS = 5
FULL_RETRY_AFTER_SECONDS = 60
DISK_FULL_CODE = "53100"  # PostgreSQL appendix A, class 53
FULL_WORDS = ("disk is full", "No space left on device")
FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT})
TRUST_SECONDS = 1.0


def explain_fault(error: OperationalError | InterfaceError) -> Unavailable:
    """The refusal, saying when to come back, for a database that is away, full or stuck."""
    return report_full() if is_disk_full(error) else report_away()


def report_full() -> StorageFull:
    """The refusal of what found no room; every process of this machine gets to know it."""
    note_storage_fault("The disk of the database is full.")
    return StorageFull(
        "storage_full",
        "The server's disk is full; nothing of this was stored.",
        retry_after_seconds=FULL_RETRY_AFTER_SECONDS,
    )


def report_away() -> Unavailable:
    return Unavailable(
        "database_unavailable",
        "The database cannot do this right now; nothing of it was stored.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a write failed for want of room: by the database's word, or the system's."""
    if isinstance(error, OSError):
        return error.errno in FULL_NUMBERS
    if not isinstance(error, DatabaseError):
        return False
    if getattr(error.__cause__, "pgcode", None) == DISK_FULL_CODE:
        return True
    return any(words in str(error) for words in FULL_WORDS)


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turns a fault of the database, or a disk without room, into a refusal."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise explain_fault(error) from error
    except OSError as error:
        if is_disk_full(error):
            raise report_full() from error
        raise


@contextmanager
def forgive_full_disk() -> Iterator[None]:
    """For what is only noted beside the work itself: without room it is left out."""
    try:
        yield
    except (DatabaseError, OSError) as error:
        if not is_disk_full(error):
            raise
        report_full()


class Trust:
    """Which threads' connections have just worked and need not be asked whether they do.

    The question is a crossing of its own before each small upload. A database that went away within
    the last second is noticed by the statement itself, and its caller told to come back.
    """

    def __init__(self) -> None:
        self._thread = threading.local()

    def spare_question(self) -> None:
        """Before a call's first statement: leaves the question out when it can be."""
        worked_at = getattr(self._thread, "worked_at", float("-inf"))
        if time.monotonic() - worked_at < TRUST_SECONDS:
            connection.health_check_done = True  # type: ignore[attr-defined]  # not in the stubs

    def note(self, *, has_worked: bool) -> None:
        """After a call: whether its statements were answered."""
        self._thread.worked_at = time.monotonic() if has_worked else float("-inf")


TRUST = Trust()


class TrustMiddleware:
    """Spares a connection that has just worked the question whether it works."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        TRUST.spare_question()
        response = self.get_response(request)
        TRUST.note(has_worked=response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)
        return response
