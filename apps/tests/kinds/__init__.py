"""The kinds of test. A new one is a file here, its parameters on the wire, and a line below."""

from apps.tests.kinds.added import build_kinds
from apps.tests.kinds.base import Kind
from apps.tests.kinds.dns import DNS
from apps.tests.kinds.http import HTTP
from apps.tests.kinds.http_throughput import HTTP_THROUGHPUT
from apps.tests.kinds.iperf3 import IPERF3
from apps.tests.kinds.mtu import MTU
from apps.tests.kinds.ntp import NTP
from apps.tests.kinds.own_host import HARDWARE, HOST, WIFI
from apps.tests.kinds.ping import PING
from apps.tests.kinds.qos import QOS
from apps.tests.kinds.tcp import TCP
from apps.tests.kinds.throughput import THROUGHPUT
from apps.tests.kinds.tls import TLS
from apps.tests.kinds.trace import TRACE
from apps.tests.kinds.udp_session import UDP_SESSION

KINDS = build_kinds(
    {
        "ping": PING,
        "tcp": TCP,
        "http": HTTP,
        "dns": DNS,
        "trace": TRACE,
        "mtu": MTU,
        "udp_session": UDP_SESSION,
        "host": HOST,
        "hardware": HARDWARE,
        "wifi": WIFI,
        "tls": TLS,
        "ntp": NTP,
        "http_throughput": HTTP_THROUGHPUT,
        "throughput": THROUGHPUT,
        "qos": QOS,
        "iperf3": IPERF3,
    }
)

__all__ = ["KINDS", "Kind"]
