"""What disks say of their own health: `smartctl`'s JSON of ATA, SCSI and NVMe disks."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from streamswarm_agent.collectors.commands import Answer, RunCommand
from streamswarm_agent.collectors.measures import Measure
from streamswarm_agent.collectors.sysfs import clean_name

MAX_DISKS = 32
SECONDS_PER_HOUR = 3600
NVME_UNIT_BYTES = 512_000
PERCENT = 100
PREFIX = "hw.physical_disk"
ATA_ATTRIBUTES = {
    "reallocated_sectors": 5,
    "pending_sectors": 197,
    "uncorrectable": 198,
    "crc_errors": 199,
}
# A field of NVMe's health log, and what one of it is in the metric's unit.
NVME_FIELDS = {
    "endurance_utilization": ("percentage_used", 1 / PERCENT),
    "spare": ("available_spare", 1 / PERCENT),
    "media_errors": ("media_errors", 1),
    "unsafe_shutdowns": ("unsafe_shutdowns", 1),
    "data_written": ("data_units_written", NVME_UNIT_BYTES),
}
COMMON = ("smart.passed", "power_on_time")
NAMES = (*COMMON, *ATA_ATTRIBUTES, *NVME_FIELDS)
POWER_MODES_AWAKE = ("--nocheck", "standby")


def read_disks(run: RunCommand) -> dict[str, Measure]:
    """Every figure of every disk, by `disk`, temperatures in degrees Celsius included.

    P where this process may not open the disk; N for what the other kind of disk has, and for
    everything while a disk sleeps, which is not woken; U for what a disk does not say. Without
    disks or without the program a key without a disk is U.
    """
    scan = run(("smartctl", "--json", "--scan"))
    devices = parse(scan).get("devices") or []
    measures: dict[str, Measure] = {}
    for device in devices[:MAX_DISKS]:
        path, kind = str(device.get("name", "")), str(device.get("type", "auto"))
        disk = clean_name(path.removeprefix("/dev/").replace("bus/", "bus "))
        answer = run(("smartctl", "--json", *POWER_MODES_AWAKE, "-i", "-H", "-A", "-d", kind, path))
        measures |= {f"{key}{{disk={disk}}}": value for key, value in measure_disk(answer)}
    return measures or {f"{PREFIX}.{name}": "U" for name in NAMES}


def measure_disk(answer: Answer | None) -> Iterator[tuple[str, Measure]]:
    """The figures of one disk, without their attribute."""
    report = parse(answer)
    refusal = explain_refusal(report)
    if refusal is not None:
        yield from ((f"{PREFIX}.{name}", refusal) for name in (*NAMES, "temperature"))
        return
    is_nvme = report.get("device", {}).get("protocol") == "NVMe"
    figures = {**read_common(report), **read_ata(report), **read_nvme(report)}
    foreign = ATA_ATTRIBUTES if is_nvme else NVME_FIELDS
    for name in (*NAMES, "temperature"):
        value = figures.get(name)
        missing: Measure = "N" if name in foreign else "U"
        yield f"{PREFIX}.{name}", missing if value is None else value


def parse(answer: Answer | None) -> dict[str, Any]:
    """The JSON of an answer; empty for what is none. The program ends badly for sick disks too."""
    try:
        report = json.loads(answer.text) if answer else {}
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def explain_refusal(report: Mapping[str, Any]) -> Measure | None:
    """Why there is nothing about the disk, None when there is something."""
    if "smart_status" in report or "temperature" in report:
        return None
    messages = report.get("smartctl", {}).get("messages", [])
    said = " ".join(str(message.get("string", "")) for message in messages).lower()
    if "permission denied" in said or "operation not permitted" in said:
        return "P"
    if "standby" in said or "sleep" in said:
        return "N"
    return None if "device" in report and not said else "U"


def read_common(report: Mapping[str, Any]) -> dict[str, float | None]:
    passed = report.get("smart_status", {}).get("passed")
    on_time = report.get("power_on_time", {})
    hours = on_time.get("hours")
    return {
        "smart.passed": None if passed is None else float(passed),
        "power_on_time": None
        if hours is None
        else hours * SECONDS_PER_HOUR + on_time.get("minutes", 0) * 60.0,
        "temperature": report.get("temperature", {}).get("current"),
    }


def read_ata(report: Mapping[str, Any]) -> dict[str, float | None]:
    table = report.get("ata_smart_attributes", {}).get("table", [])
    raw = {row.get("id"): row.get("raw", {}).get("value") for row in table}
    return {name: raw.get(number) for name, number in ATA_ATTRIBUTES.items()}


def read_nvme(report: Mapping[str, Any]) -> dict[str, float | None]:
    log = report.get("nvme_smart_health_information_log", {})
    return {
        name: log[field] * factor if field in log else None
        for name, (field, factor) in NVME_FIELDS.items()
    }
