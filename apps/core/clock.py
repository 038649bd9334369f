"""The server's time, in one place so that tests can move it."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

MILLISECONDS = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_now() -> datetime:
    """The present moment, aware, UTC."""
    return timezone.now().astimezone(UTC)


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds of Unix time, rounded down."""
    # In whole numbers, because a float of today's Unix time is not exact to the microsecond.
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // MILLISECONDS, UTC).replace(
        microsecond=milliseconds % MILLISECONDS * MILLISECONDS
    )


def format_moment(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and a Z, as on the wire."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
