"""The inventory: what this host is and what it can measure."""

import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from streamswarm_agent.collectors.capabilities import detect_capabilities
from streamswarm_agent.collectors.filesystem import list_mounts
from streamswarm_agent.collectors.interface import BITS_PER_MEGABIT, choose_interfaces
from streamswarm_agent.collectors.measures import read_if_supported


@dataclass(frozen=True, slots=True)
class InventoryReaders:
    """Where the inventory comes from; tests pass their own."""

    hostname: Callable[[], str] = socket.gethostname
    mounts: Callable[[], Sequence[Any]] = list_mounts
    disk_usage: Callable[[str], Any] = psutil.disk_usage
    interface_states: Callable[[], Mapping[str, Any]] = psutil.net_if_stats
    interface_addresses: Callable[[], Mapping[str, Sequence[Any]]] = psutil.net_if_addrs
    capabilities: Callable[[], Mapping[str, Any]] = detect_capabilities
    proc_root: Path = Path("/proc")


def collect_inventory(
    probe_kinds: Sequence[str],
    readers: InventoryReaders | None = None,
    *,
    responder: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The inventory in the wire's shape (docs/wire.md), the same as long as the host is the same.

    Sizes are bytes, speeds bits a second; lists are sorted. `responder` says where the agent
    answers which kinds of runs; without one it answers none.
    """
    readers = readers or InventoryReaders()
    system, version = _read_operating_system()
    return {
        "hostname": readers.hostname(),
        "operating_system": system,
        "operating_system_version": version,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python_version": platform.python_version(),
        "cpu_model": _read_cpu_model(readers.proc_root),
        "cpu_count": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "disks": _list_disks(readers),
        "interfaces": list_interfaces(readers),
        "capabilities": dict(readers.capabilities()),
        "probes": sorted(probe_kinds),
        **({"responder": dict(responder)} if responder else {}),
    }


def _read_operating_system() -> tuple[str, str]:
    if sys.platform == "darwin":
        return "macOS", platform.mac_ver()[0]
    release = read_if_supported(platform.freedesktop_os_release) or {}
    system = release.get("NAME") or platform.system()
    return system, release.get("VERSION_ID") or platform.version()


def _read_cpu_model(proc_root: Path) -> str:
    read = (proc_root / "cpuinfo").read_text
    for line in (read_if_supported(lambda: read(encoding="utf-8")) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Hardware", "cpu model"}:
            return value.strip()
    return platform.processor() or platform.machine()


def _list_disks(readers: InventoryReaders) -> list[dict[str, Any]]:
    mounts = {mount.mountpoint: mount for mount in readers.mounts()}
    usages = {path: read_if_supported(partial(readers.disk_usage, path)) for path in sorted(mounts)}
    return [
        {
            "device": mounts[path].device,
            "mount_point": path,
            "file_system": mounts[path].fstype,
            "total_bytes": usage.total,
        }
        for path, usage in usages.items()
        if usage is not None
    ]


def list_interfaces(readers: InventoryReaders) -> list[dict[str, Any]]:
    """The interfaces as the inventory has them: name, addresses, MTU, speed, whether up."""
    states, addresses = readers.interface_states(), readers.interface_addresses()
    return [
        {
            "name": name,
            "mac_address": _mac_address_of(addresses.get(name, ())),
            "addresses": _ip_addresses_of(addresses.get(name, ())),
            "mtu_bytes": states[name].mtu,
            "speed_bits_per_second": states[name].speed * BITS_PER_MEGABIT or None,
            "is_up": states[name].isup,
        }
        for name in sorted(choose_interfaces(states))
    ]


def _mac_address_of(addresses: Sequence[Any]) -> str:
    return next((item.address for item in addresses if item.family == psutil.AF_LINK), "")


def _ip_addresses_of(addresses: Sequence[Any]) -> list[str]:
    families = {socket.AF_INET, socket.AF_INET6}
    return sorted(item.address.partition("%")[0] for item in addresses if item.family in families)
