"""The kernel's capabilities that a program's file grants, and the command that adds to them."""

import os
import struct
from collections.abc import Callable, Iterable

from streamswarm_agent.collectors.measures import read_if_supported

# In the kernel's order: include/uapi/linux/capability.h.
NAMES = (
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
    "cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service",
    "cap_net_broadcast", "cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner",
    "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct",
    "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time",
    "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control",
    "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm",
    "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
)  # fmt: skip
# Magic, then permitted and inheritable of the low and of the high 32 bits, little endian.
RIGHTS = struct.Struct("<IIIII")

ReadRights = Callable[[str], bytes]
"""What stands in a file's attribute `security.capability`; empty when there is none."""


def read_file_rights(program: str) -> bytes:
    """The capabilities that a program's file grants; empty without any, and outside Linux."""
    read = getattr(os, "getxattr", None)
    found = read_if_supported(lambda: read(program, "security.capability")) if read else None
    return found or b""


def name_rights(attribute: bytes) -> frozenset[str]:
    """The names of the permitted capabilities; none for an attribute of another form."""
    if len(attribute) < RIGHTS.size:
        return frozenset()
    _magic, low, _inherited, high, _high_inherited = RIGHTS.unpack_from(attribute)
    permitted = high << 32 | low
    return frozenset(name for place, name in enumerate(NAMES) if permitted >> place & 1)


def write_grant(program: str, names: Iterable[str], attribute: bytes = b"") -> str:
    """The command that grants the program these capabilities beside those that its file has.

    `setcap` replaces what was there, so the command names the old ones as well.
    """
    together = sorted({*names, *name_rights(attribute)})
    return f"setcap {','.join(together)}+ep {program}"
