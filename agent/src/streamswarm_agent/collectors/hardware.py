"""The `hardware` collector: sensors, energy, faults that hardware reports, and disks' health."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors import disk_health
from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.commands import PacedRead, RunCommand, run_command
from streamswarm_agent.collectors.measures import Measure, frame_of
from streamswarm_agent.collectors.power import (
    EnergyMeter,
    list_supplies,
    measure_battery,
    measure_machine_power,
)
from streamswarm_agent.collectors.reliability import measure_reliability
from streamswarm_agent.collectors.sensors import measure_disk_temperatures, measure_sensors

DISKS_SECONDS, MACHINE_SECONDS = 300.0, 60.0
DISK_TEMPERATURE = "hw.physical_disk.temperature"
# What is U on a host that has nothing of the kind.
NOTHING: Mapping[str, Measure] = dict.fromkeys(
    (
        "hw.temperature", "hw.fan.speed", "hw.voltage", "hw.current", "hw.power", "hw.energy",
        "hw.power_supply.status", "hw.battery.charge", "hw.cpu.throttle.count",
        "hw.memory.errors.correctable", "hw.memory.errors.uncorrectable", "hw.memory.dimm.errors",
        "hw.pcie.aer.errors", DISK_TEMPERATURE, "hw.raid.degraded", "hw.raid.sync_ratio",
    ),
    "U",
)  # fmt: skip


def read_battery() -> Any:
    """As `psutil.sensors_battery`, looked up late since some platforms have none."""
    return psutil.sensors_battery()


@dataclass(frozen=True, slots=True)
class HardwareReaders:
    """Where the figures come from; tests pass their own."""

    sys_root: Path = Path("/sys")
    proc_root: Path = Path("/proc")
    dev_root: Path = Path("/dev")
    run: RunCommand = run_command
    battery: Callable[[], Any] = read_battery
    monotonic: Callable[[], float] = time.monotonic


class HardwareCollector:
    """One frame: degrees Celsius, rpm, volts, amperes, watts, joules, counts of faults, shares.

    Sensors are named `chip/label`. What gives no number is U, so is each kind of thing that the
    host does not have at all; what only root may read is P. Disks are asked every 5 minutes at
    most and never woken, the management controller every minute. Facts: what each power supply
    does. Source: hwmon, powercap, EDAC and AER of the kernel, smartctl, ipmitool; outside Linux
    the battery, and the disks where smartctl is installed.
    """

    name: ClassVar[str] = "hardware"

    def __init__(self, readers: HardwareReaders | None = None) -> None:
        self._readers = readers = readers or HardwareReaders()
        self._energy = EnergyMeter(readers.sys_root)
        self._read_disks = PacedRead(
            lambda: disk_health.read_disks(readers.run), DISKS_SECONDS, readers.monotonic
        )
        self._read_machine = PacedRead(
            lambda: measure_machine_power(readers.sys_root, readers.dev_root, readers.run),
            MACHINE_SECONDS,
            readers.monotonic,
        )

    def collect(self) -> Collection:
        """One pass over everything."""
        sys_root = self._readers.sys_root
        supplies = list_supplies(sys_root)
        found = {
            **measure_sensors(sys_root),
            **self._energy.measure(),
            **measure_battery(self._readers.battery),
            **measure_reliability(sys_root, self._readers.proc_root),
            **self._measure_disks(),
            "hw.host.power": self._read_machine(),
        }
        names = {key.partition("{")[0] for key in (*found, *(fact.key for fact in supplies))}
        missing = {key: code for key, code in NOTHING.items() if key not in names}
        return Collection((frame_of("hardware", "", {**found, **missing}),), supplies)

    def _measure_disks(self) -> dict[str, Measure]:
        """The kernel's own temperatures are newer, and there for everybody."""
        measures = dict(self._read_disks())
        for disk, celsius in measure_disk_temperatures(self._readers.sys_root).items():
            measures[f"{DISK_TEMPERATURE}{{disk={disk}}}"] = celsius
        return measures
