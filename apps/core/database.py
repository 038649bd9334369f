"""What a fault of the database means to a caller, and when its connection need not be doubted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse

from apps.core.errors import StorageFull, Unavailable

RETRY_AFTER_SECONDS = 5
FULL_RETRY_AFTER_SECONDS = 60
DISK_FULL_CODE = "53100"  # PostgreSQL appendix A, class 53
TRUST_SECONDS = 1.0


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


class TrustMiddleware:
    """Spares a connection that has just worked the question whether it works.

    The question costs a fifth of a small upload. A database that went away within the last second
    is noticed by the statement itself, and its caller told to come back.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._thread = threading.local()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        worked_at = getattr(self._thread, "worked_at", float("-inf"))
        if time.monotonic() - worked_at < TRUST_SECONDS:
            connection.health_check_done = True  # type: ignore[attr-defined]  # not in the stubs
        response = self.get_response(request)
        has_worked = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        self._thread.worked_at = time.monotonic() if has_worked else float("-inf")
        return response
