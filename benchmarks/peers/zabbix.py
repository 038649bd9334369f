"""Zabbix 6.0 with PostgreSQL: trapper items of trapper hosts, as `zabbix_sender` feeds them."""

import gzip
import json
import random
import re
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.packages import PeerMissingError, Unpacked, unpack
from benchmarks.peers.rows import DATABASE_PROGRAM, Questions
from benchmarks.peers.system import Program, make_folder
from benchmarks.peers.work import CLIENTS, METRICS, SEND_SECONDS, Address, Batch, Request, Send
from tests.faults.postgresql import KillableCluster, run_killable_cluster

PACKAGES = ("zabbix-server-pgsql", "libodbc2", "libltdl7", "libsnmp40", "libopenipmi0")
SQL_FOLDER = "usr/share/zabbix-server-pgsql"
# Of the shipped content only what the server insists on: its templates would only cost time.
NEEDED_TABLES = ("role", "users", "usrgrp", "hstgrp", "config", "config_autoreg_tls")
HEADER = b"ZBXD\x01"
HEADER_BYTES = 13
PORT_ATTEMPTS = 50
PROCESSED = re.compile(rb"processed: (\d+); failed: (\d+)")
FIRST_ITEM = 100_000
MAKE_ITEMS = f"""
INSERT INTO hosts (hostid, host, name, status)
    SELECT {FIRST_ITEM} + n, 'client-' || n, 'client-' || n, 0
    FROM generate_series(0, {CLIENTS - 1}) n;
INSERT INTO hosts_groups (hostgroupid, hostid, groupid)
    SELECT {FIRST_ITEM} + n, {FIRST_ITEM} + n, (SELECT min(groupid) FROM hstgrp)
    FROM generate_series(0, {CLIENTS - 1}) n;
INSERT INTO items (itemid, type, hostid, name, key_, value_type, delay, history, trends)
    SELECT {FIRST_ITEM} + n * {METRICS} + m, 2, {FIRST_ITEM} + n, 'metric ' || m,
           'metric[' || m || ']', 0, '0', '90d', '365d'
    FROM generate_series(0, {CLIENTS - 1}) n, generate_series(0, {METRICS - 1}) m;
INSERT INTO item_rtdata (itemid) SELECT itemid FROM items;
"""  # noqa: S608 - numbers of this module
SETTINGS = """
ListenIP=127.0.0.1
ListenPort={port}
DBHost={database_folder}
DBName={database}
DBUser=streamswarm
LogType=console
PidFile={folder}/server.pid
SocketDir={folder}
StartTrappers=5
StartDBSyncers=4
StartPollers=1
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
CacheSize=64M
ValueCacheSize=32M
FpingLocation=/bin/true
"""
COUNT = (
    f"SELECT count(*) FROM history WHERE itemid >= {FIRST_ITEM}"  # noqa: S608 - a number of this module
    " AND clock >= %s AND clock < %s"
)
SEEN = f"SELECT count(*) FROM history WHERE itemid = {FIRST_ITEM} AND clock = %s"  # noqa: S608 - as above


@dataclass(slots=True)
class Zabbix:
    """As System. A request is a connection of its own: its protocol knows no other way."""

    cluster: KillableCluster
    program: Program
    questions: Questions
    address: Address
    name: str = "Zabbix 6.0"
    is_stored_when_acknowledged: bool = False
    send: Send = field(default_factory=lambda: exchange_all)

    @staticmethod
    def encode(batch: Batch) -> Request:
        host = f"client-{batch.client}"
        rows = [
            {"host": host, "key": f"metric[{place}]", "value": str(value), "clock": at_ms // 1000,
             "ns": 0}
            for at_ms, values in batch.frames
            for place, value in enumerate(values)
        ]  # fmt: skip
        text = json.dumps({"request": "sender data", "data": rows}, separators=(",", ":")).encode()
        return Request(HEADER + struct.pack("<Q", len(text)) + text)

    def list_programs(self) -> dict[str, int]:
        return {"server": self.program.process.pid, DATABASE_PROGRAM: self.cluster.process.pid}

    def read_uncounted_seconds(self) -> float:
        return self.questions.read_seconds()

    def count_values(self, from_ms: int, until_ms: int) -> int:
        return int(self.questions.ask(COUNT, from_ms // 1000, until_ms // 1000))

    def is_seen(self, at_ms: int) -> bool:
        return bool(self.questions.ask(SEEN, at_ms // 1000))

    def measure_disk_bytes(self) -> int:
        return self.questions.measure_bytes()

    def kill9(self) -> None:
        self.program.kill9()
        self.cluster.kill9()

    def restart(self) -> None:
        self.cluster.start()
        self.questions.connect()
        self.program.start()


def find_low_port() -> int:
    """A free port of those that Zabbix takes, 1024 to 32767, below the kernel's own choice."""
    for _ in range(PORT_ATTEMPTS):
        port = random.randint(10_000, 32_000)  # noqa: S311 - any port will do
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise PeerMissingError("no free port between 10000 and 32000")


def exchange(address: Address, request: Request) -> bool:
    """Whether the server says that it has processed every value of the request."""
    with socket.create_connection(("127.0.0.1", address.port), timeout=SEND_SECONDS) as line:
        line.sendall(request.body)
        answer = b""
        while chunk := line.recv(4096):
            answer += chunk
    counts = PROCESSED.search(answer[HEADER_BYTES:])
    return counts is not None and int(counts[1]) > 0 and int(counts[2]) == 0


def exchange_all(address: Address, requests: Sequence[Request]) -> list[bool]:
    """As Send."""
    return [exchange(address, request) for request in requests]


def fill_database(questions: Questions, unpacked: Unpacked) -> None:
    """Tables from the package, then our hosts and items."""
    folder = unpacked.root / SQL_FOLDER
    questions.execute(gzip.decompress((folder / "schema.sql.gz").read_bytes()).decode())
    content = gzip.decompress((folder / "data.sql.gz").read_bytes()).decode()
    wanted = tuple(f"INSERT INTO {table} (" for table in NEEDED_TABLES)
    questions.execute("\n".join(line for line in content.splitlines() if line.startswith(wanted)))
    questions.execute(MAKE_ITEMS)


def build_program(unpacked: Unpacked, folder: Path, port: int, **database: Any) -> Program:
    program = unpacked.find_program("usr/sbin/zabbix_server")
    settings = folder / "zabbix_server.conf"
    settings.write_text(SETTINGS.format(port=port, folder=folder, **database))

    def is_ready() -> bool:
        probe = Zabbix.encode(Batch(0, ((0, [0.5]),)))
        try:
            return exchange(Address(port), probe)
        except OSError:
            return False

    argv = [str(program), "--foreground", "--config", str(settings)]
    return Program(argv, folder, unpacked.environment, is_ready)


@contextmanager
def run_zabbix() -> Iterator[Zabbix]:
    """A server with our hosts, on a cluster of its own.

    Raises: PeerMissingError.
    """
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(make_folder("zabbix"))
        unpacked = unpack(PACKAGES, folder)
        cluster = cleanup.enter_context(run_killable_cluster())
        url = cluster.cluster.create_database()
        questions = Questions(url)
        cleanup.callback(questions.close)
        fill_database(questions, unpacked)
        port = find_low_port()
        name = questions.ask("SELECT current_database()")
        program = build_program(
            unpacked, folder, port, database=name, database_folder=cluster.cluster.folder
        )
        cleanup.callback(program.stop)
        program.start()
        yield Zabbix(cluster, program, questions, Address(port))
