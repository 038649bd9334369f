"""macOS and Windows: what psutil gave there, as recorded; everything else absent with a reason."""

import socket
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from agent.tests.collectors.recorded import Programs, answer_of, nothing_installed
from streamswarm_agent.collectors import capabilities
from streamswarm_agent.collectors.capabilities import detect_capabilities
from streamswarm_agent.collectors.hardware import HardwareCollector, HardwareReaders
from streamswarm_agent.collectors.host import HostCollector, HostReaders
from streamswarm_agent.collectors.host_access import HostAccess
from streamswarm_agent.collectors.interface import InterfaceCollector
from streamswarm_agent.collectors.neighbours import count_failed_neighbours
from streamswarm_agent.collectors.network import NetworkCollector
from streamswarm_agent.collectors.wifi import METRICS, WifiCollector


class MacTimes(NamedTuple):
    user: float
    nice: float
    system: float
    idle: float


class WindowsTimes(NamedTuple):
    user: float
    system: float
    idle: float
    interrupt: float
    dpc: float


class Counters(NamedTuple):
    bytes_sent: int
    bytes_recv: int
    packets_sent: int
    packets_recv: int
    errin: int
    errout: int
    dropin: int
    dropout: int


def refuse(*_):
    raise OSError("this system does not offer it")


MAC = {
    "cpu_times": lambda: MacTimes(81_234.5, 0.0, 40_123.2, 512_331.9),
    "cpu_stats": lambda: SimpleNamespace(ctx_switches=184_223, interrupts=912_301),
    "cpu_frequency": lambda: SimpleNamespace(current=3228, min=600, max=3228),
    "load_average": lambda: (1.83, 2.02, 2.11),
    "virtual_memory": lambda: SimpleNamespace(
        total=17_179_869_184, available=5_153_960_755, used=8_589_934_592, free=118_423_552
    ),
    "swap_memory": lambda: SimpleNamespace(total=2_147_483_648, used=1_073_741_824),
    "users": lambda: [SimpleNamespace(name="ann")],
}
WINDOWS = {
    "cpu_times": lambda: WindowsTimes(15_234.0, 9_120.5, 301_223.1, 120.2, 80.1),
    "cpu_stats": lambda: SimpleNamespace(ctx_switches=912_301_221, interrupts=512_331_118),
    "cpu_frequency": lambda: SimpleNamespace(current=2496.0, min=0.0, max=2496.0),
    "load_average": lambda: (0.0, 0.12, 0.2),
    "virtual_memory": lambda: SimpleNamespace(
        total=34_089_172_992, available=20_453_503_795, used=13_635_669_197, free=20_453_503_795
    ),
    "swap_memory": lambda: SimpleNamespace(total=5_100_273_664, used=51_002_736),
    "users": lambda: [SimpleNamespace(name="ann"), SimpleNamespace(name="bob")],
}
SYSTEMS = pytest.mark.parametrize("recorded", [MAC, WINDOWS], ids=["darwin", "win32"])


@SYSTEMS
def test_the_host_gives_what_psutil_knows_and_reasons_for_the_rest(
    recorded, tmp_path, collect, dial
):
    readers = HostReaders(
        **recorded, process_ids=lambda: [0, 1, 88], boot_time=lambda: 1_000.0,
        kernel_clock=lambda: None, monotonic=dial, wall=lambda: 4_600.0,
    )  # fmt: skip
    collector = HostCollector(readers, tmp_path / "proc")
    collect(collector)
    dial.seconds += 10
    frame = collect(collector)[""]
    memory = recorded["virtual_memory"]()
    assert frame.values["system.memory.available"] == memory.available
    assert frame.values["system.memory.usage{state=used}"] == memory.used
    assert frame.values["system.process.count"] == 3
    assert frame.values["system.uptime"] == 3_600
    assert frame.values["system.users.count"] == len(recorded["users"]())
    assert frame.values["system.cpu.context_switches.rate"] == 0
    assert frame.values["system.cpu.load_average.5m"] == recorded["load_average"]()[1]
    unsupported = {key for key, code in frame.absent.items() if code == "U"}
    assert unsupported >= {
        "system.cpu.steal", "system.cpu.pressure", "system.memory.pressure", "system.io.pressure",
        "system.paging.operations.rate{direction=in}", "system.file_descriptors.utilization",
        "system.oom_kills", "system.clock.synchronized", "system.memory.usage{state=cached}",
        "system.process.count{state=running}",
    }  # fmt: skip


def test_interfaces_have_their_traffic_and_link_and_no_figures_of_linux(tmp_path, collect, dial):
    counters = Counters(1_000, 2_000, 10, 20, 0, 0, 0, 0)
    link = SimpleNamespace(isup=True, speed=1_000, mtu=1_500, duplex=psutil.NIC_DUPLEX_FULL)
    collector = InterfaceCollector(
        lambda: {"en0": counters}, lambda: {"en0": link}, dial, tmp_path, nothing_installed
    )
    collect(collector)
    dial.seconds += 10
    frame = collect(collector)["en0"]
    assert frame.values["system.network.io{direction=receive}"] == 2_000
    assert frame.values["system.network.link.speed"] == 1e9
    assert frame.values["system.network.link.utilization"] == 0
    assert frame.absent == dict.fromkeys(
        (
            "system.network.carrier.changes", "system.network.nic.ring_dropped",
            "system.network.nic.crc_errors", "system.network.optical.power",
            "qos.local.qdisc.dropped", "qos.local.qdisc.backlog", "qos.local.qdisc.overlimits",
        ),
        "U",
    )  # fmt: skip


def test_the_kernel_of_another_system_shows_no_counters(tmp_path, collect, monkeypatch):
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    collector = NetworkCollector(tmp_path, count_neighbours=count_failed_neighbours)
    frame = collect(collector)[""]
    assert not frame.values
    assert set(frame.absent.values()) == {"U"}


def test_wifi_is_unsupported_there(tmp_path, collect):
    (frame,) = collect(WifiCollector(nothing_installed, tmp_path, tmp_path)).values()
    assert frame.absent == dict.fromkeys(METRICS, "U")


def test_a_laptop_has_its_battery_and_with_smartctl_its_disks(tmp_path, collect):
    battery = SimpleNamespace(percent=76, secsleft=9_120, power_plugged=False)

    def smartctl(arguments):
        name = "scan" if "--scan" in arguments else "nvme" if "nvme0" in arguments[-1] else "ata"
        return answer_of(f"smartctl/{name}.json")

    readers = HardwareReaders(
        tmp_path, tmp_path, tmp_path, Programs(smartctl=smartctl), lambda: battery
    )
    frame = collect(HardwareCollector(readers))[""]
    assert frame.values["hw.battery.charge"] == 0.76
    assert frame.values["hw.battery.time_left"] == 9_120
    assert frame.values["hw.physical_disk.spare{disk=nvme0}"] == 0.93
    assert frame.values["hw.physical_disk.temperature{disk=sda}"] == 33
    assert frame.absent["hw.temperature"] == frame.absent["hw.energy"] == "U"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_capabilities_of_linux_are_missing_with_the_reason(platform, tmp_path, monkeypatch):
    monkeypatch.setattr(capabilities.sys, "platform", platform)
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    access = HostAccess(tmp_path, tmp_path, tmp_path, platform, lambda _: None)
    found = detect_capabilities(lambda *_: SimpleNamespace(close=lambda: None), "/python", access)
    available = {name for name, one in found.items() if one["is_available"]}
    assert available == {"icmp_raw", "icmp_datagram", "tcp_connect", "certificates"}
    assert all(one["reason"] for one in found.values() if not one["is_available"])


def test_readers_that_refuse_are_unsupported(tmp_path, collect):
    readers = HardwareReaders(tmp_path, tmp_path, tmp_path, nothing_installed, refuse)
    frame = collect(HardwareCollector(readers))[""]
    assert set(frame.absent.values()) == {"U"}
