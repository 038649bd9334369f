import os
import shutil
import subprocess
import sys

import pytest

from streamswarm_agent.collectors.file_rights import (
    NAMES,
    name_rights,
    read_file_rights,
    write_grant,
)

# As `setcap cap_net_raw+ep` writes it, and the same with two capabilities of the high half.
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")
HIGH = bytes.fromhex("0100000200200000000000000c00000000000000")


def test_the_rights_of_a_file_have_the_kernels_names():
    assert name_rights(NET_RAW) == {"cap_net_raw"}
    assert name_rights(HIGH) == {"cap_net_raw", "cap_syslog", "cap_wake_alarm"}
    assert len(NAMES) == len(set(NAMES)) == 41


@pytest.mark.parametrize("attribute", [b"", b"\1\0\0\2", b"\0" * 19])
def test_an_attribute_of_another_form_names_nothing(attribute):
    assert name_rights(attribute) == frozenset()


def test_a_grant_keeps_what_the_file_had_because_setcap_replaces_it():
    assert write_grant("/opt/agent", ("cap_net_raw",)) == "setcap cap_net_raw+ep /opt/agent"
    command = write_grant("/opt/agent", ("cap_sys_ptrace", "cap_dac_read_search"), NET_RAW)
    assert command == "setcap cap_dac_read_search,cap_net_raw,cap_sys_ptrace+ep /opt/agent"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setcap") is None,
    reason="only root of a Linux host with setcap can give a file rights",
)
def test_what_setcap_wrote_is_read_back(tmp_path):
    program = tmp_path / "program"
    program.touch()
    assert read_file_rights(str(program)) == b""
    subprocess.run(write_grant(str(program), ("cap_net_raw", "cap_bpf")).split(), check=True)
    assert name_rights(read_file_rights(str(program))) == {"cap_net_raw", "cap_bpf"}
