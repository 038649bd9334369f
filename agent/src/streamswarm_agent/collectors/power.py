"""Where the energy goes and comes from: RAPL domains, power supplies, the battery, the machine."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streamswarm_agent.collectors.base import CollectedFact
from streamswarm_agent.collectors.commands import RunCommand
from streamswarm_agent.collectors.measures import Measure, read_if_supported
from streamswarm_agent.collectors.sensors import read_machine_power
from streamswarm_agent.collectors.sysfs import (
    list_numbered,
    measure_file,
    name_apart,
    read_number,
    read_text,
)

MICROJOULES = 1e6
PERCENT = 100
POWER_READING = re.compile(r"Instantaneous power reading:\s*(\d+) Watts")
CONTROLLER_FILES = ("ipmi0", "ipmi/0", "ipmidev/0")


class EnergyMeter:
    """Joules by RAPL domain since the counter began, across the wraps of the counter."""

    def __init__(self, sys_root: Path) -> None:
        self._sys_root = sys_root
        self._totals: dict[str, tuple[float, float]] = {}

    def measure(self) -> dict[str, Measure]:
        """`hw.energy{domain=...}`; P where only root may read, which is so since Linux 5.10."""
        return {
            f"hw.energy{{domain={name}}}": self._measure_domain(name, folder)
            for name, folder in list_domains(self._sys_root)
        }

    def _measure_domain(self, name: str, folder: Path) -> Measure:
        now = measure_file(folder / "energy_uj", MICROJOULES)
        if isinstance(now, str):
            return now
        before, total = self._totals.get(name, (now, now))
        increase = now - before
        if increase < 0:
            increase += (read_number(folder / "max_energy_range_uj") or 0.0) / MICROJOULES
        # A range that the kernel does not say leaves a gap, never a step back.
        self._totals[name] = (now, total + max(increase, 0.0))
        return self._totals[name][1]


def list_domains(sys_root: Path) -> Iterator[tuple[str, Path]]:
    """Name and folder of each domain: `package-0`, `package-0/core`, `dram`."""
    folders = list_numbered(sys_root / "class" / "powercap", "intel-rapl:*")
    names = {folder.name: read_text(folder / "name") or folder.name for folder in folders}

    def write_name(folder: Path) -> str:
        parent = names.get(folder.name.rpartition(":")[0])
        return f"{parent}/{names[folder.name]}" if parent else names[folder.name]

    yield from name_apart((write_name(folder), folder) for folder in folders)


def list_supplies(sys_root: Path) -> tuple[CollectedFact, ...]:
    """A fact a power supply: the battery's own words, online or offline for the others."""
    folders = list_numbered(sys_root / "class" / "power_supply", "*")
    named = name_apart((folder.name, folder) for folder in folders)
    states = ((name, read_supply(folder)) for name, folder in named)
    return tuple(
        CollectedFact("hardware", "", f"hw.power_supply.status{{supply={name}}}", state)
        for name, state in states
        if state
    )


def read_supply(folder: Path) -> str:
    """`charging`, `discharging`, `not charging`, `full`, `online`, `offline`; empty if unknown."""
    status = read_text(folder / "status").lower()
    if status and status != "unknown":
        return status
    return {"0": "offline", "1": "online", "2": "online"}.get(read_text(folder / "online"), "")


def measure_battery(read_battery: Callable[[], Any]) -> dict[str, Measure]:
    """Charge 0 to 1 and seconds left, which are N while it is charged."""
    battery = read_if_supported(read_battery)
    if battery is None:
        return {}
    left_seconds = battery.secsleft
    time_left: Measure = float(left_seconds) if left_seconds >= 0 else "U"
    return {
        "hw.battery.charge": min(max(battery.percent / PERCENT, 0.0), 1.0),
        "hw.battery.time_left": "N" if battery.power_plugged else time_left,
    }


def measure_machine_power(sys_root: Path, dev_root: Path, run: RunCommand) -> Measure:
    """Watts of the whole machine: its ACPI power meter, or its management controller by ipmitool.

    U without either or without the program, P when the controller is root's alone.
    """
    watts = read_machine_power(sys_root)
    if watts is not None:
        return watts
    if not any((dev_root / name).exists() for name in CONTROLLER_FILES):
        return "U"
    answer = run(("ipmitool", "dcmi", "power", "reading"))
    if answer is None:
        return "U"
    found = POWER_READING.search(answer.text)
    if found:
        return float(found.group(1))
    return "P" if answer.is_refused else "U"
