"""What the routers of a trace quote of the IP headers that reached them: the traffic class.

The error queue shows what lies behind the quoted IP header only; a raw ICMP socket shows it whole
(RFC 792, RFC 4443), which takes its privilege.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamswarm_agent.probes.icmp_packet import (
    ERRORS,
    HEADER,
    IPV4_MINIMUM_BYTES,
    IPV6_HEADER_BYTES,
    Family,
    without_ip_header,
)
from streamswarm_agent.probes.icmp_socket import Method, open_icmp_socket, receive_packets

PORT_BYTES = 2
IDENTIFIER_OFFSET = 4
ICMP_PROTOCOLS = frozenset({int(socket.IPPROTO_ICMP), int(socket.IPPROTO_ICMPV6)})
MOST_ROUTERS = 4096

QuoteOpener = Callable[[Family, Method], socket.socket]


@dataclass(frozen=True, slots=True)
class Quote:
    """A quoted header; `port` is the source port, or the identifier of an echo request."""

    destination: str
    port: int
    dscp: int


@dataclass(slots=True)
class Quotes:
    """The DSCP values with which packets reached each router, by its address.

    `is_readable` tells whether this host shows them.
    """

    is_readable: bool = False
    _seen: dict[str, Counter[int]] = field(default_factory=dict)

    @property
    def dscps(self) -> Mapping[str, int]:
        """The most frequent of each router."""
        return {address: seen.most_common(1)[0][0] for address, seen in self._seen.items()}

    def note(self, router: str, dscp: int) -> None:
        """Count a quote."""
        if router in self._seen or len(self._seen) < MOST_ROUTERS:
            self._seen.setdefault(router, Counter())[dscp] += 1


@contextmanager
def watch_quotes(
    target: str, ports: Collection[int], open_socket: QuoteOpener = open_icmp_socket
) -> Iterator[Quotes]:
    """What is quoted of packets to the target from those ports, until the block ends."""
    family: Family = socket.AF_INET6 if ":" in target else socket.AF_INET
    quotes = Quotes()
    try:
        opened = open_socket(family, "icmp_raw")
    except OSError:
        yield quotes
        return
    loop = asyncio.get_running_loop()
    plain_target = target.partition("%")[0]

    def receive() -> None:
        for received in receive_packets(opened):
            quote = read_quote(family, received.packet)
            if quote is not None and quote.destination == plain_target and quote.port in ports:
                quotes.note(received.source, quote.dscp)

    with opened:
        try:
            loop.add_reader(opened, receive)
        except NotImplementedError:
            yield quotes
            return
        quotes.is_readable = True
        try:
            yield quotes
        finally:
            receive()
            loop.remove_reader(opened)


def read_quote(family: Family, packet: bytes) -> Quote | None:
    """What an ICMP error quotes of the packet that it is about; None for other messages."""
    message = without_ip_header(packet) if family == socket.AF_INET else packet
    if len(message) < HEADER.size or message[0] not in ERRORS[family]:
        return None
    quoted = message[HEADER.size :]
    if family == socket.AF_INET:
        if len(quoted) < IPV4_MINIMUM_BYTES:
            return None
        traffic_class, protocol, address = quoted[1], quoted[9], quoted[16:20]
        content = without_ip_header(quoted)
    else:
        if len(quoted) < IPV6_HEADER_BYTES:
            return None
        traffic_class = (quoted[0] & 0x0F) << 4 | quoted[1] >> 4
        protocol, address = quoted[6], quoted[24:40]
        content = quoted[IPV6_HEADER_BYTES:]
    place = IDENTIFIER_OFFSET if protocol in ICMP_PROTOCOLS else 0
    if len(content) < place + PORT_BYTES:
        return None
    port = int.from_bytes(content[place : place + PORT_BYTES])
    return Quote(socket.inet_ntop(family, address), port, traffic_class >> 2)
