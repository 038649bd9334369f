"""How well each radio of the client's host hears its access point, and why when it is not told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.cards.course import UNITS, Figure, Label, list_figures
from apps.dashboard.selectors.documents import list_objects, read_number, read_object, read_text
from apps.tests.models import Result, Run

MOST_RADIOS = 8
FAINTEST_DBM, LOUDEST_DBM = -90.0, -30.0
WEAK_DBM, STRONG_DBM = -70.0, -60.0
NOISY_DB = 20.0
BUSY_RATIO = 0.5
HERTZ_PER_MEGAHERTZ = 1e6
CHANNEL_MEGAHERTZ = 5
# Lowest and highest middle of a channel in MHz, what channels are counted from, the band's name.
BANDS = ((2412, 2472, 2407, "2.4"), (5160, 5895, 5000, "5"), (5955, 7115, 5950, "6"))
JAPANESE_MEGAHERTZ, JAPANESE_CHANNEL = 2484, 14
FIGURES: tuple[tuple[str, Label], ...] = (
    ("wifi.snr", _("Above the noise")),
    ("wifi.noise", _("Noise")),
    ("wifi.bitrate.transmit", _("Rate out")),
    ("wifi.bitrate.receive", _("Rate in")),
    ("wifi.mcs", _("Modulation and coding (MCS)")),
    ("wifi.channel.width", _("Width of the channel")),
    ("wifi.channel.busy.ratio", _("Channel in use, by anybody")),
    ("wifi.link_quality", _("Quality, says the driver")),
    ("wifi.transmit.retries", _("Frames sent again")),
    ("wifi.transmit.failed", _("Frames given up")),
    ("wifi.beacon.loss", _("Beacons missed")),
    ("wifi.roam.count", _("Changes of access point")),
    ("wifi.scan.ap_count", _("Access points in reach")),
)
NO_RADIO = _("The agent sees no wireless interface on this host; inside a container it never does.")
NO_SUCH_RADIO = _("This host has no wireless interface of the name that the test asks for.")
SILENCES: Mapping[str, Label] = {
    "N": _("Not connected to an access point."),
    "P": _("The agent is not allowed to ask this interface."),
}
UNTOLD = _("The driver tells nothing, or the program iw, which asks it, is not installed.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tone, icon and sentence: what to think of the connection, and what to do."""

    tone: str
    icon: str
    sentence: Label


GOOD = Verdict("good", "circle-check", _("The access point is heard well."))
FAIR = Verdict("good", "circle-check", _("The access point is heard well enough."))
WEAK = Verdict(
    "bad", "circle-x",
    _("The signal is weak: frames get lost and rates fall. Bring host and access point closer."),
)  # fmt: skip
NOISY = Verdict(
    "warning", "alert-triangle",
    _("The noise comes close to the signal: another channel may be quieter."),
)  # fmt: skip
BUSY = Verdict(
    "warning", "alert-triangle",
    _("The channel is in use most of the time: another one may be free."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Radio:
    """One wireless interface; `signal` in dBm, its bar in `UNITS`; `silence` says why it is None.

    A radio of which there are figures but no signal has no verdict.
    """

    name: str
    bssid: str
    channel: str
    signal: float | None
    signal_width: int
    verdict: Verdict | None
    silence: Label
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class WifiView:
    """`missing` says why the radio that was asked for is not there, where that is so."""

    radios: tuple[Radio, ...]
    missing: Label
    bar_units: int = UNITS


def build_wifi_card(_run: Run, result: Result) -> Card:
    """Every radio that was looked at; without one the card says why."""
    rows = [one for one in list_objects(result.document.get("rows")) if one.get("kind") == "wifi"]
    told = [one for one in rows if read_text(one.get("subject"))]
    if not told and has_own_figures(result.values):
        told = [{"values": result.values, "absent": result.absent, "facts": result.facts}]
    missing: Label = "" if told else NO_RADIO
    if told and not (has_own_figures(result.values) or has_own_figures(result.absent)):
        missing = NO_SUCH_RADIO
    radios = tuple(describe_radio(one) for one in told[:MOST_RADIOS])
    return Card("dashboard/cards/wifi.html", WifiView(radios, missing))


def has_own_figures(figures: Mapping[str, Any]) -> bool:
    """The agent adds figures of its own to those of the probe."""
    return any(key.startswith("wifi.") for key in figures)


def describe_radio(one: Mapping[str, Any]) -> Radio:
    values, absent, facts = (read_object(one.get(name)) for name in ("values", "absent", "facts"))
    signal = read_number(values.get("wifi.signal"))
    code = read_text(absent.get("wifi.signal"))
    return Radio(
        name=read_text(one.get("subject")),
        bssid=read_text(facts.get("wifi.bssid")),
        channel=name_channel(read_number(values.get("wifi.frequency"))),
        signal=signal,
        signal_width=0 if signal is None else measure_bar(signal),
        verdict=None if signal is None else judge(signal, values),
        silence=SILENCES.get(code, UNTOLD) if signal is None else "",
        figures=list_figures(values, FIGURES),
    )


def judge(signal_dbm: float, values: Mapping[str, Any]) -> Verdict:
    """What holds the connection back most, if anything does."""
    snr_db = read_number(values.get("wifi.snr"))
    busy_ratio = read_number(values.get("wifi.channel.busy.ratio"))
    if signal_dbm < WEAK_DBM:
        return WEAK
    if snr_db is not None and snr_db < NOISY_DB:
        return NOISY
    if busy_ratio is not None and busy_ratio > BUSY_RATIO:
        return BUSY
    return GOOD if signal_dbm >= STRONG_DBM else FAIR


def measure_bar(signal_dbm: float) -> int:
    share = (signal_dbm - FAINTEST_DBM) / (LOUDEST_DBM - FAINTEST_DBM)
    return round(min(max(share, 0.0), 1.0) * UNITS)


def name_channel(frequency_hertz: float | None) -> str:
    """The channel's number and band as people call them; empty for a frequency of neither."""
    megahertz = round(frequency_hertz / HERTZ_PER_MEGAHERTZ) if frequency_hertz else 0
    for lowest, highest, origin, band in BANDS:
        number, rest = divmod(megahertz - origin, CHANNEL_MEGAHERTZ)
        if lowest <= megahertz <= highest and not rest:
            return write_channel(number, band)
    if megahertz == JAPANESE_MEGAHERTZ:
        return write_channel(JAPANESE_CHANNEL, BANDS[0][-1])
    return ""


def write_channel(number: int, band: str) -> str:
    return gettext("channel %(number)s of %(band)s GHz") % {"number": number, "band": band}
