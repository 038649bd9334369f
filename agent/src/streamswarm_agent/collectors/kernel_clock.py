"""The metrics of the kernel's clock."""

from streamswarm_agent.collectors.measures import Measure
from streamswarm_agent.kernel_clock import KernelClock


def measure_clock(clock: KernelClock | None) -> dict[str, Measure]:
    """The metrics of the clock; of a clock that nothing steers the offset is N."""
    if clock is None:
        return dict.fromkeys(
            ("system.clock.synchronized", "system.clock.offset", "system.clock.max_error"), "U"
        )
    return {
        "system.clock.synchronized": float(clock.is_synchronized),
        "system.clock.offset": clock.offset_seconds if clock.is_synchronized else "N",
        "system.clock.max_error": clock.max_error_seconds,
    }
