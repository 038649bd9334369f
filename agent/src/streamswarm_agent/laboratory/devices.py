"""TUN and TAP devices in network namespaces, and a process whose timers keep time."""

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamswarm_agent.errors import AgentError

NAMESPACE_FOLDER = Path("/run/netns")
TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x0001, 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
PR_SET_TIMERSLACK = 29
PRIORITY = 10


def open_tun(device: str, namespace: str, *, has_frames: bool = False) -> int:
    """A non-blocking descriptor of a new TUN device in the named namespace.

    `has_frames`: a TAP device instead, whose packets are Ethernet frames.
    Raises: OSError, AgentError when the namespace cannot be entered.
    """
    with enter_namespace(namespace):
        opened = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        try:
            wish = struct.pack(
                "16sH", device.encode(), (IFF_TAP if has_frames else IFF_TUN) | IFF_NO_PI
            )
            fcntl.ioctl(opened, TUNSETIFF, wish)
        except OSError:
            os.close(opened)
            raise
    return opened


def become_punctual() -> None:
    """Timers without slack and, where allowed, ahead of ordinary processes."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))


@contextmanager
def enter_namespace(namespace: str) -> Iterator[None]:
    former = os.open("/proc/self/ns/net", os.O_RDONLY)
    wanted = os.open(NAMESPACE_FOLDER / namespace, os.O_RDONLY)
    try:
        _enter(wanted)
        try:
            yield
        finally:
            _enter(former)
    finally:
        os.close(wanted)
        os.close(former)


def _enter(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET):
        reason = os.strerror(ctypes.get_errno())
        raise AgentError(f"cannot enter a network namespace: {reason}")
