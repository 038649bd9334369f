"""What `iw` and the kernel print about a wireless interface, as numbers in base units."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HERTZ_PER_MEGAHERTZ = 1e6
BITS_PER_MEGABIT = 1e6
# What cfg80211 calls the best quality where a signal is in dBm, and where it is a percentage.
BEST_OF_DECIBELS, BEST_OF_PERCENT = 70.0, 100.0
UNKNOWN_NOISE_DBM = -256.0
WIRELESS_COLUMNS = 5

CONNECTED = re.compile(r"^Connected to ([0-9a-f:]{17})", re.MULTILINE)
FREQUENCY = re.compile(r"freq:\s*([\d.]+)")
SIGNAL = re.compile(r"signal:\s*(-?\d+)")
BITRATE = r"{direction} bitrate:\s*([\d.]+) MBit/s"
MCS = re.compile(r"tx bitrate:.*?\b(?:VHT-|HE-|EHT-)?MCS (\d+)")
CHANNEL = re.compile(r"channel \d+ \(([\d.]+) MHz\), width: ([\d.]+) MHz")
SURVEY_NOISE = re.compile(r"noise:\s*(-?\d+) dBm")
SURVEY_TIME = r"channel {name} time:\s*(\d+) ms"
ACCESS_POINT = re.compile(r"^BSS [0-9a-f:]{17}", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Survey:
    """Of the channel in use: noise in dBm, and milliseconds since the driver began to count."""

    noise_dbm: float | None
    active_milliseconds: float | None
    busy_milliseconds: float | None


def find_number(pattern: str | re.Pattern[str], text: str, factor: float = 1.0) -> float | None:
    """The first group of the first match as a number; None without one."""
    found = re.search(pattern, text)
    return float(found.group(1)) * factor if found else None


def read_bssid(link: str) -> str:
    """The access point's address in `iw dev X link`; empty when there is no connection."""
    found = CONNECTED.search(link)
    return found.group(1) if found else ""


def read_link(link: str) -> Mapping[str, float | None]:
    """Signal in dBm, rates in bit/s, MCS and frequency in Hz of `iw dev X link`.

    A connection of 802.11a, b or g has no MCS.
    """
    return {
        "wifi.signal": find_number(SIGNAL, link),
        "wifi.bitrate.transmit": find_number(
            BITRATE.format(direction="tx"), link, BITS_PER_MEGABIT
        ),
        "wifi.bitrate.receive": find_number(BITRATE.format(direction="rx"), link, BITS_PER_MEGABIT),
        "wifi.mcs": find_number(MCS, link),
        "wifi.frequency": find_number(FREQUENCY, link, HERTZ_PER_MEGAHERTZ),
    }


def read_channel_width(description: str) -> float | None:
    """The channel's width in Hz in `iw dev X info`."""
    found = CHANNEL.search(description)
    return float(found.group(2)) * HERTZ_PER_MEGAHERTZ if found else None


def read_station(dump: str, bssid: str) -> Mapping[str, float | None]:
    """The counters of the access point in `iw dev X station dump`."""
    parts = re.split(r"^Station ", dump, flags=re.MULTILINE)
    own = next((part for part in parts if bssid and part.startswith(bssid)), "")
    return {
        "wifi.transmit.retries": find_number(r"tx retries:\s*(\d+)", own),
        "wifi.transmit.failed": find_number(r"tx failed:\s*(\d+)", own),
        "wifi.beacon.loss": find_number(r"beacon loss:\s*(\d+)", own),
    }


def read_survey(dump: str) -> Survey:
    """The part of `iw dev X survey dump` about the channel in use."""
    own = next((part for part in dump.split("Survey data from") if "[in use]" in part), "")
    return Survey(
        noise_dbm=find_number(SURVEY_NOISE, own),
        active_milliseconds=find_number(SURVEY_TIME.format(name="active"), own),
        busy_milliseconds=find_number(SURVEY_TIME.format(name="busy"), own),
    )


def count_access_points(dump: str) -> int:
    """How many `iw dev X scan dump` names."""
    return len(ACCESS_POINT.findall(dump))


def read_wireless(table: str) -> dict[str, Mapping[str, float]]:
    """`/proc/net/wireless` by interface: quality as a share, signal and noise in dBm if known."""
    return dict(_read_rows(table))


def _read_rows(table: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    for line in table.splitlines()[2:]:
        name, colon, rest = line.partition(":")
        columns = rest.split()
        if not colon or len(columns) < WIRELESS_COLUMNS:
            continue
        quality, level, noise = (float(column) for column in columns[1:4])
        is_decibels = level < 0
        best = BEST_OF_DECIBELS if is_decibels else BEST_OF_PERCENT
        figures = {"wifi.link_quality": min(quality / best, 1.0)}
        if is_decibels:
            figures["wifi.signal"] = level
        if is_decibels and UNKNOWN_NOISE_DBM < noise < 0:
            figures["wifi.noise"] = noise
        yield name.strip(), figures
