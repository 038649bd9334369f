from apps.tests.algorithms.load import Load
from apps.tests.kinds.base import Kind


def measure_no_load(_parameters: object) -> Load:
    """Nothing leaves the host."""
    return Load()


HOST = Kind(
    name="host",
    headline=("system.cpu.utilization", "system.memory.utilization"),
    chart=("system.cpu.utilization", "system.memory.utilization", "system.cpu.load_average.1m"),
    measure_load=measure_no_load,
)
HARDWARE = Kind(
    name="hardware",
    headline=("hw.host.power", "hw.battery.charge"),
    chart=("hw.host.power", "hw.battery.charge", "hw.machine_check.count"),
    measure_load=measure_no_load,
)
WIFI = Kind(
    name="wifi",
    headline=("wifi.signal", "wifi.snr", "wifi.bitrate.transmit"),
    chart=("wifi.signal", "wifi.noise", "wifi.bitrate.transmit", "wifi.channel.busy.ratio"),
    measure_load=measure_no_load,
)
