"""The answering ends of the kinds of test that two agents run together."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from streamswarm_agent.errors import PluginRefused
from streamswarm_agent.probes.base import Clock, Responder
from streamswarm_agent.probes.responders.qos import QosResponder
from streamswarm_agent.probes.responders.throughput import ThroughputResponder
from streamswarm_agent.probes.responders.udp_session import UdpSessionResponder
from streamswarm_agent.wire.kinds import list_kinds
from streamswarm_agent.wire.plugins import CONTRACTS, load_plugins
from streamswarm_agent.wire.plugins import RESPONDERS as ADDED_RESPONDERS

ResponderFactory = Callable[[Clock], Responder]

RESPONDERS: Mapping[str, ResponderFactory] = {
    "udp_session": UdpSessionResponder,
    "throughput": ThroughputResponder,
    "qos": QosResponder,
}


def accept_responder(name: str, factory: Any) -> ResponderFactory:
    """The answering end of a plug-in.

    Raises: PluginRefused when it takes a name of ours, has no contract, or is no responder.
    """
    if name in RESPONDERS:
        raise PluginRefused(f"the agent has a responder {name!r} of its own")
    if name not in list_kinds():
        raise PluginRefused(f"no working entry point {name!r} in the group {CONTRACTS}")
    if getattr(factory, "kind", None) != name:
        raise PluginRefused(f"its `kind` must be {name!r}")
    if not inspect.iscoroutinefunction(getattr(factory, "serve", None)):
        raise PluginRefused("it has no method `async def serve(self, request)`")
    return factory  # type: ignore[no-any-return]  # what was checked is all that can be known


PLUGINS = load_plugins(ADDED_RESPONDERS, accept_responder)


def build_responders(*, clock: Clock) -> dict[str, Responder]:
    """One responder of each kind, to be shared by all runs of the process."""
    added = {one.name: one.value for one in PLUGINS if one.value is not None}
    return {kind: responder(clock) for kind, responder in {**added, **RESPONDERS}.items()}
