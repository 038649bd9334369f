"""Names of other rooms that reports show: kinds of tests, metrics, causes.

Theirs come from files of the wire, where gettext finds no words; so those are listed here.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.metrics.catalogue import METRICS, parse_key
from apps.ml.diagnosis.judges import JUDGES
from apps.tests.kinds import KINDS

KIND_TITLES = (
    gettext_noop("Ping"),
    gettext_noop("TCP connect"),
    gettext_noop("HTTP"),
    gettext_noop("DNS"),
    gettext_noop("Trace"),
    gettext_noop("Path MTU"),
    gettext_noop("UDP session"),
    gettext_noop("Host"),
    gettext_noop("Hardware"),
    gettext_noop("Wi-Fi"),
    gettext_noop("TLS"),
    gettext_noop("NTP"),
    gettext_noop("HTTP throughput"),
    gettext_noop("Throughput"),
    gettext_noop("Quality of service"),
    gettext_noop("iperf3"),
)
CAUSE_TITLES = (
    gettext_noop("Agent offline"),
    gettext_noop("Clock is wrong"),
    gettext_noop("Host overloaded"),
    gettext_noop("Disk full or failing"),
    gettext_noop("Weak Wi-Fi"),
    gettext_noop("Local network or gateway"),
    gettext_noop("Bufferbloat"),
    gettext_noop("Rate policed"),
    gettext_noop("Congested link"),
    gettext_noop("Loss on the path"),
    gettext_noop("Route changed"),
    gettext_noop("MTU black hole"),
    gettext_noop("DNS fails"),
    gettext_noop("DNS slow"),
    gettext_noop("TLS or certificate"),
    gettext_noop("Server slow"),
    gettext_noop("Server refuses or is down"),
)
METRIC_DESCRIPTIONS = (
    gettext_noop("Median round-trip time of the answered probes."),
    gettext_noop("Share of the probes without an answer in time."),
    gettext_noop("Smoothed difference of consecutive round-trip times."),
    gettext_noop("Mean time from SYN to an established TCP connection."),
    gettext_noop("Share of the attempts that succeeded."),
    gettext_noop("Time of the whole request, redirects included."),
    gettext_noop("Time from the sent request to the first byte of the answer."),
    gettext_noop("Share of the requests with an expected status and body."),
    gettext_noop("Mean time from query to answer."),
    gettext_noop("Routers on the way to the target, the target included."),
    gettext_noop(
        "Median round-trip time to the target, the last hop; those of the others are in the result."
    ),
    gettext_noop("Different routes that load balancers gave to the flows of one run."),
    gettext_noop("Largest packet that reaches the target unfragmented, proved end to end."),
    gettext_noop("1 when large packets vanish without a word: TCP connections open and then hang."),
    gettext_noop(
        "Estimated mean opinion score of a telephone call over this path, 1 (bad) to 4.5."
    ),
    gettext_noop(
        "Share of the time the processors worked; one core with the attribute cpu, one state "
        "with the attribute state."
    ),
    gettext_noop("Share of the memory that is not available."),
    gettext_noop(
        "Power that the whole machine draws, as its power meter or management controller "
        "measures it."
    ),
    gettext_noop("How full the battery is."),
    gettext_noop("Strength of the access point's signal; below -70 connections suffer."),
    gettext_noop("How far the signal stands above the noise; below 20 rates fall."),
    gettext_noop("Rate at which the newest frame to the access point was sent."),
    gettext_noop("Time of the TLS handshake alone."),
    gettext_noop("Time until the server's certificate expires; below zero it has."),
    gettext_noop("How far the time server's clock is ahead of this host's."),
    gettext_noop("Round-trip time to the time server, its own handling time taken off."),
    gettext_noop("HTTP body a second downloaded from the server."),
    gettext_noop("HTTP body a second uploaded to the server."),
    gettext_noop("How much longer packets wait in queues while the path is full."),
    gettext_noop("TCP payload a second that arrived at the receiver, all streams together."),
    gettext_noop("TCP payload a second that arrived here while the peer sent."),
    gettext_noop("UDP payload a second that arrived at the receiver."),
    gettext_noop(
        "How much sooner the preferred class arrives; 0 when the network treats all classes alike."
    ),
    gettext_noop("1 when a TCP connection to the target agreed to ECN."),
    gettext_noop("Mean number of tasks that ran or waited to run over the last minute."),
    gettext_noop("Share of the last 10 s in which some task waited for a processor."),
    gettext_noop("Share of the last 10 s in which some task waited for I/O."),
    gettext_noop("Bits received or transmitted a second."),
    gettext_noop("Bytes read or written a second."),
    gettext_noop("Share of the file system in use."),
)
LABELS = (
    # Templates of plans.
    gettext_noop("Executive"),
    gettext_noop("Service levels"),
    gettext_noop("Capacity"),
    gettext_noop("Client detail"),
    gettext_noop("Single test"),
    # Verdicts of forecasts.
    gettext_noop("Reached"),
    gettext_noop("Growing"),
    gettext_noop("Not within a year"),
    gettext_noop("Not growing"),
)
# What attributes of watched metrics may be called; other values are names and stay.
ATTRIBUTE_WORDS = {
    "direction=receive": gettext_noop("received"),
    "direction=transmit": gettext_noop("sent"),
    "direction=read": gettext_noop("read"),
    "direction=write": gettext_noop("written"),
    "direction=forward": gettext_noop("there"),
    "direction=reverse": gettext_noop("back"),
}


def name_kind(kind: str) -> str:
    """The title of a kind of test; its own name when nobody knows it any more."""
    return _(KINDS[kind].title) if kind in KINDS else kind


def name_cause(cause: str) -> str:
    """The title of a class of problems; its own name when nobody knows it any more."""
    return _(JUDGES[cause].title) if cause in JUDGES else cause


def describe_metric(key: str) -> str:
    """What the catalogue says of the key, with its attributes."""
    parsed = parse_key(key)
    if parsed is None:
        return key
    text = _(METRICS[parsed.metric.name].description).rstrip(".")
    attributes = ", ".join(say_attribute(name, value) for name, value in parsed.attributes)
    return f"{text} ({attributes})" if attributes else text


def say_attribute(name: str, value: str) -> str:
    word = ATTRIBUTE_WORDS.get(f"{name}={value}")
    return f"{name} {value}" if word is None else _(word)
