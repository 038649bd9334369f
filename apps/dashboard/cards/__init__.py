"""What the page of a run shows beyond figures. A new card is a file, a template, a line below."""

from collections.abc import Callable, Mapping

from apps.dashboard.cards.answers import build_dns_card, build_ntp_card
from apps.dashboard.cards.base import Card
from apps.dashboard.cards.http import build_http_card
from apps.dashboard.cards.http_throughput import build_http_throughput_card
from apps.dashboard.cards.mtu import build_mtu_card
from apps.dashboard.cards.own_host import build_own_host_card
from apps.dashboard.cards.qos import build_qos_card
from apps.dashboard.cards.tcp import build_tcp_card
from apps.dashboard.cards.throughput import build_throughput_card
from apps.dashboard.cards.tls import build_tls_card
from apps.dashboard.cards.trace import build_trace_card
from apps.dashboard.cards.udp_session import build_session_card
from apps.dashboard.cards.wifi import build_wifi_card
from apps.tests.models import Result, Run

CARDS: Mapping[str, Callable[[Run, Result], Card | None]] = {
    "trace": build_trace_card,
    "mtu": build_mtu_card,
    "udp_session": build_session_card,
    "http": build_http_card,
    "tls": build_tls_card,
    "dns": build_dns_card,
    "ntp": build_ntp_card,
    "throughput": build_throughput_card,
    "http_throughput": build_http_throughput_card,
    "iperf3": build_throughput_card,
    "qos": build_qos_card,
    "tcp": build_tcp_card,
    "host": build_own_host_card,
    "hardware": build_own_host_card,
    "wifi": build_wifi_card,
}

__all__ = ["CARDS", "Card", "build_card"]


def build_card(run: Run, result: Result | None) -> Card | None:
    """The card of a run's result; None for a kind without one, or with nothing to show."""
    build = CARDS.get(run.assignment.test.kind)
    return build(run, result) if build is not None and result is not None else None
