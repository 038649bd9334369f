"""The kinds of test that this agent can run."""

from collections.abc import Callable, Mapping

from streamswarm_agent.probes.base import Clock, Probe, Resolver
from streamswarm_agent.probes.dns import DnsProbe
from streamswarm_agent.probes.http import HttpProbe
from streamswarm_agent.probes.ping import PingProbe
from streamswarm_agent.probes.tcp import TcpProbe

PROBES: Mapping[str, Callable[[Clock, Resolver], Probe]] = {
    "ping": PingProbe,
    "tcp": TcpProbe,
    "http": HttpProbe,
    "dns": DnsProbe,
}


def build_probes(*, clock: Clock, resolver: Resolver) -> dict[str, Probe]:
    """One probe of each kind, to be shared by all runs of the process."""
    return {kind: probe(clock, resolver) for kind, probe in PROBES.items()}
