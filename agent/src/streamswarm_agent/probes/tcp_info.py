"""What the kernel knows of a TCP connection: Linux's `struct tcp_info`, and figures made of it.

Source: include/uapi/linux/tcp.h. The struct only ever grows: what an older kernel does not fill in
is missing here, what a newer one adds behind is left out.
"""

import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamswarm_agent.probes.measures import Measure, ratio

IS_LINUX = sys.platform == "linux"
READ_BYTES = 512
ALGORITHM_BYTES = 16
MICROSECONDS = 1_000_000
NO_THRESHOLD = 0x7FFFFFFF
"""The slow start threshold of a connection that has lost nothing yet."""
STATES = ("open", "disorder", "cwr", "recovery", "loss")
OPTIONS = {
    "timestamps": 1,
    "sack": 2,
    "window_scaling": 4,
    "ecn": 8,
    "ecn_seen": 16,
    "fast_open": 32,
}
NARROW, WIDE = struct.Struct("=I"), struct.Struct("=Q")
WORD_BYTES, WIDE_BYTES = 4, 8
FIRST_WORD = 8
LAYOUT: Sequence[tuple[int, str]] = (
    (WORD_BYTES, "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets"),
    (WORD_BYTES, "last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh"),
    (WORD_BYTES, "rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space"),
    (WORD_BYTES, "total_retrans"),
    (WIDE_BYTES, "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    (WORD_BYTES, "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    (WIDE_BYTES, "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    (WORD_BYTES, "delivered delivered_ce"),
    (WIDE_BYTES, "bytes_sent bytes_retrans"),
    (WORD_BYTES, "dsack_dups reord_seen rcv_ooopack snd_wnd"),
)
SECONDS = {
    "net.tcp.rtt.smoothed": "rtt",
    "net.tcp.rtt.variance": "rttvar",
    "net.tcp.rtt.min": "min_rtt",
    "net.tcp.rtt.receive": "rcv_rtt",
    "net.tcp.rto": "rto",
    "net.tcp.busy_time": "busy_time",
}
STANDINGS = {
    "net.tcp.cwnd": "snd_cwnd",
    "net.tcp.ssthresh": "snd_ssthresh",
    "net.tcp.mss.send": "snd_mss",
    "net.tcp.mss.receive": "rcv_mss",
    "net.tcp.mss.advertised": "advmss",
    "net.tcp.pmtu": "pmtu",
    "net.tcp.sacked": "sacked",
    "net.tcp.reordering": "reordering",
    "net.tcp.delivery_rate": "delivery_rate",
    "net.tcp.pacing_rate": "pacing_rate",
    "net.tcp.snd_wnd": "snd_wnd",
    "net.tcp.window_scale.send": "snd_wscale",
    "net.tcp.window_scale.receive": "rcv_wscale",
}
COUNTS = {
    "net.tcp.retransmits": "total_retrans",
    "net.tcp.bytes_retransmitted": "bytes_retrans",
    "net.tcp.dsack_dups": "dsack_dups",
    "net.tcp.reorder_seen": "reord_seen",
    "net.tcp.delivered": "delivered",
    "net.tcp.delivered_ce": "delivered_ce",
    "net.tcp.rcv_out_of_order": "rcv_ooopack",
}
SHARES = {
    "net.tcp.retransmit.ratio": ("total_retrans", "data_segs_out"),
    "net.tcp.rwnd_limited.ratio": ("rwnd_limited", "busy_time"),
    "net.tcp.sndbuf_limited.ratio": ("sndbuf_limited", "busy_time"),
}
FLAGS = {
    "net.tcp.option.sack": "sack",
    "net.tcp.option.timestamps": "timestamps",
    "net.tcp.option.ecn": "ecn",
}
NEVER_ZERO = frozenset({"min_rtt", "rtt", "rttvar", "rcv_rtt", "delivery_rate", "pacing_rate"})
"""What is 0 only while the kernel has measured nothing."""
TCP_NUMBERS = (*SECONDS, *STANDINGS, *COUNTS, *SHARES, *FLAGS)
TCP_FACTS = ("net.tcp.congestion.algorithm", "net.tcp.congestion.state")

ReadOption = Callable[[socket.socket, int, int], bytes]


@dataclass(frozen=True, slots=True)
class TcpDetails:
    """A connection as the kernel sees it: the fields that this kernel has, by their C names."""

    fields: Mapping[str, int]
    algorithm: str = ""

    @property
    def state(self) -> str:
        """Of the congestion control; empty for one that has no name here."""
        place = self.fields["ca_state"]
        return STATES[place] if place < len(STATES) else ""

    @property
    def options(self) -> list[str]:
        """What both ends agreed to when the connection opened."""
        return [name for name, bit in OPTIONS.items() if self.fields["options"] & bit]


def read_tcp_details(
    opened: socket.socket, read_option: ReadOption | None = None
) -> TcpDetails | None:
    """What the kernel says of the connection; None where it says nothing (not on Linux)."""
    if read_option is None:
        if not IS_LINUX:
            return None
        read_option = _read_option
    try:
        raw = read_option(opened, socket.TCP_INFO, READ_BYTES)
    except OSError:
        return None
    try:
        name = read_option(opened, socket.TCP_CONGESTION, ALGORITHM_BYTES)
    except OSError:
        name = b""
    return parse_tcp_info(raw, name.rstrip(b"\0").decode("ascii", "replace"))


def parse_tcp_info(raw: bytes, algorithm: str = "") -> TcpDetails | None:
    """The struct's fields as far as the bytes go; None for less than any kernel gives."""
    if len(raw) < FIRST_WORD:
        return None
    fields = {
        "state": raw[0],
        "ca_state": raw[1],
        "options": raw[5],
        "snd_wscale": raw[6] & 0x0F,
        "rcv_wscale": raw[6] >> 4,
    }
    place = FIRST_WORD
    for size, names in LAYOUT:
        for name in names.split():
            if place + size > len(raw):
                return TcpDetails(fields, algorithm)
            (fields[name],) = (NARROW if size == WORD_BYTES else WIDE).unpack_from(raw, place)
            place += size
    return TcpDetails(fields, algorithm)


def find_receive_rtt(details: TcpDetails | None) -> float | None:
    """Seconds of a round trip as the kernel of a receiver estimates it.

    None when it received too little, or tells nothing. It is the time in which a window's worth
    came, or an acknowledgement's stamp came back, so a queue and a waiting sender count as well.
    """
    value = "U" if details is None else _standing(details.fields, "rcv_rtt")
    return None if isinstance(value, str) else value / MICROSECONDS


def measure_tcp(connections: Sequence[TcpDetails]) -> dict[str, Measure]:
    """`net.tcp.*`: times and states of the last connection, counts and shares of all together.

    U for a field that this kernel does not have; T for all without a connection.
    """
    if not connections:
        return dict.fromkeys(TCP_NUMBERS, "T")
    last = connections[-1].fields
    measures: dict[str, Measure] = {}
    for key, name in SECONDS.items():
        value = _standing(last, name)
        measures[key] = value if isinstance(value, str) else value / MICROSECONDS
    measures |= {key: _standing(last, name) for key, name in STANDINGS.items()}
    measures |= {key: _total(connections, name) for key, name in COUNTS.items()}
    for key, names in SHARES.items():
        part, whole = (_total(connections, name) for name in names)
        if isinstance(part, str) or isinstance(whole, str):
            measures[key] = "U"
        else:
            measures[key] = "N" if not whole else ratio(part, whole)
    for key, option in FLAGS.items():
        measures[key] = float(option in connections[-1].options)
    return measures


def state_tcp(connections: Sequence[TcpDetails]) -> tuple[dict[str, str], dict[str, str]]:
    """`net.tcp.congestion.*` of the last connection: the facts, and why others are absent."""
    if not connections:
        return {}, dict.fromkeys(TCP_FACTS, "T")
    said = dict(zip(TCP_FACTS, (connections[-1].algorithm, connections[-1].state), strict=True))
    facts = {key: text for key, text in said.items() if text}
    return facts, {key: "U" for key in TCP_FACTS if key not in facts}


def _standing(fields: Mapping[str, int], name: str) -> Measure:
    value = fields.get(name)
    if value is None:
        return "U"
    has_none = name == "snd_ssthresh" and value >= NO_THRESHOLD
    has_no_value = name in NEVER_ZERO and value in {0, (1 << 32) - 1, (1 << 64) - 1}
    return "N" if has_none or has_no_value else float(value)


def _total(connections: Sequence[TcpDetails], name: str) -> Measure:
    values = [one.fields.get(name) for one in connections]
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else "U"


def _read_option(opened: socket.socket, option: int, size: int) -> bytes:
    return opened.getsockopt(socket.IPPROTO_TCP, option, size)
