"""What of this host's hardware this process may ask, without asking it anything."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamswarm_agent.collectors.commands import find_program
from streamswarm_agent.collectors.file_rights import ReadRights, read_file_rights, write_grant
from streamswarm_agent.collectors.power import CONTROLLER_FILES
from streamswarm_agent.collectors.sensors import explain_missing_sensors
from streamswarm_agent.collectors.sysfs import read_text
from streamswarm_agent.collectors.wifi import find_wireless

CAPABILITY_NET_ADMIN = 12
CAPABILITY_SYS_PTRACE = 19
DISK_RIGHTS = ("cap_sys_rawio", "cap_sys_admin", "cap_dac_read_search")
PROCESS_RIGHTS = ("cap_sys_ptrace", "cap_dac_read_search")
DISKS = ("sd", "nvme", "hd")


@dataclass(frozen=True, slots=True)
class HostAccess:
    """The capabilities that are no sockets: hardware, queues, processes, iperf3.

    A program counts as there when it is in the system's folders; nothing is run.
    """

    sys_root: Path = Path("/sys")
    proc_root: Path = Path("/proc")
    dev_root: Path = Path("/dev")
    platform: str = field(default_factory=lambda: sys.platform)
    find_program: Callable[[str], str | None] = find_program
    may_read: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK)
    read_file_rights: ReadRights = read_file_rights

    def describe(self) -> dict[str, dict[str, Any]]:
        """By name, as `detect_capabilities` has them."""
        found = {"sensors": _explain(explain_missing_sensors(self.sys_root, self.platform))}
        tool = {"iperf3": self._judge_program("iperf3", "iperf3")}
        if self.platform != "linux":
            names = ("wifi", "energy", "optical_power", "queues", "machine_power", "all_processes")
            missing = dict.fromkeys(names, _explain("only Linux offers this"))
            return found | missing | {"disk_health": self._judge_program("smartctl"), **tool}
        return found | {
            "wifi": self._judge_wifi(),
            "energy": self._judge_energy(),
            "disk_health": self._judge_disks(),
            "optical_power": self._judge_light(),
            "queues": self._judge_program("tc", "iproute2"),
            "machine_power": self._judge_controller(),
            "all_processes": self._judge_processes(),
            **tool,
        }

    def has_capability(self, number: int) -> bool:
        """Whether this process holds a capability of the kernel."""
        status = read_text(self.proc_root / "self" / "status").splitlines()
        held = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
        return bool(int(held, 16) >> number & 1)

    def _judge_program(self, name: str, package: str = "smartmontools") -> dict[str, Any]:
        if self.find_program(name) is None:
            return _explain(f"{name} is not installed", f"apt install {package}")
        return _explain("")

    def _judge_wifi(self) -> dict[str, Any]:
        if not find_wireless(self.sys_root):
            return _explain("this host has no wireless interface")
        return self._judge_program("iw", "iw")

    def _judge_energy(self) -> dict[str, Any]:
        counters = sorted(self.sys_root.glob("class/powercap/intel-rapl:*/energy_uj"))
        if not counters:
            return _explain("the processor shows no energy counters here")
        if not any(self.may_read(counter) for counter in counters):
            remedy = "chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj"
            return _explain("only root may read the energy counters", remedy)
        return _explain("")

    def _judge_disks(self) -> dict[str, Any]:
        disks = list(self._list_disks())
        if not disks:
            return _explain("this host shows no disks of its own")
        program = self.find_program("smartctl")
        if program is None:
            return self._judge_program("smartctl")
        is_granted = bool(self.read_file_rights(program))
        if not is_granted and not any(self.may_read(disk) for disk in disks):
            remedy = write_grant(program, DISK_RIGHTS)
            return _explain("only root may ask disks for their health", remedy)
        return _explain("")

    def _list_disks(self) -> Iterator[Path]:
        for path in sorted((self.sys_root / "block").glob("*")):
            if path.name.startswith(DISKS):
                yield self.dev_root / path.name

    def _judge_light(self) -> dict[str, Any]:
        if not any(self.sys_root.glob("class/net/*/device")):
            return _explain("this host has no network adapter of its own")
        program = self.find_program("ethtool")
        if program is None:
            return self._judge_program("ethtool", "ethtool")
        if not self.has_capability(CAPABILITY_NET_ADMIN) and not self.read_file_rights(program):
            remedy = write_grant(program, ("cap_net_admin",))
            return _explain("only root may read the adapter's module", remedy)
        return _explain("")

    def _judge_controller(self) -> dict[str, Any]:
        files = [self.dev_root / name for name in CONTROLLER_FILES]
        found = [file for file in files if file.exists()]
        if not found:
            return _explain("this host has no management controller")
        if self.find_program("ipmitool") is None:
            return self._judge_program("ipmitool", "ipmitool")
        if not self.may_read(found[0]):
            return _explain("only root may ask the controller", f"chmod o+rw {found[0]}")
        return _explain("")

    def _judge_processes(self) -> dict[str, Any]:
        if self.has_capability(CAPABILITY_SYS_PTRACE):
            return _explain("")
        executable = os.path.realpath(sys.executable)
        remedy = write_grant(executable, PROCESS_RIGHTS, self.read_file_rights(executable))
        return _explain("connections of other users' processes stay without a name", remedy)


def _explain(reason: str, remedy: str = "") -> dict[str, Any]:
    """An available capability has no reason."""
    if not reason:
        return {"is_available": True}
    return {"is_available": False, "reason": reason, "remedy": remedy}
