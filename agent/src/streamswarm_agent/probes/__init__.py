"""The kinds of test that this agent can run."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from streamswarm_agent.errors import PluginRefused
from streamswarm_agent.probes.base import Clock, Probe, Resolver
from streamswarm_agent.probes.dns import DnsProbe
from streamswarm_agent.probes.http import HttpProbe
from streamswarm_agent.probes.http_throughput import HttpThroughputProbe
from streamswarm_agent.probes.iperf3 import Iperf3Probe
from streamswarm_agent.probes.mtu import MtuProbe
from streamswarm_agent.probes.ntp import NtpProbe
from streamswarm_agent.probes.own_host import HardwareProbe, HostProbe, WifiProbe
from streamswarm_agent.probes.ping import PingProbe
from streamswarm_agent.probes.qos import QosProbe
from streamswarm_agent.probes.tcp import TcpProbe
from streamswarm_agent.probes.throughput import ThroughputProbe
from streamswarm_agent.probes.tls import TlsProbe
from streamswarm_agent.probes.trace import TraceProbe
from streamswarm_agent.probes.udp_session import UdpSessionProbe
from streamswarm_agent.wire.kinds import list_kinds
from streamswarm_agent.wire.plugins import CONTRACTS, load_plugins
from streamswarm_agent.wire.plugins import PROBES as ADDED_PROBES

ProbeFactory = Callable[[Clock, Resolver], Probe]

OWN_PROBES: Mapping[str, ProbeFactory] = {
    "ping": PingProbe,
    "tcp": TcpProbe,
    "http": HttpProbe,
    "dns": DnsProbe,
    "trace": TraceProbe,
    "mtu": MtuProbe,
    "udp_session": UdpSessionProbe,
    "host": HostProbe,
    "hardware": HardwareProbe,
    "wifi": WifiProbe,
    "tls": TlsProbe,
    "ntp": NtpProbe,
    "http_throughput": HttpThroughputProbe,
    "throughput": ThroughputProbe,
    "qos": QosProbe,
    "iperf3": Iperf3Probe,
}


def accept_probe(name: str, factory: Any) -> ProbeFactory:
    """The probe of a plug-in.

    Raises: PluginRefused when it takes a name of ours, has no contract, or is no probe.
    """
    if name in OWN_PROBES:
        raise PluginRefused(f"the agent has a probe {name!r} of its own")
    if name not in list_kinds():
        raise PluginRefused(f"no working entry point {name!r} in the group {CONTRACTS}")
    if getattr(factory, "kind", None) != name:
        raise PluginRefused(f"its `kind` must be {name!r}")
    if not inspect.iscoroutinefunction(getattr(factory, "run", None)):
        raise PluginRefused("it has no method `async def run(self, request, emit)`")
    return factory  # type: ignore[no-any-return]  # what was checked is all that can be known


PLUGINS = load_plugins(ADDED_PROBES, accept_probe)
PROBES: Mapping[str, ProbeFactory] = {
    **OWN_PROBES,
    **{one.name: one.value for one in PLUGINS if one.value is not None},
}


def build_probes(*, clock: Clock, resolver: Resolver) -> dict[str, Probe]:
    """One probe of each kind, to be shared by all runs of the process."""
    return {kind: probe(clock, resolver) for kind, probe in PROBES.items()}
