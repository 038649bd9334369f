"""From readings of the system to frames: numbers, rates, and reasons for what is not there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from streamswarm_agent.collectors.base import CollectedFrame

AbsentCode = Literal["U", "P", "T", "N", "I"]
Measure = float | AbsentCode
"""A number, or the reason code of why there is none."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of one subject at one moment of the monotonic clock."""

    at_seconds: float
    counters: Mapping[str, float]

    def increase_since(self, earlier: "Reading | None", name: str) -> float | None:
        """How far the counter went up; None without an earlier value or after a reset."""
        if earlier is None or name not in earlier.counters:
            return None
        increase = self.counters[name] - earlier.counters[name]
        return increase if increase >= 0 and self.at_seconds > earlier.at_seconds else None

    def rate_since(self, earlier: "Reading | None", name: str) -> Measure:
        """The counter's increase a second; U for no such counter, I where none can be told."""
        if name not in self.counters:
            return "U"
        increase = self.increase_since(earlier, name)
        if increase is None or earlier is None:
            return "I"
        return increase / (self.at_seconds - earlier.at_seconds)


def frame_of(source_kind: str, subject: str, measures: Mapping[str, Measure]) -> CollectedFrame:
    """The measures as a frame, numbers and reason codes apart."""
    return CollectedFrame(
        source_kind=source_kind,
        subject=subject,
        values={key: float(value) for key, value in measures.items() if not isinstance(value, str)},
        absent={key: value for key, value in measures.items() if isinstance(value, str)},
    )


def scaled(measure: Measure, factor: float) -> Measure:
    """The number times the factor; a reason code stays what it is."""
    return measure if isinstance(measure, str) else measure * factor


def share_of(part: float, whole: float, code: AbsentCode) -> Measure:
    """`part / whole`, or the code when the whole is nothing."""
    return part / whole if whole > 0 else code


def read_if_supported(read: Callable[[], Value]) -> Value | None:
    """What `read` returns; None on a system that does not offer it."""
    try:
        return read()
    except (OSError, NotImplementedError, AttributeError, RuntimeError):
        return None
