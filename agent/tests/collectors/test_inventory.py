import json
import socket
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from streamswarm_agent.collectors.inventory import InventoryReaders, collect_inventory

WIRE_KEYS = {
    "hostname",
    "operating_system",
    "operating_system_version",
    "kernel",
    "architecture",
    "python_version",
    "cpu_model",
    "cpu_count",
    "memory_bytes",
    "disks",
    "interfaces",
    "capabilities",
    "probes",
}


def address(family, text):
    return SimpleNamespace(family=family, address=text)


@pytest.fixture
def readers(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Example CPU 9000\n")
    mounts = [("/dev/sdb1", "/srv"), ("/dev/sda1", "/")]
    return InventoryReaders(
        hostname=lambda: "host.example",
        mounts=lambda: [
            SimpleNamespace(device=device, mountpoint=path, fstype="ext4")
            for device, path in mounts
        ],
        disk_usage=lambda path: SimpleNamespace(total=len(path) * 1000),
        interface_states=lambda: {
            "wlan0": SimpleNamespace(mtu=1500, speed=0, isup=False),
            "eth0": SimpleNamespace(mtu=9000, speed=2500, isup=True),
        },
        interface_addresses=lambda: {
            "eth0": [
                address(psutil.AF_LINK, "02:00:00:00:00:01"),
                address(socket.AF_INET6, "fe80::1%eth0"),
                address(socket.AF_INET, "192.0.2.1"),
            ]
        },
        capabilities=lambda: {"icmp_raw": {"is_available": True}},
        proc_root=tmp_path,
    )


def test_the_inventory_has_the_shape_of_the_wire(readers):
    inventory = collect_inventory(["tcp", "ping"], readers)
    assert set(inventory) == WIRE_KEYS
    assert inventory["hostname"] == "host.example"
    assert inventory["cpu_model"] == "Example CPU 9000"
    assert inventory["probes"] == ["ping", "tcp"]
    assert inventory["disks"] == [
        {
            "device": "/dev/sda1",
            "mount_point": "/",
            "file_system": "ext4",
            "total_bytes": 1000,
        },
        {
            "device": "/dev/sdb1",
            "mount_point": "/srv",
            "file_system": "ext4",
            "total_bytes": 4000,
        },
    ]


def test_interfaces_carry_addresses_and_a_speed_only_where_it_is_known(readers):
    assert collect_inventory([], readers)["interfaces"] == [
        {
            "name": "eth0",
            "mac_address": "02:00:00:00:00:01",
            "addresses": ["192.0.2.1", "fe80::1"],
            "mtu_bytes": 9000,
            "speed_bits_per_second": 2_500_000_000,
            "is_up": True,
        },
        {
            "name": "wlan0",
            "mac_address": "",
            "addresses": [],
            "mtu_bytes": 1500,
            "speed_bits_per_second": None,
            "is_up": False,
        },
    ]


def test_the_real_inventory_is_stable_and_fits_json():
    first, second = collect_inventory(["ping"]), collect_inventory(["ping"])
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert set(first) == WIRE_KEYS
    assert first["cpu_count"] >= 1
    assert first["memory_bytes"] > 0


def test_the_documented_keys_are_those_of_the_wire_text():
    text = (Path(__file__).parents[3] / "docs" / "wire.md").read_text()
    section = text[text.index("### Inventory") : text.index("### Leases")]
    assert all(f'"{key}"' in section for key in WIRE_KEYS)
