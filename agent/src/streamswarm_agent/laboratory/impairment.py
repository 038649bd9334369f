"""What one direction of a path is asked to do to packets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Literal, get_args

from streamswarm_agent.errors import AgentError

JitterShape = Literal["uniform", "normal"]
Protocol = Literal["any", "icmp", "tcp", "udp"]
SMALLEST_MTU_BYTES = 576
"""What every IPv4 host takes; below 1280, IPv6 has no path."""
LARGEST_DSCP = 63
RATIOS = frozenset({"drop_ratio", "duplicate_ratio", "reorder_ratio", "ce_ratio"})


class ImpairmentRefused(AgentError):
    """An impairment that no path could have; the text names the field and its limit."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to the packets of one direction, counted from 0; 0 and False mean never.

    In this order: the MTU, loss, the policer, the rate with its queue, marking, damage and
    duplication; what is left leaves after its delay. The same seed and packets give the same fate.

    `only`: packets of other protocols pass at once and untouched.
    `mtu_bytes`: larger packets are cut in pieces where they allow it, and otherwise refused with
    an ICMP error, or without one when `is_mtu_silent` (a black hole).
    `drop_every`, `duplicate_every`, `reorder_every`, `ce_every`, `corrupt_every`: each n-th packet;
    the ratios: each packet with that chance.
    Of `burst_every` packets the last `burst_length` are dropped together.
    `policer_bits_per_second`, `policer_burst_bytes`: a token bucket that drops what it cannot pay.
    `rate_bits_per_second`, `queue_bytes`: a line of that rate; what its queue cannot take is
    dropped.
    Only packets that say they are able to bear marks (ECT) are marked CE.
    `is_dscp_bleached`: packets leave with DSCP 0.
    `delay_seconds`, and by DSCP `dscp_delay_seconds` on top; `jitter_seconds` is the greatest
    distance from it (uniform) or the standard deviation (normal), never below no delay.
    A reordered packet is held for `reorder_seconds` more, so that later ones may pass it.
    """

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    jitter_shape: JitterShape = "uniform"
    dscp_delay_seconds: Mapping[int, float] = field(default_factory=dict)
    drop_ratio: float = 0.0
    drop_every: int = 0
    burst_every: int = 0
    burst_length: int = 0
    duplicate_ratio: float = 0.0
    duplicate_every: int = 0
    reorder_ratio: float = 0.0
    reorder_every: int = 0
    reorder_seconds: float = 0.0
    corrupt_every: int = 0
    rate_bits_per_second: float = 0.0
    queue_bytes: int = 100_000
    policer_bits_per_second: float = 0.0
    policer_burst_bytes: int = 10_000
    mtu_bytes: int = 0
    is_mtu_silent: bool = False
    ce_ratio: float = 0.0
    ce_every: int = 0
    is_dscp_bleached: bool = False
    only: Protocol = "any"
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises: ImpairmentRefused."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, int | float) and not (isfinite(value) and value >= 0):
                raise ImpairmentRefused(f"{one.name}: {value} is not a finite number from 0")
            if one.name in RATIOS and value > 1:
                raise ImpairmentRefused(f"{one.name}: {value} is above 1")
        if 0 < self.mtu_bytes < SMALLEST_MTU_BYTES:
            raise ImpairmentRefused(f"mtu_bytes: {self.mtu_bytes} is below {SMALLEST_MTU_BYTES}")
        for name, kind in (("jitter_shape", JitterShape), ("only", Protocol)):
            if getattr(self, name) not in get_args(kind):
                raise ImpairmentRefused(f"{name}: not one of {', '.join(get_args(kind))}")
        for dscp, seconds in self.dscp_delay_seconds.items():
            if not 0 <= dscp <= LARGEST_DSCP or not (isfinite(seconds) and seconds >= 0):
                raise ImpairmentRefused(f"dscp_delay_seconds: {dscp}: {seconds} is out of range")


def read_impairment(written: Mapping[str, Any]) -> Impairment:
    """The impairment of a JSON object, whose keys are text.

    Raises: ImpairmentRefused for an unknown field or an impossible value.
    """
    unknown = set(written) - {one.name for one in fields(Impairment)}
    if unknown:
        raise ImpairmentRefused(f"{', '.join(sorted(unknown))}: no such field")
    delays = written.get("dscp_delay_seconds", {})
    by_dscp = {int(dscp): float(seconds) for dscp, seconds in delays.items()}
    return Impairment(**{**written, "dscp_delay_seconds": by_dscp})
