"""Opens the flows of a trace by the wanted method, as far as the host allows it."""

import socket
from collections import Counter

from streamswarm_agent.probes.error_queue import keep_errors
from streamswarm_agent.probes.icmp_time import HostClocks
from streamswarm_agent.probes.trace_connect import TcpFlow
from streamswarm_agent.probes.trace_echo import IcmpFlow, keep_replies_only
from streamswarm_agent.probes.trace_flows import Flow, FlowSettings, SocketFactory, UdpFlow


def open_flow(
    method: str, settings: FlowSettings, clocks: HostClocks, open_socket: SocketFactory
) -> Flow:
    """A flow of the method `udp`, `icmp_datagram`, `icmp_raw` or `tcp`.

    Raises: OSError when such a socket may not be opened here, or its port is taken;
    NotImplementedError when the event loop cannot watch one.
    """
    if method == "tcp":
        return TcpFlow(settings, clocks, open_socket, Counter())
    is_ipv4 = settings.family == socket.AF_INET
    protocol = 0
    if method != "udp":
        protocol = socket.IPPROTO_ICMP if is_ipv4 else socket.IPPROTO_ICMPV6
    kind = socket.SOCK_RAW if method == "icmp_raw" else socket.SOCK_DGRAM
    opened = open_socket(settings.family, kind, protocol)
    try:
        opened.setblocking(False)
        keep_errors(opened)
        if method == "icmp_raw":
            keep_replies_only(opened, settings.family)
        else:
            opened.bind(("", settings.source_port))
        opened.connect(settings.destination)
        return (UdpFlow if method == "udp" else IcmpFlow)(opened, settings, clocks)
    except (OSError, NotImplementedError):
        opened.close()
        raise
