"""The wire's time stamps: RFC 3339 UTC with microseconds and a Z."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def format_time(unix_seconds: float) -> str:
    """The time stamp of a moment in Unix seconds, for example `2026-01-31T12:00:00.000000Z`."""
    return (_EPOCH + timedelta(seconds=unix_seconds)).strftime(_FORMAT)


def parse_time(text: str) -> float:
    """The Unix seconds of a time stamp.

    Raises: ValueError when the text is no RFC 3339 time or names no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return (moment - _EPOCH).total_seconds()
