"""A host that is nowhere, for the tests of the console."""

from streamswarm_agent.cli.readings import HostReading
from streamswarm_agent.collectors.base import CollectedFrame

AT = 1_769_860_800.0


def make_reading(at=AT, **host):
    return HostReading(
        at,
        (
            CollectedFrame(
                "host",
                "",
                {
                    "system.cpu.utilization": 0.25,
                    "system.cpu.load_average.1m": 0.5,
                    "system.memory.utilization": 0.42,
                    "system.memory.available": 8_000_000_000,
                    "system.uptime": 93_780,
                    **host,
                },
                {"system.paging.utilization": "N", "system.cpu.pressure": "U"},
            ),
            CollectedFrame(
                "cpu", "", {f"system.cpu.utilization{{cpu={n}}}": n / 4 for n in range(4)}
            ),
            CollectedFrame(
                "filesystem",
                "/",
                {"system.filesystem.utilization": 0.97, "system.filesystem.limit": 5e11},
            ),
            CollectedFrame("disk", "sda", {"system.disk.io.rate{direction=read}": 1_500_000.0}),
            CollectedFrame("interface", "lo", {"system.network.io.rate{direction=receive}": 0.0}),
            CollectedFrame(
                "interface",
                "eth0",
                {
                    "system.network.io.rate{direction=receive}": 12_300_000.0,
                    "system.network.io.rate{direction=transmit}": 1_000.0,
                    "system.network.errors.rate{direction=receive}": 2.0,
                    "system.network.errors.rate{direction=transmit}": 0.5,
                },
            ),
            CollectedFrame(
                "hardware",
                "",
                {
                    "hw.temperature{sensor=coretemp/Package id 0}": 54.0,
                    "hw.temperature.margin{sensor=coretemp/Package id 0}": 30.0,
                },
                {"hw.fan.speed": "U", "hw.battery.charge": "U"},
            ),
        ),
    )
