"""What the hardware itself found wrong: heat, memory, machine checks, PCI Express, arrays."""

import re
from collections.abc import Iterator
from pathlib import Path

from streamswarm_agent.collectors.measures import Measure, read_if_supported
from streamswarm_agent.collectors.sysfs import (
    clean_name,
    list_numbered,
    measure_file,
    name_apart,
    read_number,
    read_text,
)

SEVERITIES = {"ce": "correctable", "ue": "uncorrectable"}
PORT_ERRORS = {
    "correctable": ("aer_dev_correctable", "TOTAL_ERR_COR"),
    "nonfatal": ("aer_dev_nonfatal", "TOTAL_ERR_NONFATAL"),
    "fatal": ("aer_dev_fatal", "TOTAL_ERR_FATAL"),
}
ARRAY = re.compile(r"^(md\S+) : (\S+)")
MEMBERS = re.compile(r"\[(\d+)/(\d+)\]")
PROGRESS = re.compile(r"(?:recovery|resync|reshape|check)\s*=\s*([\d.]+)%")
WAITING = re.compile(r"(?:recovery|resync|reshape|check)=(?:DELAYED|PENDING)")
PERCENT = 100


def measure_reliability(sys_root: Path, proc_root: Path) -> dict[str, Measure]:
    """Counters since the system's start, and the state of the software RAID."""
    return {
        **dict(_measure_throttling(sys_root)),
        **dict(_measure_memory(sys_root)),
        **dict(_measure_ports(sys_root)),
        "hw.machine_check.count": count_machine_checks(read_text(proc_root / "interrupts")),
        **measure_arrays(read_if_supported((proc_root / "mdstat").read_text) or ""),
    }


def _measure_throttling(sys_root: Path) -> Iterator[tuple[str, Measure]]:
    """Threads of one core share its counter, cores of one package that of the package."""
    counts: dict[str, dict[tuple[str, ...], float]] = {"core": {}, "package": {}}
    for folder in list_numbered(sys_root / "devices" / "system" / "cpu", "cpu[0-9]*"):
        package, core = (
            read_text(folder / "topology" / name) or folder.name
            for name in ("physical_package_id", "core_id")
        )
        for scope, place in (("core", (package, core)), ("package", (package,))):
            count = read_number(folder / "thermal_throttle" / f"{scope}_throttle_count")
            if count is not None:
                counts[scope][place] = count
    for scope, found in counts.items():
        if found:
            yield f"hw.cpu.throttle.count{{scope={scope}}}", sum(found.values())


def _measure_memory(sys_root: Path) -> Iterator[tuple[str, Measure]]:
    controllers = list_numbered(sys_root / "devices" / "system" / "edac" / "mc", "mc[0-9]*")
    for controller in controllers:
        for part, severity in SEVERITIES.items():
            key = f"hw.memory.errors.{severity}{{controller={controller.name}}}"
            yield key, measure_without_rights(controller / f"{part}_count")
    modules = (
        (f"{controller.name}/{read_text(module / 'dimm_label') or module.name}", module)
        for controller in controllers
        for pattern in ("dimm[0-9]*", "rank[0-9]*")
        for module in list_numbered(controller, pattern)
    )
    for name, module in name_apart(modules):
        for part, severity in SEVERITIES.items():
            key = f"hw.memory.dimm.errors{{dimm={name},severity={severity}}}"
            yield key, measure_without_rights(module / f"dimm_{part}_count")


def measure_without_rights(path: Path) -> Measure:
    """As `measure_file`; files that everybody may read are never P."""
    number = measure_file(path)
    return "U" if isinstance(number, str) else number


def _measure_ports(sys_root: Path) -> Iterator[tuple[str, Measure]]:
    folders = sorted((sys_root / "bus" / "pci" / "devices").glob("*"))
    able = ((folder.name, folder) for folder in folders if (folder / "aer_dev_fatal").exists())
    for name, folder in name_apart(able):
        for severity, (file, total) in PORT_ERRORS.items():
            found = re.search(rf"^{total} (\d+)$", read_text(folder / file), re.MULTILINE)
            key = f"hw.pcie.aer.errors{{device={name},severity={severity}}}"
            yield key, float(found.group(1)) if found else "U"


def count_machine_checks(interrupts: str) -> Measure:
    """The sum over all processors of the line MCE; U where the processor has none."""
    for line in interrupts.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "MCE":
            return float(sum(int(word) for word in rest.split() if word.isdecimal()))
    return "U"


def measure_arrays(mdstat: str) -> dict[str, Measure]:
    """By array: 1 when a disk is missing or it does not run; the share of a rebuild that is done.

    An array without spare disks (raid0, linear) is never degraded while it runs.
    """
    measures: dict[str, Measure] = {}
    for block in re.split(r"\n(?=md)", mdstat):
        head = ARRAY.match(block)
        if head is None:
            continue
        array = clean_name(head.group(1))
        members = MEMBERS.search(block)
        is_short = members is not None and int(members.group(2)) < int(members.group(1))
        is_running = head.group(2) == "active"
        measures[f"hw.raid.degraded{{array={array}}}"] = float(is_short or not is_running)
        measures[f"hw.raid.sync_ratio{{array={array}}}"] = read_progress(block)
    return measures


def read_progress(block: str) -> float:
    """The share done of what is under way, 0 while it waits, 1 when nothing is to be done."""
    found = PROGRESS.search(block)
    if found:
        return float(found.group(1)) / PERCENT
    return 0.0 if WAITING.search(block) else 1.0
