"""What the board's sensors show: temperatures, fans, voltages, currents and powers of hwmon."""

import sys
from collections.abc import Iterator
from pathlib import Path

from streamswarm_agent.collectors.measures import Measure
from streamswarm_agent.collectors.sysfs import list_numbered, name_apart, read_number, read_text

THOUSANDTHS, MILLIONTHS = 1e3, 1e6
PWM_FULL = 255
LIMITS = {"max": "high", "crit": "critical"}
# A metric, the kind of its files, and the fraction of its unit that they are written in.
ELECTRICAL = (
    ("hw.voltage", "in", THOUSANDTHS),
    ("hw.current", "curr", THOUSANDTHS),
)
WHOLE_MACHINE_CHIP = "power_meter"


def measure_sensors(sys_root: Path) -> dict[str, Measure]:
    """Degrees Celsius with limits and margins, rpm, volts, amperes and watts, by `chip/label`.

    A sensor that gives no number, or a temperature that cannot be true, is U. Thermal zones stand
    in where there is no temperature of hwmon.
    """
    temperatures = _measure_temperatures(sys_root) or dict(_measure_zones(sys_root))
    return temperatures | _measure_fans(sys_root) | dict(_measure_electrical(sys_root))


def _measure_temperatures(sys_root: Path) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for name, path in list_sensors(sys_root, "temp"):
        celsius = read_celsius(path)
        measures[f"hw.temperature{{sensor={name}}}"] = "U" if celsius is None else celsius
        limits = dict(read_limits(path))
        for limit, limit_celsius in limits.items():
            measures[f"hw.temperature.limit{{limit={limit},sensor={name}}}"] = limit_celsius
        if limits and celsius is not None:
            margin_celsius = min(limits.values()) - celsius
            measures[f"hw.temperature.margin{{sensor={name}}}"] = margin_celsius
    return measures


def _measure_zones(sys_root: Path) -> Iterator[tuple[str, Measure]]:
    zones = list_numbered(sys_root / "class" / "thermal", "thermal_zone*")
    for name, zone in name_apart((read_text(zone / "type"), zone) for zone in zones):
        celsius = read_celsius(zone / "temp")
        yield f"hw.temperature{{sensor={name}}}", "U" if celsius is None else celsius


def _measure_fans(sys_root: Path) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for name, path in list_sensors(sys_root, "fan"):
        speed_rpm = read_number(path)
        measures[f"hw.fan.speed{{sensor={name}}}"] = "U" if speed_rpm is None else speed_rpm
        ratio = _compute_fan_ratio(path, speed_rpm)
        if ratio is not None:
            measures[f"hw.fan.speed_ratio{{sensor={name}}}"] = ratio
    return measures


def _compute_fan_ratio(path: Path, speed_rpm: float | None) -> float | None:
    """Of the highest speed where the driver knows it, otherwise of the full pulse width."""
    highest_rpm = read_number(sibling(path, "max"))
    if speed_rpm is not None and highest_rpm:
        return speed_rpm / highest_rpm
    pulse_width = read_number(path.with_name(f"pwm{path.name[len('fan') : -len('_input')]}"))
    return None if pulse_width is None else pulse_width / PWM_FULL


def _measure_electrical(sys_root: Path) -> Iterator[tuple[str, Measure]]:
    for metric, kind, fraction in ELECTRICAL:
        for name, path in list_sensors(sys_root, kind):
            number = read_number(path)
            yield f"{metric}{{sensor={name}}}", "U" if number is None else number / fraction
    for name, path in list_power_sensors(sys_root):
        number = read_number(path)
        yield f"hw.power{{sensor={name}}}", "U" if number is None else number / MILLIONTHS


def list_power_sensors(sys_root: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each power sensor: the chip's own average where it makes one."""
    averages = dict(list_sensors(sys_root, "power", "average"))
    yield from (dict(list_sensors(sys_root, "power")) | averages).items()


def read_machine_power(sys_root: Path) -> float | None:
    """Watts of the whole machine by its ACPI power meter; None without one."""
    for name, path in list_power_sensors(sys_root):
        if name.startswith(f"{WHOLE_MACHINE_CHIP}/"):
            number = read_number(path)
            return None if number is None else number / MILLIONTHS
    return None


def measure_disk_temperatures(sys_root: Path) -> dict[str, float]:
    """Degrees Celsius by disk, as the drivers drivetemp and nvme show them to everybody."""
    found: dict[str, float] = {}
    for chip in list_numbered(sys_root / "class" / "hwmon", "hwmon*"):
        celsius = read_celsius(chip / "temp1_input")
        for disk in _list_disks(chip):
            if celsius is not None:
                found[disk] = celsius
    return found


def _list_disks(chip: Path) -> list[str]:
    driver = read_text(chip / "name")
    if driver == "drivetemp":
        return [path.name for path in (chip / "device" / "block").glob("*")]
    if driver == "nvme":
        namespaces = sorted(path.name for path in (chip / "device").glob("nvme*n*"))
        return [name.rpartition("n")[0] for name in namespaces[:1]]
    return []


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


def list_sensors(sys_root: Path, kind: str, suffix: str = "input") -> Iterator[tuple[str, Path]]:
    """Name and file of each sensor of a kind, at most 48."""
    chips = list_numbered(sys_root / "class" / "hwmon", "hwmon*")
    files = (
        (f"{read_text(chip / 'name') or chip.name}/{read_label(path, suffix)}", path)
        for chip in chips
        for path in list_numbered(chip, f"{kind}[0-9]*_{suffix}")
    )
    yield from name_apart(files)


def read_limits(path: Path) -> Iterator[tuple[str, float]]:
    """The limits in degrees Celsius that the driver knows for a sensor; 0 means none."""
    for suffix, limit in LIMITS.items():
        celsius = read_celsius(sibling(path, suffix))
        if celsius is not None and celsius > 0:
            yield limit, celsius


def sibling(path: Path, suffix: str) -> Path:
    """The file that says something else about the sensor: `temp1_input` and `temp1_max`."""
    return path.with_name(f"{path.name.rpartition('_')[0]}_{suffix}")


def read_label(path: Path, suffix: str = "input") -> str:
    return read_text(sibling(path, "label")) or path.name.removesuffix(f"_{suffix}")


def read_celsius(path: Path) -> float | None:
    """The file's thousandths of a degree; None for what is no temperature."""
    number = read_number(path)
    absolute_zero_celsius, hottest_celsius = -273.15, 1000.0
    if number is None or not absolute_zero_celsius < number / THOUSANDTHS < hottest_celsius:
        return None
    return number / THOUSANDTHS
