"""The `wifi` collector: how well each wireless interface hears its access point."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from streamswarm_agent.collectors.base import CollectedFact, Collection
from streamswarm_agent.collectors.commands import RunCommand, run_command
from streamswarm_agent.collectors.measures import (
    AbsentCode,
    Measure,
    Reading,
    frame_of,
    read_if_supported,
)
from streamswarm_agent.collectors.wifi_reports import (
    Survey,
    count_access_points,
    read_bssid,
    read_channel_width,
    read_link,
    read_station,
    read_survey,
    read_wireless,
)

MAX_INTERFACES = 8
METRICS = (
    "wifi.signal", "wifi.noise", "wifi.snr", "wifi.link_quality", "wifi.bitrate.transmit",
    "wifi.bitrate.receive", "wifi.mcs", "wifi.frequency", "wifi.channel.width",
    "wifi.channel.busy.ratio", "wifi.transmit.retries", "wifi.transmit.failed",
    "wifi.beacon.loss", "wifi.bssid", "wifi.roam.count", "wifi.scan.ap_count",
)  # fmt: skip


@dataclass(slots=True)
class _Memory:
    """What is compared with the next pass."""

    bssid: str = ""
    roam_count: int | None = None
    survey: Reading | None = None


@dataclass(frozen=True, slots=True)
class _Reports:
    """The texts of one interface and one pass; a text of None: the program is not there."""

    link: str | None
    description: str
    stations: str
    survey: Survey
    access_points: Measure
    refused: frozenset[str] = field(default_factory=frozenset)


class WifiCollector:
    """One frame for each wireless interface; a single one, all U, on a host without any.

    Decibels, bit/s, Hz. N while there is no connection, U for what the driver does not say or
    without the program `iw`, I for what needs an earlier pass. A change of the access point is
    counted as a roam since the agent's start. Fact: the access point's address.
    Source: nl80211 as `iw` prints it, which needs no rights; /proc/net/wireless where it is there.
    """

    name: ClassVar[str] = "wifi"

    def __init__(
        self,
        run: RunCommand = run_command,
        sys_root: Path = Path("/sys"),
        proc_root: Path = Path("/proc"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._sys_root = sys_root
        self._proc_root = proc_root
        self._monotonic = monotonic
        self._memories: dict[str, _Memory] = {}

    def collect(self) -> Collection:
        """One pass over the wireless interfaces; a few milliseconds of `iw` for each."""
        names = find_wireless(self._sys_root)[:MAX_INTERFACES]
        if not names:
            return Collection((frame_of("wifi", "", dict.fromkeys(METRICS, "U")),))
        self._memories = {name: self._memories.get(name, _Memory()) for name in names}
        read = (self._proc_root / "net" / "wireless").read_text
        kernel = read_wireless(read_if_supported(lambda: read(encoding="ascii")) or "")
        frames, facts = [], []
        for name in names:
            reports = self._read_reports(name)
            bssid = read_bssid(reports.link or "")
            frames.append(
                frame_of("wifi", name, self._measure(name, reports, bssid, kernel.get(name, {})))
            )
            if bssid:
                facts.append(CollectedFact("wifi", name, "wifi.bssid", bssid))
        return Collection(tuple(frames), tuple(facts))

    def _read_reports(self, name: str) -> _Reports:
        answers = {
            topic: self._run(("iw", "dev", name, *topic.split()))
            for topic in ("link", "info", "station dump", "survey dump", "scan dump")
        }
        texts = {topic: answer.text if answer else "" for topic, answer in answers.items()}
        scan = answers["scan dump"]
        access_points: Measure = "U"
        if scan is not None and scan.is_refused:
            access_points = "P"
        elif scan is not None and scan.is_good:
            access_points = count_access_points(scan.text)
        return _Reports(
            link=texts["link"] if answers["link"] else None,
            description=texts["info"],
            stations=texts["station dump"],
            survey=read_survey(texts["survey dump"]),
            access_points=access_points,
            refused=frozenset(topic for topic, one in answers.items() if one and one.is_refused),
        )

    def _measure(
        self, name: str, reports: _Reports, bssid: str, kernel: Mapping[str, float]
    ) -> dict[str, Measure]:
        is_off = reports.link is not None and not bssid and "link" not in reports.refused
        code: AbsentCode = "N" if is_off else "U"
        found: dict[str, float | None] = {
            **read_link(reports.link or ""),
            "wifi.channel.width": read_channel_width(reports.description),
            **read_station(reports.stations, bssid),
            "wifi.noise": reports.survey.noise_dbm,
            "wifi.link_quality": kernel.get("wifi.link_quality"),
        }
        for metric in ("wifi.signal", "wifi.noise"):
            found[metric] = kernel.get(metric) if found[metric] is None else found[metric]
        measures: dict[str, Measure] = {
            metric: code if value is None else value for metric, value in found.items()
        }
        if "survey dump" in reports.refused and measures["wifi.noise"] == "U":
            measures["wifi.noise"] = "P"
        busy = self._measure_busy(self._memories[name], reports.survey)
        return measures | {
            "wifi.snr": subtract(measures["wifi.signal"], measures["wifi.noise"]),
            "wifi.channel.busy.ratio": code if busy == "U" else busy,
            "wifi.roam.count": count_roams(self._memories[name], bssid, code),
            "wifi.scan.ap_count": reports.access_points,
            **({} if bssid else {"wifi.bssid": code}),
        }

    def _measure_busy(self, memory: _Memory, survey: Survey) -> Measure:
        active, busy = survey.active_milliseconds, survey.busy_milliseconds
        if active is None or busy is None:
            memory.survey = None
            return "U"
        current = Reading(self._monotonic(), {"active": active, "busy": busy})
        earlier, memory.survey = memory.survey, current
        more_active = current.increase_since(earlier, "active")
        more_busy = current.increase_since(earlier, "busy")
        if not more_active or more_busy is None:
            return "I"
        return min(more_busy / more_active, 1.0)


def find_wireless(sys_root: Path = Path("/sys")) -> list[str]:
    """The names of the interfaces that a wireless device stands behind."""
    found = {
        path.parent.name
        for mark in ("phy80211", "wireless")
        for path in (sys_root / "class" / "net").glob(f"*/{mark}")
    }
    return sorted(found)


def subtract(signal: Measure, noise: Measure) -> Measure:
    """Signal minus noise, or the reason why one of them is not there."""
    if isinstance(signal, str):
        return signal
    return noise if isinstance(noise, str) else signal - noise


def count_roams(memory: _Memory, bssid: str, code: AbsentCode) -> Measure:
    """How often the access point was another one than before; I at the first sight of one."""
    if not bssid:
        return code if memory.roam_count is None else memory.roam_count
    if not memory.bssid:
        memory.bssid = bssid
        return "I"
    has_moved = bssid != memory.bssid
    memory.roam_count = (memory.roam_count or 0) + has_moved
    memory.bssid = bssid
    return memory.roam_count
