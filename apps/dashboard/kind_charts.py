"""Which charts a test of a kind has, and what its figures are called in short."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from django.utils.translation import gettext_lazy as _

from apps.dashboard.charts import MAXIMUM_LINES, Label, Line, Panel
from apps.dashboard.formats import SPACE, Style, find_style
from apps.metrics.catalogue import parse_key
from apps.tests.kinds import Kind

LABELS: dict[str, Label] = {
    "net.rtt.min": _("Lowest"),
    "net.rtt.median": _("Median"),
    "net.rtt.max": _("Highest"),
    "net.rtt.tcp_connect": _("Connect"),
    "net.packet.loss.ratio": _("Packet loss"),
    "net.availability.ratio": _("Success"),
    "net.jitter.rfc3550": _("Jitter"),
    "path.hop.rtt.median": _("Target"),
    "net.rtt.gateway": _("First hop"),
    "path.hop.loss.ratio": _("Unanswered by the target"),
    "path.hop.count": _("Hops"),
    "path.ecmp.width": _("Paths"),
    "path.mtu": _("Path MTU (B)"),
    "path.mtu.blackhole": _("Black hole"),
    "dns.lookup.duration": _("Lookup"),
    "dns.lookup.duration.cold": _("Cold"),
    "dns.lookup.duration.warm": _("Warm"),
    "dns.timeout.ratio": _("Unanswered queries"),
    "http.client.phase.dns": _("DNS"),
    "http.client.phase.connect": _("Connect"),
    "http.client.phase.tls": _("TLS"),
    "http.client.phase.ttfb": _("First byte"),
    "http.client.phase.transfer": _("Transfer"),
    "http.client.request.duration": _("Whole request"),
    "http.availability.ratio": _("Success"),
    "tls.handshake.duration": _("Handshake"),
    "net.throughput.http.download": _("Download"),
    "net.throughput.http.upload": _("Upload"),
    "net.latency.loaded.download": _("Under download"),
    "net.latency.loaded.upload": _("Under upload"),
    "ntp.offset": _("Offset"),
    "ntp.rtt": _("Round trip"),
    "tls.certificate.expires_in": _("Certificate left"),
    "net.voip.mos": _("Call quality (MOS)"),
    "net.throughput.tcp.receive": _("To the peer"),
    "net.throughput.tcp.reverse": _("From the peer"),
    "net.throughput.udp.receive{direction=forward}": _("UDP to the peer"),
    "net.throughput.udp.receive{direction=reverse}": _("UDP from the peer"),
    "net.bufferbloat.delta": _("Added by load"),
    "net.tcp.rtt.smoothed": _("Round trip, by the kernel"),
    "qos.class.differentiation": _("Preferred class ahead by"),
    "qos.class.rtt.median": _("Median"),
    "qos.class.loss.ratio": _("Packet loss"),
    "qos.ecn.negotiated": _("ECN"),
    "system.cpu.utilization": _("Processors in use"),
    "system.memory.utilization": _("Memory in use"),
    "system.cpu.load_average.1m": _("Load, 1 min"),
    "hw.host.power": _("Power drawn"),
    "hw.battery.charge": _("Battery"),
    "hw.machine_check.count": _("Machine checks"),
    "wifi.signal": _("Signal"),
    "wifi.noise": _("Noise"),
    "wifi.snr": _("Signal over noise"),
    "wifi.bitrate.transmit": _("Rate sent"),
    "wifi.channel.busy.ratio": _("Channel busy"),
}
# Drawn as their complement: bars where something is wrong, nothing where all is well.
COMPLEMENTS: dict[str, Label] = {
    "net.availability.ratio": _("Failed attempts"),
    "http.availability.ratio": _("Failed requests"),
}
# Shares of what went wrong: bars, as the complements; of several, lines.
FAILURES = frozenset(
    {"net.packet.loss.ratio", "path.hop.loss.ratio", "dns.timeout.ratio", "qos.class.loss.ratio"}
)
BAND = ("net.rtt.min", "net.rtt.max")
TOGETHER: tuple[tuple[Style, Label], ...] = (
    (Style.DURATION, _("Latency")),
    (Style.BIT_RATE, _("Throughput")),
    (Style.LEVEL, _("Signal")),
)


def describe_test_panels(kind: Kind, measured: Collection[str] = ()) -> list[Panel]:
    """The charts of a kind of test: its times in one panel, its rates too, and the rest alone.

    Of `measured` keys those with attributes, as of a traffic class, each have a line of their own.
    """
    lines = [line for key in kind.chart for line in list_lines(key, measured)]
    panels = []
    for style, title in TOGETHER:
        drawn = tuple(one for one in lines if find_style(one.key) == style)
        keys = {one.key for one in drawn}
        band = None
        if set(BAND) <= keys:
            band = (name_line(BAND[0]), name_line(BAND[1]))
            drawn = tuple(one for one in drawn if one.key not in BAND)
        if drawn:
            panels.append(Panel(title, style, drawn[:MAXIMUM_LINES], band=band))
    styles = {style for style, _title in TOGETHER}
    others = [key for key in kind.chart if find_style(key) not in styles]
    return [*panels, *(describe_own_panel(key, list_lines(key, measured)) for key in others)]


def describe_own_panel(key: str, lines: Sequence[Line]) -> Panel:
    title = COMPLEMENTS.get(key) or LABELS.get(key, key)
    is_complement = key in COMPLEMENTS
    if is_complement:
        lines = [Line(key, title)]
    return Panel(
        title,
        find_style(key),
        tuple(lines[:MAXIMUM_LINES]),
        is_bars=is_complement or (key in FAILURES and len(lines) == 1),
        is_scaled=key in FAILURES,
        is_complement=is_complement,
    )


def list_lines(key: str, measured: Collection[str]) -> list[Line]:
    """The line of a key, or one for each of the measured keys that differ in attributes only."""
    told_apart = sorted(one for one in measured if one.startswith(f"{key}{{"))
    if key in measured or not told_apart:
        return [name_line(key)]
    return [Line(one, write_attributes(one)) for one in told_apart]


def write_attributes(key: str) -> str:
    parsed = parse_key(key)
    parts = parsed.attributes if parsed else ()
    return ", ".join(f"{name.upper()}{SPACE}{value}" for name, value in parts) or key


def keep_measured(panels: Iterable[Panel], measured: Collection[str]) -> list[Panel]:
    """The charts with those of their lines that something was measured for, without empty ones."""
    kept = [
        replace(one, lines=tuple(line for line in one.lines if line.key in measured))
        for one in panels
    ]
    return [one for one in kept if one.lines]


def name_line(key: str) -> Line:
    return Line(key, LABELS.get(key, key))
