"""Lock-out: a user and an address together wait ever longer after failures in a row.

Another address still gets in, nothing is locked for good, and users who do not exist are treated
like those who do.
"""

import unicodedata
from datetime import datetime, timedelta
from math import ceil

from axes.models import AccessAttempt
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.services.audit import record_audit
from apps.core.clock import read_now
from apps.core.errors import StreamSwarmError, TooManyRequests

FREE_FAILURES = 5
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
# Administrators still see attempts of so long ago.
KEPT_FOR = timedelta(days=1)
USERNAME_LENGTH = 150


def fold_username(username: str) -> str:
    """One spelling for all that sign-in takes for the same user name."""
    text = unicodedata.normalize("NFKC", username.replace("\x00", "")).strip()
    return text.casefold()[:USERNAME_LENGTH]


def measure_wait(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 1, 2, 4, 8, at most 15 minutes."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    doublings = min(failures - FREE_FAILURES, 10)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def find_wait_seconds(attempt: AccessAttempt) -> int:
    """Whole seconds until those of `attempt` may try again, 0 when they may now."""
    until: datetime = attempt.attempt_time + measure_wait(attempt.failures_since_start)
    return max(ceil((until - read_now()).total_seconds()), 0)


def read_wait_seconds(*, username: str, address: str) -> int:
    """Whole seconds until that user may try again from that address, 0 when now."""
    attempt = AccessAttempt.objects.filter(**identify(username, address)).first()
    return find_wait_seconds(attempt) if attempt else 0


def identify(username: str, address: str) -> dict[str, str | None]:
    return {
        "username": fold_username(username),
        "ip_address": address or None,
        "user_agent": "",
    }


def require_unlocked(*, username: str, address: str) -> None:
    """Raises: TooManyRequests with the seconds to wait while the pair is locked out."""
    seconds = read_wait_seconds(username=username, address=address)
    if seconds:
        raise refuse(seconds)


def refuse(seconds: int) -> TooManyRequests:
    minutes = ceil(seconds / 60)
    sentence = f"Too many failed attempts: try again in {minutes} min. Other addresses are free."
    return TooManyRequests("locked_out", sentence, retry_after_seconds=seconds)


@transaction.atomic
def note_failure(*, username: str, address: str) -> int:
    """Count a failed proof of identity; the seconds to wait now, 0 while tries are free.

    A lock-out is audited under the name that was given, whether or not it exists.
    """
    now = read_now()
    attempt, is_new = AccessAttempt.objects.select_for_update().get_or_create(
        **identify(username, address), defaults={"failures_since_start": 0}
    )
    if is_new:
        AccessAttempt.objects.filter(attempt_time__lt=now - KEPT_FOR).delete()
    is_forgotten = attempt.attempt_time < now - FORGOTTEN_AFTER
    attempt.failures_since_start = 1 if is_forgotten else attempt.failures_since_start + 1
    attempt.attempt_time = now
    attempt.save(update_fields=["failures_since_start", "attempt_time"])
    seconds = find_wait_seconds(attempt)
    if seconds:
        record_audit(
            action="lock out",
            target=User.objects.filter(username__iexact=username).first() or attempt,
            after={
                "username": attempt.username,
                "address": address,
                "failures": attempt.failures_since_start,
                "wait_seconds": seconds,
            },
        )
    return seconds


def count_failure(error: StreamSwarmError, *, username: str, address: str) -> StreamSwarmError:
    """`error`, after counting it; the refusal of a lock-out when it was one too many."""
    seconds = note_failure(username=username, address=address)
    return refuse(seconds) if seconds else error


def forget_failures(*, username: str, address: str) -> None:
    """Start counting anew, because the user proved who it is."""
    AccessAttempt.objects.filter(**identify(username, address)).delete()
