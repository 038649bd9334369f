"""What the search for a path MTU found, in metrics, as a sentence and as a document."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streamswarm_agent.probes.measures import Measure
from streamswarm_agent.probes.mtu_socket import Delivery

LARGEST_BYTES = 65_535
HEADERS_OF_TCP = {socket.AF_INET: 40, socket.AF_INET6: 60}


@dataclass(frozen=True, slots=True)
class Link:
    """The interface that packets to the target leave by."""

    name: str
    mtu_bytes: int


@dataclass(slots=True)
class Inquiry:
    """What is known of a path so far."""

    address: str
    method: str
    link: Link | None
    kernel_mtu_bytes: int
    mtu_bytes: int | None = None
    said: list[Delivery] = field(default_factory=list)
    lost_bytes: set[int] = field(default_factory=set)
    tried: list[dict[str, Any]] = field(default_factory=list)
    hop: int | None = None
    mss: Measure = "N"
    reason: str = ""

    @property
    def vanished_bytes(self) -> list[int]:
        """The sizes above the result that got lost without a word, ascending."""
        return sorted(size for size in self.lost_bytes if size > (self.mtu_bytes or 0))

    @property
    def router(self) -> Delivery | None:
        """The word of who named the smallest MTU."""
        return min(self.said, key=lambda one: one.mtu_bytes or LARGEST_BYTES, default=None)

    @property
    def is_whole(self) -> bool:
        """Whether the path carries all that the link does."""
        return self.link is not None and self.mtu_bytes == min(self.link.mtu_bytes, LARGEST_BYTES)


def explain_limit(inquiry: Inquiry) -> str:
    """What limits the path, in a sentence; empty when nothing on it does."""
    vanished = inquiry.vanished_bytes
    if vanished:
        return (
            f"black hole: packets of {(inquiry.mtu_bytes or 0) + 1} to {vanished[-1]} B vanish,"
            " and no router said that they are too big"
        )
    if inquiry.router is not None and not inquiry.is_whole:
        return f"{inquiry.router.address} passes no more than {inquiry.mtu_bytes} B"
    return ""


def measure_mtu(inquiry: Inquiry) -> dict[str, Measure]:
    """`path.mtu*` and `path.mss.received`, in bytes; black hole 0 or 1."""
    if inquiry.mtu_bytes is None:
        code: Measure = "I" if _has_arrived(inquiry.tried) else "T"
        names = ("path.mtu", "path.mtu.blackhole")
        return {
            **dict.fromkeys(names, code),
            "path.mtu.icmp": "T",
            "path.mtu.hop": "T",
            "path.mss.received": inquiry.mss,
        }
    router = inquiry.router
    named: Measure = router.mtu_bytes if router and router.mtu_bytes else "T"
    if inquiry.is_whole and inquiry.link is not None:
        named = inquiry.link.mtu_bytes
    return {
        "path.mtu": inquiry.mtu_bytes,
        "path.mtu.icmp": named,
        "path.mtu.blackhole": float(bool(inquiry.vanished_bytes)),
        "path.mtu.hop": _measure_hop(inquiry),
        "path.mss.received": inquiry.mss,
    }


def _measure_hop(inquiry: Inquiry) -> Measure:
    if inquiry.hop is not None:
        return inquiry.hop
    return "N" if inquiry.router is None and not inquiry.vanished_bytes else "T"


def describe_inquiry(inquiry: Inquiry) -> dict[str, Any]:
    """The link, the sizes tried in their order and who limits, as the document has them."""
    vanished = inquiry.vanished_bytes
    router = inquiry.router
    headers = HEADERS_OF_TCP[socket.AF_INET6 if ":" in inquiry.address else socket.AF_INET]
    return {
        "address": inquiry.address,
        "mtu": inquiry.mtu_bytes,
        "mss": None if inquiry.mtu_bytes is None else inquiry.mtu_bytes - headers,
        "mss_received": None if isinstance(inquiry.mss, str) else inquiry.mss,
        "link": inquiry.link and {"name": inquiry.link.name, "mtu": inquiry.link.mtu_bytes},
        "kernel_mtu": inquiry.kernel_mtu_bytes or None,
        "router": router and {"address": router.address, "mtu": router.mtu_bytes},
        "hop": inquiry.hop,
        "vanished": [(inquiry.mtu_bytes or 0) + 1, vanished[-1]] if vanished else None,
        "tried": inquiry.tried,
    }


def _has_arrived(tried: Sequence[dict[str, Any]]) -> bool:
    return any(one["verdict"] == "delivered" for one in tried)
