"""The settings of a test's TCP sockets."""

import socket
import sys

from streamswarm_agent.probes.icmp_socket import set_traffic_class
from streamswarm_agent.probes.stream_report import TransferOrder

BITS_PER_BYTE = 8
SO_MAX_PACING_RATE = 47


class TuningRefused(Exception):
    """The system does not do what was asked; the text names it."""


def open_stream_socket(address: str, order: TransferOrder, *, dscp: int, mss: int) -> socket.socket:
    """A socket to `address`, not yet connected, with the windows of the order.

    Raises: TuningRefused.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        opened.setblocking(False)
        set_traffic_class(opened, dscp << 2)
        if mss:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        _limit_windows(opened, order)
    except OSError as error:
        opened.close()
        raise TuningRefused(f"the system refuses the MSS or the window: {error}") from error
    return opened


def tune_sender(opened: socket.socket, order: TransferOrder) -> None:
    """Give a connection the order's congestion control and its share of the pace.

    Raises: TuningRefused.
    """
    if order.congestion:
        try:
            opened.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_CONGESTION, order.congestion.encode("ascii")
            )
        except (OSError, AttributeError) as error:
            raise TuningRefused(
                f"congestion control {order.congestion!r} is not available: {error}"
            ) from error
    if order.pacing_bits_per_second:
        if sys.platform != "linux":
            raise TuningRefused("this system cannot pace a connection")
        share = int(order.pacing_bits_per_second / order.streams / BITS_PER_BYTE)
        opened.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, max(share, 1))


def tune_accepted(opened: socket.socket, order: TransferOrder) -> None:
    """Give a connection that was accepted the order's DSCP and windows. Raises: TuningRefused."""
    try:
        set_traffic_class(opened, order.dscp << 2)
        _limit_windows(opened, order)
    except OSError as error:
        raise TuningRefused(f"the system refuses the window: {error}") from error


def _limit_windows(opened: socket.socket, order: TransferOrder) -> None:
    if order.window_bytes:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            opened.setsockopt(socket.SOL_SOCKET, option, order.window_bytes)
