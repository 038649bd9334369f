"""What the kernel knows of the connections of a TCP test."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.cards.course import Figure, Label, list_figures
from apps.dashboard.cards.tls import list_texts
from apps.dashboard.selectors.documents import list_counts, read_text
from apps.tests.models import Result, Run

MOST_FAILURES = 10
OPTIONS: tuple[tuple[str, Label], ...] = (
    ("sack", _("Selective acknowledgement")),
    ("timestamps", _("Timestamps")),
    ("window_scaling", _("Window scaling")),
    ("ecn", _("ECN")),
    ("fast_open", _("Fast Open")),
)
FIGURES: tuple[tuple[str, Label], ...] = (
    ("net.tcp.mss.send", _("Largest segment out, B")),
    ("net.tcp.mss.receive", _("Largest segment in, B")),
    ("net.tcp.mss.advertised", _("Largest segment advertised, B")),
    ("net.tcp.pmtu", _("Path MTU, B")),
    ("net.tcp.window_scale.send", _("Window scale of the target")),
    ("net.tcp.window_scale.receive", _("Window scale of the client")),
    ("net.tcp.cwnd", _("Congestion window")),
    ("net.tcp.rtt.smoothed", _("Round trip, smoothed")),
    ("net.tcp.rtt.min", _("Round trip, lowest")),
    ("net.tcp.rtt.variance", _("Its variation")),
    ("net.tcp.rto", _("Waits before sending again")),
    ("net.tcp.retransmits", _("Sent again")),
)


@dataclass(frozen=True, slots=True)
class TcpView:
    """What the card shows; each option with whether both ends agreed to it."""

    address: str
    options: tuple[tuple[Label, bool], ...]
    algorithm: str
    state: str
    figures: tuple[Figure, ...]
    failures: tuple[tuple[str, float], ...]


def build_tcp_card(_run: Run, result: Result) -> Card | None:
    document, facts = result.document, result.facts
    agreed = list_texts(document.get("options"))
    is_known = isinstance(document.get("options"), list)
    view = TcpView(
        address=read_text(document.get("address")),
        options=tuple((label, name in agreed) for name, label in OPTIONS) if is_known else (),
        algorithm=read_text(facts.get("net.tcp.congestion.algorithm")),
        state=read_text(facts.get("net.tcp.congestion.state")),
        figures=list_figures(result.values, FIGURES),
        failures=list_counts(document.get("failures"))[:MOST_FAILURES],
    )
    if not (view.options or view.figures or view.failures):
        return None
    return Card("dashboard/cards/tcp.html", view)
