"""What the kernel knows about how right its clock is: adjtimex(2), read and never written."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

STATUS_UNSYNCHRONISED = 0x0040
STATUS_NANOSECONDS = 0x2000
MICROSECONDS, NANOSECONDS = 1e-6, 1e-9


@dataclass(frozen=True, slots=True)
class KernelClock:
    """Seconds; `offset_seconds` is what has yet to be corrected, positive when the clock lags."""

    is_synchronized: bool
    offset_seconds: float
    max_error_seconds: float


class Timex(ctypes.Structure):
    """`struct timex` of <linux/timex.h>; what follows `tai` is reserved."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]


AskKernel = Callable[[Timex], int]


def ask_kernel(timex: Timex) -> int:
    """As adjtimex(2) of the C library. Raises: AttributeError where there is none."""
    library = ctypes.CDLL(None, use_errno=True)
    return int(library.adjtimex(ctypes.byref(timex)))


def read_kernel_clock(ask: AskKernel = ask_kernel) -> KernelClock | None:
    """The state of the kernel's clock; None on a system without adjtimex."""
    try:
        return interpret(ask)
    except (OSError, AttributeError):
        return None


def interpret(ask: AskKernel) -> KernelClock:
    """Raises: OSError when the kernel refuses, which it does in some sandboxes."""
    timex = Timex()
    if ask(timex) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    unit = NANOSECONDS if timex.status & STATUS_NANOSECONDS else MICROSECONDS
    return KernelClock(
        is_synchronized=not timex.status & STATUS_UNSYNCHRONISED,
        offset_seconds=timex.offset * unit,
        max_error_seconds=timex.maxerror * MICROSECONDS,
    )
