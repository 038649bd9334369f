"""The answering ends of the kinds of test that two agents run together."""

from collections.abc import Callable, Mapping

from streamswarm_agent.probes.base import Clock, Responder

ResponderFactory = Callable[[Clock], Responder]

RESPONDERS: Mapping[str, ResponderFactory] = {}


def build_responders(*, clock: Clock) -> dict[str, Responder]:
    """One responder of each kind, to be shared by all runs of the process."""
    return {kind: responder(clock) for kind, responder in RESPONDERS.items()}
