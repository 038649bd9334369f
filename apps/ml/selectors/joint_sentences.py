"""What a finding about a result as a whole says, as a sentence made of its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.catalogue import read_key
from apps.ml.algorithms.features import CONTEXT

# What people call the figures of headlines; others go by their name in the catalogue.
NAMES = {
    "net.rtt.median": gettext_lazy("round trip"),
    "net.rtt.min": gettext_lazy("shortest round trip"),
    "net.rtt.max": gettext_lazy("longest round trip"),
    "net.rtt.tcp_connect": gettext_lazy("time to connect"),
    "net.packet.loss.ratio": gettext_lazy("packet loss"),
    "net.jitter.rfc3550": gettext_lazy("jitter"),
    "net.availability.ratio": gettext_lazy("availability"),
    "dns.lookup.duration": gettext_lazy("DNS lookup"),
    "dns.timeout.ratio": gettext_lazy("DNS timeouts"),
    "http.client.request.duration": gettext_lazy("request time"),
    "http.client.phase.ttfb": gettext_lazy("time to first byte"),
    "http.availability.ratio": gettext_lazy("availability"),
    "tls.handshake.duration": gettext_lazy("TLS handshake"),
    "net.throughput.tcp.receive": gettext_lazy("throughput"),
    "net.throughput.tcp.reverse": gettext_lazy("throughput back"),
    "net.throughput.http.download": gettext_lazy("download"),
    "net.throughput.http.upload": gettext_lazy("upload"),
    "path.hop.count": gettext_lazy("hops"),
    f"{CONTEXT}:failed": gettext_lazy("failure"),
    f"{CONTEXT}:failed_before": gettext_lazy("failures before"),
    f"{CONTEXT}:failed_in_hour": gettext_lazy("failures in the hour"),
    f"{CONTEXT}:gap": gettext_lazy("pause since the last result"),
    f"{CONTEXT}:host_cpu": gettext_lazy("processor of the client"),
    f"{CONTEXT}:host_memory": gettext_lazy("memory of the client"),
    f"{CONTEXT}:host_load": gettext_lazy("load of the client"),
    f"{CONTEXT}:client_failing": gettext_lazy("failures of other tests of the client"),
    f"{CONTEXT}:target_failing": gettext_lazy("failures of other clients"),
    f"{CONTEXT}:hour_sin": gettext_lazy("time of day"),
    f"{CONTEXT}:hour_cos": gettext_lazy("time of day"),
    f"{CONTEXT}:weekday_sin": gettext_lazy("day of the week"),
    f"{CONTEXT}:weekday_cos": gettext_lazy("day of the week"),
}
SHARES = ("failed_before", "host_cpu", "host_memory", "client_failing", "target_failing")
# These say when, not how much; their figure is none for people.
UNTOLD = ("failed", "gap", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
# By unit of the catalogue: what to multiply by, and what the product is called.
SHOWN = {"1": (100.0, " %"), "s": (1000.0, " ms"), "bit/s": (1e-6, " Mbit/s")}


@dataclass(frozen=True, slots=True)
class Part:
    """A contribution in words: what it is of, its value, what is usual; empty where not known."""

    name: str
    figure: str
    usual: str
    points: float
    is_measured: bool = True


def describe_joint(evidence: Mapping[str, Any]) -> str:
    """For example "packet loss 3.1 % (usual 0 to 0.2 %) +31 points; jitter 28 ms +17 points"."""
    return "; ".join(describe_contribution(one) for one in evidence.get("contributions", ()))


def describe_contribution(contribution: Mapping[str, Any]) -> str:
    part = read_part(contribution)
    points = _("%(points)+.0f points") % {"points": part.points}
    if not part.is_measured:
        return _("%(name)s not measured %(points)s") % {"name": part.name, "points": points}
    usual = f"({part.usual})" if part.usual else ""
    return " ".join(one for one in (part.name, part.figure, usual, points) if one)


def read_part(contribution: Mapping[str, Any]) -> Part:
    subject = contribution["subject"]
    name, points = name_subject(subject), contribution["points"]
    value, low, high = (contribution.get(part) for part in ("value", "low", "high"))
    factor, unit = find_scale(subject)
    if subject.rpartition(":")[2] in UNTOLD:
        return Part(name, "", "", points)
    if value is None:
        return Part(name, "", "", points, is_measured=False)
    figure = f"{value * factor:.3g}{unit}"
    if low is None or high is None:
        return Part(name, figure, "", points)
    usual = _("usual %(low)s to %(high)s") % {
        "low": f"{low * factor:.3g}",
        "high": f"{high * factor:.3g}{unit}",
    }
    return Part(name, figure, usual, points)


def name_subject(subject: str) -> str:
    """What people call a metric or circumstance."""
    return str(NAMES.get(subject, subject))


def find_scale(subject: str) -> tuple[float, str]:
    """What a figure is multiplied by to be shown, and its unit."""
    if subject.startswith(f"{CONTEXT}:"):
        return SHOWN["1"] if subject.rpartition(":")[2] in SHARES else (1.0, "")
    known = read_key(subject)
    unit = known.metric.unit if known else ""
    if unit == "1" and "ratio" not in subject and "utilization" not in subject:
        return 1.0, ""
    return SHOWN.get(unit, (1.0, f" {unit}" if unit and not unit.startswith("{") else ""))
