"""The `hardware` collector: temperatures, fans and the battery, where there are any."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.measures import Measure, frame_of, read_if_supported

MAX_SENSORS = 48
LONGEST_NAME = 64
THOUSANDTHS = 1000
PERCENT = 100
FORBIDDEN = str.maketrans(dict.fromkeys(",={}", " "))
LIMITS = {"max": "high", "crit": "critical"}
NOTHING: Mapping[str, Measure] = {
    "hw.temperature": "U",
    "hw.fan.speed": "U",
    "hw.battery.charge": "U",
}


def read_battery() -> Any:
    """As `psutil.sensors_battery`, looked up late since some platforms have none."""
    return psutil.sensors_battery()


class HardwareCollector:
    """One frame: degrees Celsius with their limits and margins, rpm, the battery's charge 0 to 1.

    Sensors are named `chip/label`. A sensor that gives no number, or one that cannot be true
    (below absolute zero), is U; so is each kind of sensor that the host does not have at all. The
    time a battery lasts is N while it is charged.
    Source: the kernel's hwmon and thermal interfaces; outside Linux only the battery.
    """

    name: ClassVar[str] = "hardware"

    def __init__(
        self,
        sys_root: Path = Path("/sys"),
        read_battery: Callable[[], Any] = read_battery,
    ) -> None:
        self._sys_root = sys_root
        self._read_battery = read_battery

    def collect(self) -> Collection:
        """One pass over all sensors."""
        found = {
            **self._measure_temperatures(),
            **self._measure_fans(),
            **self._measure_battery(),
        }
        names = {key.partition("{")[0] for key in found}
        missing = {key: code for key, code in NOTHING.items() if key not in names}
        return Collection(frames=(frame_of("hardware", "", {**found, **missing}),))

    def _measure_temperatures(self) -> dict[str, Measure]:
        measures: dict[str, Measure] = {}
        for name, path in self._list_sensors("temp"):
            celsius = read_celsius(path)
            measures[f"hw.temperature{{sensor={name}}}"] = "U" if celsius is None else celsius
            limits = dict(read_limits(path))
            for limit, limit_celsius in limits.items():
                measures[f"hw.temperature.limit{{limit={limit},sensor={name}}}"] = limit_celsius
            if limits and celsius is not None:
                margin_celsius = min(limits.values()) - celsius
                measures[f"hw.temperature.margin{{sensor={name}}}"] = margin_celsius
        return measures or dict(self._measure_zones())

    def _measure_zones(self) -> Iterator[tuple[str, Measure]]:
        zones = list_numbered(self._sys_root / "class" / "thermal", "thermal_zone*")
        for name, zone in name_apart((read_text(zone / "type"), zone) for zone in zones):
            celsius = read_celsius(zone / "temp")
            yield f"hw.temperature{{sensor={name}}}", "U" if celsius is None else celsius

    def _measure_fans(self) -> dict[str, Measure]:
        measures: dict[str, Measure] = {}
        for name, path in self._list_sensors("fan"):
            speed_rpm = read_number(path)
            measures[f"hw.fan.speed{{sensor={name}}}"] = "U" if speed_rpm is None else speed_rpm
            highest_rpm = read_number(sibling(path, "max"))
            if speed_rpm is not None and highest_rpm:
                measures[f"hw.fan.speed_ratio{{sensor={name}}}"] = speed_rpm / highest_rpm
        return measures

    def _measure_battery(self) -> dict[str, Measure]:
        battery = read_if_supported(self._read_battery)
        if battery is None:
            return {}
        left_seconds = battery.secsleft
        time_left: Measure = float(left_seconds) if left_seconds >= 0 else "U"
        return {
            "hw.battery.charge": min(max(battery.percent / PERCENT, 0.0), 1.0),
            "hw.battery.time_left": "N" if battery.power_plugged else time_left,
        }

    def _list_sensors(self, kind: str) -> Iterator[tuple[str, Path]]:
        """Name and input file of each sensor of a kind, at most 48."""
        chips = list_numbered(self._sys_root / "class" / "hwmon", "hwmon*")
        inputs = (
            (f"{read_text(chip / 'name') or chip.name}/{read_label(path)}", path)
            for chip in chips
            for path in list_numbered(chip, f"{kind}*_input")
        )
        yield from name_apart(inputs)


def explain_missing_sensors(sys_root: Path = Path("/sys"), platform: str = sys.platform) -> str:
    """Why this host shows no temperatures, in words; empty when it does."""
    if platform != "linux":
        return "only Linux shows its sensors without administrator's rights"
    if any(sys_root.glob("class/hwmon/hwmon*/temp*_input")):
        return ""
    if any(sys_root.glob("class/thermal/thermal_zone*/temp")):
        return ""
    if any(sys_root.glob("class/dmi/id/product_name")):
        product = read_text(sys_root / "class" / "dmi" / "id" / "product_name")
        vendor = read_text(sys_root / "class" / "dmi" / "id" / "sys_vendor")
        if is_virtual(f"{vendor} {product}"):
            return f"no sensors: this is a virtual machine ({vendor} {product})"
        return "no sensors: the kernel has no driver for this board's"
    return "no sensors: this is a virtual machine or a container"


def is_virtual(product: str) -> bool:
    """Whether a board of that vendor and name exists only in software."""
    marks = (
        "kvm", "qemu", "virtual", "vmware", "xen", "bochs", "google compute", "amazon ec2",
        "openstack", "digitalocean", "hetzner", "parallels", "bhyve",
    )  # fmt: skip
    return any(mark in product.lower() for mark in marks)


def read_limits(path: Path) -> Iterator[tuple[str, float]]:
    """The limits in degrees Celsius that the driver knows for a sensor; 0 means none."""
    for suffix, limit in LIMITS.items():
        celsius = read_celsius(sibling(path, suffix))
        if celsius is not None and celsius > 0:
            yield limit, celsius


def sibling(path: Path, suffix: str) -> Path:
    """The file that says something else about the sensor: `temp1_input` and `temp1_max`."""
    return path.with_name(path.name.replace("_input", f"_{suffix}"))


def read_label(path: Path) -> str:
    return read_text(sibling(path, "label")) or path.name.removesuffix("_input")


def name_apart(named: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """The first 48 with names that fit into a metric's key and occur once."""
    used: set[str] = set()
    for text, path in named:
        printable = "".join(letter for letter in text if letter.isprintable())
        stem = " ".join(printable.translate(FORBIDDEN).split())[: LONGEST_NAME - 4] or "sensor"
        name, number = stem, 2
        while name in used:
            name, number = f"{stem} {number}", number + 1
        used.add(name)
        yield name, path
        if len(used) == MAX_SENSORS:
            return


def list_numbered(folder: Path, pattern: str) -> list[Path]:
    """What matches, `hwmon2` before `hwmon10`."""
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def read_celsius(path: Path) -> float | None:
    """The file's thousandths of a degree; None for what is no temperature."""
    number = read_number(path)
    absolute_zero_celsius, hottest_celsius = -273.15, 1000.0
    if number is None or not absolute_zero_celsius < number / THOUSANDTHS < hottest_celsius:
        return None
    return number / THOUSANDTHS


def read_number(path: Path) -> float | None:
    try:
        return float(int(read_text(path)))
    except ValueError:
        return None


def read_text(path: Path) -> str:
    """The file's text without blanks around it, empty when it cannot be read."""
    read = path.read_text
    return (read_if_supported(lambda: read(encoding="utf-8", errors="replace")) or "").strip()
