"""What the form of a kind says of its parameters beyond their titles and limits."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

CHOICES: Mapping[str, Text] = {
    "auto": _("Automatic"),
    "any": _("Any"),
    "4": _("IPv4"),
    "6": _("IPv6"),
    "icmp": _("ICMP"),
    "tcp": _("TCP"),
    "udp": _("UDP"),
    "dot": _("TLS (DoT)"),
    "doh": _("HTTPS (DoH)"),
    "none": _("None"),
    "smtp": _("SMTP"),
    "imap": _("IMAP"),
    "periodic": _("Periodic"),
    "poisson": _("Random (Poisson)"),
    "both": _("Both, one after the other"),
    "upload": _("Upload"),
    "download": _("Download"),
    "all": _("Everything"),
    "host": _("The host itself"),
    "cpu": _("Processors"),
    "filesystem": _("File systems"),
    "disk": _("Disks"),
    "interface": _("Interfaces"),
    "network": _("Network"),
    "sensors": _("Sensors"),
    "power": _("Power"),
    "faults": _("Faults"),
    "disks": _("Disks"),
}
DSCP_HELP = _("0 is best effort, 46 (EF) is for calls, 8 (CS1) for what may wait.")
IP_VERSION_HELP = _("Any: as the system prefers.")
# By kind and parameter; of every kind under the empty name.
HELP: Mapping[tuple[str, str], Text] = {
    ("", "dscp"): DSCP_HELP,
    ("", "sweep_dscp"): DSCP_HELP,
    ("", "ip_version"): IP_VERSION_HELP,
    ("", "is_certificate_verified"): _("Off: an own or expired certificate is no failure."),
    ("ping", "method"): _("Automatic: ICMP where that is permitted, else what comes closest."),
    ("ping", "size_bytes"): _("56 makes packets of 84 bytes with IPv4, as ping does."),
    ("mtu", "method"): _("Automatic: by ICMP echo, and where nobody answers that, by UDP."),
    ("mtu", "lowest_bytes"): _("Sizes below are not tried."),
    ("mtu", "tcp_port"): _("Shows whether somebody on the way makes segments smaller."),
    ("trace", "method"): _("UDP needs no permission; TCP passes most firewalls."),
    ("trace", "flows"): _("More flows find more of the parallel paths of a load balancer."),
    ("trace", "queries"): _("Each round asks every hop once for each flow."),
    ("dns", "is_cache_measured"): _("Asks for names that nobody can have asked for before."),
    ("dns", "is_every_transport_measured"): _("Shows which of them the resolver offers."),
    ("dns", "expected_answer"): _("Empty: any answer is right."),
    ("dns", "resolvers"): _("Asked once a run, to see whether all give the same answer."),
    ("ntp", "servers"): _("Asked once a run, to see whether all tell the same time."),
    ("http", "expected_status"): _("Codes or classes, as 200,3xx."),
    ("http", "origin_url"): _("The server behind a delivery network: what does that gain?"),
    ("http", "is_cache_measured"): _("What do an open connection and caches save?"),
    ("http", "apdex_seconds"): _("Up to four times as long they tolerate it."),
    ("http", "max_body_bytes"): _("The rest is not fetched."),
    ("tls", "server_name"): _("Sent as SNI, and the name that the certificate must be for."),
    ("tls", "warn_days"): _("With fewer the run has no success."),
    ("tls", "is_trust_required"): _("Off: for certificates of an own authority."),
    ("tls", "alpn"): _("Separated by commas, the preferred one first."),
    ("http_throughput", "streams"): _("More fill a path on which one connection is held back."),
    ("http_throughput", "omit_seconds"): _("The slow start of TCP, which is no steady rate."),
    ("http_throughput", "max_megabits"): _("Keeps the test from filling a path that others use."),
    ("throughput", "streams"): _("More fill a path on which one connection is held back."),
    ("throughput", "omit_seconds"): _("The slow start of TCP, which is no steady rate."),
    ("throughput", "has_latency"): _("Grades bufferbloat from A+ to F."),
    ("udp_session", "interval_seconds"): _("0.02 is the pace of a telephone call."),
    ("udp_session", "schedule"): _("Random times meet no rhythm of the path (RFC 4656)."),
    ("qos", "classes"): _("With 0 and 46 the result says how much sooner 46 (EF) arrives."),
    ("qos", "has_sweep"): _("Fills the path, so it has both clients to itself meanwhile."),
    ("qos", "sweep_megabits"): _("More than the path is thought to carry."),
}


def name_choice(value: str) -> Text:
    return CHOICES.get(value, value)


def find_help(kind_name: str, parameter: str) -> Text:
    """What helps to choose the parameter's value; empty when its title and limits say all."""
    return HELP.get((kind_name, parameter)) or HELP.get(("", parameter), "")
