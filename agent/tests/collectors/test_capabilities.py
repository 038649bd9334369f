import socket
import sys

import pytest

from streamswarm_agent.collectors.capabilities import detect_capabilities, name_available

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems offer less")


class PaperSocket:
    def __init__(self):
        self.options = []
        self.is_closed = False

    def setsockopt(self, level, option, value):
        self.options.append((level, option, value))

    def close(self):
        self.is_closed = True


def test_sockets_that_open_make_capabilities_and_are_closed_again():
    opened = []

    def open_socket(*_):
        opened.append(PaperSocket())
        return opened[-1]

    found = detect_capabilities(open_socket)
    assert {"icmp_raw", "icmp_datagram", "tcp_connect"} <= set(found)
    assert found["icmp_raw"] == {"is_available": True}
    assert all(item.is_closed for item in opened)


@on_linux
def test_what_is_denied_comes_with_its_reason_and_the_command_that_allows_it():
    def open_socket(family, kind, protocol):
        if kind == socket.SOCK_STREAM:
            return PaperSocket()
        raise PermissionError(1, "Operation not permitted")

    found = detect_capabilities(open_socket, executable="/opt/agent/bin/python")
    assert found["tcp_connect"]["is_available"]
    assert found["icmp_raw"] == {
        "is_available": False,
        "reason": "Operation not permitted",
        "remedy": "setcap cap_net_raw+ep /opt/agent/bin/python",
    }
    assert found["packet_capture"]["remedy"].startswith("setcap cap_net_raw+ep ")
    assert "ping_group_range" in found["icmp_datagram"]["remedy"]


@on_linux
def test_kernel_stamps_need_a_socket_that_takes_the_option():
    class OldSocket(PaperSocket):
        def setsockopt(self, level, option, value):
            raise OSError(92, "Protocol not available")

    found = detect_capabilities(lambda *_: OldSocket())
    assert found["kernel_timestamps"]["reason"] == "Protocol not available"
    assert found["icmp_raw"]["is_available"]


def test_the_real_process_knows_what_it_may():
    found = detect_capabilities()
    assert found["tcp_connect"] == {"is_available": True}
    assert all(item["is_available"] or item["reason"] for item in found.values())


def test_what_is_available_is_named_in_order():
    found = {"icmp_raw": True, "sensors": False, "icmp_datagram": True}
    described = {name: {"is_available": value} for name, value in found.items()}
    assert name_available(described) == "icmp_datagram, icmp_raw"
    assert name_available({"sensors": {"is_available": False}}) == "none"


def test_what_reads_certificates_is_named_with_the_command_that_brings_it():
    found = detect_capabilities(executable="/opt/python", find_module=lambda _name: None)
    assert found["certificates"] == {
        "is_available": False,
        "reason": "cryptography is not installed",
        "remedy": "/opt/python -m pip install cryptography",
    }
    there = detect_capabilities(find_module=lambda name: name)
    assert there["certificates"] == {"is_available": True}
