"""The one error tree: every refusal has a code, a sentence, an HTTP status and data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, and the limit it broke."""

    field: str
    code: str
    detail: str

    def as_document(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "detail": self.detail}


class StreamSwarmError(Exception):
    """A refusal that its caller can act on."""

    http_status = 500

    def __init__(self, code: str, detail: str, **data: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.data = data


class NotAuthenticated(StreamSwarmError):
    http_status = 401


class Refused(StreamSwarmError):
    http_status = 403


class NotFound(StreamSwarmError):
    http_status = 404


class Conflict(StreamSwarmError):
    http_status = 409


class Invalid(StreamSwarmError):
    http_status = 400

    def __init__(
        self, errors: Sequence[FieldError], *, code: str = "invalid", detail: str = ""
    ) -> None:
        summary = detail or "; ".join(f"{error.field}: {error.detail}" for error in errors)
        super().__init__(code, summary, errors=[error.as_document() for error in errors])
        self.errors = tuple(errors)


class Unavailable(StreamSwarmError):
    http_status = 503

    def __init__(self, code: str, detail: str, *, retry_after_seconds: int, **data: Any) -> None:
        super().__init__(code, detail, **data)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(Unavailable):
    http_status = 429


class StorageFull(Unavailable):
    http_status = 507


class TooLarge(Unavailable):
    http_status = 413
