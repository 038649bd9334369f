"""Dying on purpose at a named point, to prove that nothing is lost there."""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from streamswarm_agent.errors import AgentError

CrashPoint = Literal["before_spool", "after_spool", "during_post", "after_answer", "mid_probe"]
PassPoint = Callable[[CrashPoint], None]

_VARIABLE = "SWARM_AGENT_CRASH_AT"


def pass_unharmed(_point: CrashPoint) -> None:
    """What every agent does at every point, unless a fault test asks for more."""


def arm_crash(environment: Mapping[str, str]) -> PassPoint:
    """A function that kills this process (SIGKILL) at the point named by SWARM_AGENT_CRASH_AT.

    Raises: AgentError when the variable names no point.
    """
    wanted = environment.get(_VARIABLE, "")
    if not wanted:
        return pass_unharmed
    if wanted not in get_args(CrashPoint):
        raise AgentError(f"{_VARIABLE}: {wanted!r} is none of {', '.join(get_args(CrashPoint))}")

    def crash(point: CrashPoint) -> None:
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return crash
