import json
import os
import socket
from types import SimpleNamespace

import psutil
import pytest

from agent.tests.answering_server import list_violations
from agent.tests.collectors.trees import HEADER, socket_line, write_process, write_tree
from streamswarm_agent.collectors import socket_table
from streamswarm_agent.collectors.connections import MAX_ROWS, ConnectionsCollector
from streamswarm_agent.collectors.documents import MAX_DOCUMENT_BYTES, measure
from streamswarm_agent.collectors.socket_table import (
    ProcSocketTable,
    PsutilSocketTable,
    parse_address,
)

HTTPS, NOBODY = "0A0200C0:01BB", "00000000:0000"
CALLER = "4D0200C0:{:04X}"
LISTEN, ESTABLISHED, TIME_WAIT = "0A", "01", "06"


def read(collector):
    (document,) = collector.collect().documents
    record = {
        "id": "1",
        "kind": "connections",
        "at": "2026-01-31T12:00:00.000000Z",
        "data": {"source": {"kind": "connections", "subject": ""}, "document": document.body},
    }
    assert list_violations("record_connections", json.loads(json.dumps(record))) == []
    assert measure(document.body) <= MAX_DOCUMENT_BYTES + 100
    return document.body


@pytest.fixture
def proc(tmp_path):
    return write_process(tmp_path, 1, "init")


@pytest.fixture
def look(proc):
    def run(**files):
        write_tree(proc, {f"net/{name}": HEADER + "".join(rows) for name, rows in files.items()})
        return read(ConnectionsCollector(ProcSocketTable(proc, "little")))

    return run


def own(proc, pid, name, *inodes):
    write_process(proc, pid, name)
    for place, inode in enumerate(inodes):
        (proc / str(pid) / "fd" / str(place)).symlink_to(f"socket:[{inode}]")
    (proc / str(pid) / "fd" / "99").symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("digits", "byte_order", "address"),
    [
        ("0100007F", "little", "127.0.0.1"),
        ("7F000001", "big", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "little", "2001:db8::1"),
        ("20010DB8000000000000000000000001", "big", "2001:db8::1"),
        ("0000000000000000FFFF00000A0200C0", "little", "192.0.2.10"),
        ("0" * 32, "little", "::"),
    ],
)
def test_addresses_are_read_as_the_kernel_writes_them(digits, byte_order, address):
    assert parse_address(digits, byte_order) == address


def test_listening_sockets_and_connections_are_grouped_by_what_does_not_vary(look, proc):
    own(proc, 7, "nginx", 100, 101, 102)
    own(proc, 8, "curl", 103)
    body = look(
        tcp=[
            socket_line("00000000:01BB", NOBODY, LISTEN, 100),
            socket_line(HTTPS, CALLER.format(50001), ESTABLISHED, 101),
            socket_line(HTTPS, CALLER.format(50002), ESTABLISHED, 102),
            socket_line(HTTPS, CALLER.format(50003), TIME_WAIT, 0),
            socket_line("0A0200C0:C001", "4D0200C0:1538", ESTABLISHED, 103),
        ]
    )
    assert body["total"] == 5
    assert body["states"] == {"tcp established": 3, "tcp listen": 1, "tcp time_wait": 1}
    assert body["missing"] == []
    listening, incoming, outgoing = body["rows"]
    assert (listening["direction"], listening["local_port"]) == ("listening", 443)
    assert (listening["process"], listening["pid"]) == ("nginx", 7)
    assert incoming == {
        "direction": "incoming",
        "protocol": "tcp",
        "local_address": "192.0.2.10",
        "local_port": 443,
        "remote_address": "192.0.2.77",
        "remote_port": None,
        "states": {"established": 2, "time_wait": 1},
        "count": 3,
        "pid": 7,
        "process": "nginx",
    }
    assert (outgoing["direction"], outgoing["remote_port"]) == ("outgoing", 5432)
    assert (outgoing["local_port"], outgoing["process"]) == (None, "curl")


def test_udp_sockets_wait_or_are_connected(look):
    body = look(
        udp=[
            socket_line("00000000:0035", NOBODY, "07", 5),
            socket_line("0A0200C0:C001", "4D0200C0:0035", "01", 6),
        ]
    )
    assert body["states"] == {"udp listen": 1, "udp established": 1}
    assert [row["direction"] for row in body["rows"]] == ["listening", "outgoing"]


def test_a_port_of_the_other_protocol_makes_nothing_incoming(look):
    body = look(
        udp=[socket_line("00000000:01BB", NOBODY, "07", 5)],
        tcp=[socket_line(HTTPS, CALLER.format(5), ESTABLISHED, 6)],
    )
    assert {row["protocol"]: row["direction"] for row in body["rows"]} == {
        "udp": "listening",
        "tcp": "outgoing",
    }


def test_ipv6_is_read_and_mapped_addresses_are_plain(look):
    listening = socket_line(f"{'0' * 32}:1F90", f"{'0' * 32}:0000", LISTEN, 1)
    mapped = "0000000000000000FFFF0000{}"
    incoming = socket_line(
        f"{mapped.format('0A0200C0')}:1F90", f"{mapped.format('4D0200C0')}:C001", ESTABLISHED, 2
    )
    rows = look(tcp6=[listening, incoming])["rows"]
    assert [row["local_address"] for row in rows] == ["::", "192.0.2.10"]
    assert rows[1]["remote_address"] == "192.0.2.77"


@pytest.mark.parametrize(
    "line", ["", "0:", "   0: zz:1 00:2 01", f"0: {HTTPS} {NOBODY} 7F 0 0 0 0 0 x", "\x00\n"]
)
def test_a_line_that_is_not_understood_is_skipped(look, line):
    good = socket_line("00000000:01BB", NOBODY, LISTEN, 100)
    assert look(tcp=[f"{line}\n", good])["total"] == 1


def test_a_host_without_ipv6_has_no_files_for_it(proc):
    body = read(ConnectionsCollector(ProcSocketTable(proc, "little")))
    assert (body["total"], body["rows"]) == (0, [])


def test_at_most_so_many_rows_are_sent_and_the_rest_is_counted(look):
    lines = [
        socket_line("0A0200C0:C001", f"4D0200C0:{port:04X}", ESTABLISHED, port)
        for port in range(1, 1001)
    ]
    body = look(tcp=lines)
    assert body["total"] == 1000
    assert len(body["rows"]) <= MAX_ROWS
    assert len(body["rows"]) + body["left_out"] == 1000


def test_sockets_beyond_what_is_read_are_counted_and_said(look, monkeypatch):
    monkeypatch.setattr(socket_table, "MAX_SOCKETS", 3)
    body = look(tcp=[socket_line(HTTPS, CALLER.format(port), "01", 0) for port in range(1, 11)])
    assert body["total"] == 10
    assert "7 sockets" in body["missing"][0]["what"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_processes_that_may_not_be_looked_at_are_said_to_be_missing(look, proc):
    own(proc, 7, "nginx", 100)
    (proc / "7" / "fd").chmod(0)
    body = look(tcp=[socket_line("00000000:01BB", NOBODY, LISTEN, 100)])
    assert [entry["code"] for entry in body["missing"]] == ["P"]


def test_denied_folders_are_said_to_be_missing(look, proc, monkeypatch):
    own(proc, 7, "nginx", 100)
    real = os.listdir

    def deny(path):
        if str(path).endswith("7/fd"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.listdir", deny)
    body = look(tcp=[socket_line("00000000:01BB", NOBODY, LISTEN, 100)])
    (missing,) = body["missing"]
    assert (missing["code"], "root" in missing["remedy"]) == ("P", True)
    assert (body["rows"][0]["pid"], body["rows"][0]["process"]) == (None, "")


def test_the_search_for_owners_is_bounded(look, proc, monkeypatch):
    monkeypatch.setattr(socket_table, "MAX_DESCRIPTORS", 1)
    own(proc, 7, "nginx", 100)
    body = look(tcp=[socket_line("00000000:01BB", NOBODY, LISTEN, 100)])
    assert body["rows"][0]["pid"] is None
    assert body["missing"]


def test_a_hostile_process_name_is_printable(look, proc):
    own(proc, 7, "x\x1b[31m\x07", 100)
    body = look(tcp=[socket_line("00000000:01BB", NOBODY, LISTEN, 100)])
    assert body["rows"][0]["process"] == "x?[31m?"


def test_other_systems_are_read_through_psutil():
    rows = [
        SimpleNamespace(
            type=socket.SOCK_STREAM, laddr=("::", 22), raddr=(), status="LISTEN", pid=os.getpid()
        ),
        SimpleNamespace(
            type=socket.SOCK_DGRAM, laddr=("fe80::1%en0", 53), raddr=(), status="NONE", pid=None
        ),
    ]
    body = read(ConnectionsCollector(PsutilSocketTable(lambda _kind: rows)))
    assert {row["local_address"]: row["protocol"] for row in body["rows"]} == {
        "::": "tcp",
        "fe80::1": "udp",
    }
    assert psutil.Process().name() in {row["process"] for row in body["rows"]}


def test_a_system_that_shows_nothing_says_why():
    def deny(_kind):
        raise psutil.AccessDenied(0)

    body = read(ConnectionsCollector(PsutilSocketTable(deny)))
    assert body["rows"] == []
    assert body["missing"][0]["code"] == "P"


def test_the_real_host_shows_a_socket_of_this_test():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rows = read(ConnectionsCollector())["rows"]
    (row,) = [row for row in rows if row["local_port"] == port and row["direction"] == "listening"]
    assert row["pid"] == os.getpid()
