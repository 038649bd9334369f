"""Round-trip times from two clocks and the kernel's receive stamp."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

NANOSECONDS = 1_000_000_000
STEP_TOLERANCE_NANOSECONDS = 500_000
SLEW_SHARE = 0.0005


class Moment(NamedTuple):
    """One moment on the wall clock, which may step, and on the monotonic one.

    A tuple, as two are made for each probe of a thousand targets.
    """

    wall_nanoseconds: int
    monotonic_nanoseconds: int


@dataclass(frozen=True, slots=True)
class HostClocks:
    """The two clocks; kernel stamps are CLOCK_REALTIME, so `wall` must be that clock too."""

    wall: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.monotonic_ns

    def read(self) -> Moment:
        """Now on both; the wall clock is read last, as late as possible before a packet leaves."""
        monotonic_nanoseconds = self.monotonic()
        return Moment(self.wall(), monotonic_nanoseconds)


def round_trip_seconds(sent: Moment, seen: Moment, kernel_nanoseconds: int | None) -> float:
    """Seconds from `sent` to the kernel's receive stamp, never negative.

    Without a stamp, or when the wall clock was stepped between sending and seeing the reply (it
    moved by over 0.5 ms plus the 500 ppm of an ordinary slew against the monotonic clock), the
    monotonic time until the program saw the reply: an upper bound.
    """
    return time_reply(sent, seen, kernel_nanoseconds)[0]


def time_reply(
    sent: Moment, seen: Moment, kernel_nanoseconds: int | None
) -> tuple[float, float | None]:
    """`round_trip_seconds` and `stamp_delay_seconds` of one reply together."""
    if kernel_nanoseconds is None or is_stepped(sent, seen):
        return (seen.monotonic_nanoseconds - sent.monotonic_nanoseconds) / NANOSECONDS, None
    sent_nanoseconds, seen_nanoseconds = sent.wall_nanoseconds, seen.wall_nanoseconds
    return (
        max(kernel_nanoseconds - sent_nanoseconds, 0) / NANOSECONDS,
        max(seen_nanoseconds - kernel_nanoseconds, 0) / NANOSECONDS,
    )


def stamp_delay_seconds(sent: Moment, seen: Moment, kernel_nanoseconds: int | None) -> float | None:
    """Seconds from the kernel's receive stamp until the program saw the reply.

    None where the round trip could not use the stamp.
    """
    return time_reply(sent, seen, kernel_nanoseconds)[1]


def is_stepped(sent: Moment, seen: Moment) -> bool:
    """Whether the wall clock moved against the monotonic one in between."""
    elapsed = seen.monotonic_nanoseconds - sent.monotonic_nanoseconds
    step = seen.wall_nanoseconds - sent.wall_nanoseconds - elapsed
    return abs(step) > STEP_TOLERANCE_NANOSECONDS + SLEW_SHARE * elapsed
