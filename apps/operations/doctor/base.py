"""What a check of the doctor says."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as it should
    FAILED = "failed"  # something users rely on does not work
    SKIPPED = "skipped"  # could not be looked at, and why stands in the finding


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `hint` is what to do about it, empty when all is well."""

    subject: str
    verdict: Verdict
    detail: str
    hint: str = ""


Check = Callable[[], list[Finding]]
