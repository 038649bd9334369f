"""The clocks of a session's stamps."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from streamswarm_agent.kernel_clock import KernelClock, read_kernel_clock
from streamswarm_agent.probes.session_packet import encode_error


def keep(unix_ns: int) -> int:
    """The moment as it is."""
    return unix_ns


@dataclass(frozen=True, slots=True)
class SessionClocks:
    """The host's clocks; tests pass their own.

    `wall` is CLOCK_REALTIME in nanoseconds, as the kernel's receive stamps are; `tell` is what the
    packets say of a moment of it, another clock in the laboratory.
    """

    wall: Callable[[], int] = time.time_ns
    monotonic: Callable[[], int] = time.monotonic_ns
    tell: Callable[[int], int] = keep
    kernel: Callable[[], KernelClock | None] = read_kernel_clock

    def read_error(self) -> float | None:
        """Seconds that the clock may be wrong by; None when nothing synchronises it."""
        clock = self.kernel()
        return clock.max_error_seconds if clock is not None and clock.is_synchronized else None

    def read_estimate(self) -> int:
        """The same, as packets tell it."""
        return encode_error(self.read_error())
