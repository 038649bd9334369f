"""Dying on purpose at a named point, to prove that nothing is lost or doubled there."""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from django.core.exceptions import ImproperlyConfigured

CrashPoint = Literal["during_gunzip", "before_commit", "after_commit"]
PassPoint = Callable[[CrashPoint], None]

VARIABLE = "SWARM_CRASH_AT"


def pass_unharmed(_point: CrashPoint) -> None:
    """What every server does at every point, unless a fault test asks for more."""


def arm_crash(environment: Mapping[str, str]) -> PassPoint:
    """A function that kills this process (SIGKILL) at the point named by SWARM_CRASH_AT.

    Raises: ImproperlyConfigured when the variable names no point.
    """
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return pass_unharmed
    if wanted not in get_args(CrashPoint):
        points = ", ".join(get_args(CrashPoint))
        raise ImproperlyConfigured(f"{VARIABLE}={wanted!r}: is none of {points}")

    def crash(point: CrashPoint) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return crash


pass_point = arm_crash(os.environ)
