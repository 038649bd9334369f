"""One line of what `check` finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the answer; a line that is not required never fails the command.

    A capability also says what it enables and, where it is missing, what is done instead.
    """

    subject: str
    is_good: bool
    detail: str
    remedy: str = ""
    is_required: bool = True
    enables: str = ""
    fallback: str = ""

    @property
    def mark(self) -> str:
        """`ok`, `no` or `FAILED`."""
        if self.is_good:
            return "ok"
        return "FAILED" if self.is_required else "no"
