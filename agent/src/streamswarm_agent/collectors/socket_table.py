"""The table of sockets: read from `/proc/net` on Linux, through psutil elsewhere."""

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from streamswarm_agent.collectors.process_table import list_pids

ByteOrder = Literal["little", "big"]
# include/net/tcp_states.h
STATES = (
    "", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close",
    "close_wait", "last_ack", "listen", "closing", "syn_recv",
)  # fmt: skip
FILES = {"tcp": "tcp", "tcp6": "tcp", "udp": "udp", "udp6": "udp"}
MAX_SOCKETS = 20_000
MAX_DESCRIPTORS = 50_000
WORD_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket; an unconnected UDP one is `listen`, like a TCP one that waits for callers."""

    protocol: str
    local: Endpoint
    remote: Endpoint
    state: str
    owner: int
    """What `find_owners` looks up: an inode on Linux, the pid itself elsewhere; 0 for none."""


@dataclass(frozen=True, slots=True)
class Owner:
    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners by `Socket.owner`; `is_complete` when nothing was hidden or left unread."""

    by_socket: Mapping[int, Owner]
    is_complete: bool


class SocketTable(Protocol):
    """Where sockets are read from."""

    def list_sockets(self) -> tuple[list[Socket], int]:
        """At most 20,000 sockets, and how many more there are.

        Raises: PermissionError when the system shows none to this process.
        """

    def find_owners(self, wanted: set[int]) -> Owners:
        """The processes that hold those sockets, as far as they may be seen."""


class ProcSocketTable:
    """Linux: the tables of proc_pid_net(5) of this process's network namespace."""

    def __init__(
        self, proc_root: Path = Path("/proc"), byte_order: ByteOrder = sys.byteorder
    ) -> None:
        self._proc_root = proc_root
        self._byte_order = byte_order

    def list_sockets(self) -> tuple[list[Socket], int]:
        found: list[Socket] = []
        more = 0
        for name, protocol in FILES.items():
            # A kernel without IPv6 has no such file.
            with suppress(FileNotFoundError), (self._proc_root / "net" / name).open() as file:
                for line in islice(file, 1, None):
                    if len(found) == MAX_SOCKETS:
                        more += 1
                        continue
                    with suppress(ValueError, IndexError):
                        found.append(self._parse(protocol, line.split()))
        return found, more

    def find_owners(self, wanted: set[int]) -> Owners:
        found: dict[int, Owner] = {}
        left = MAX_DESCRIPTORS
        is_complete = True
        for pid in list_pids(self._proc_root):
            if len(found) == len(wanted):
                return Owners(found, is_complete=True)
            folder = self._proc_root / str(pid)
            try:
                names = os.listdir(folder / "fd")  # noqa: PTH208 - names alone, of thousands
            except FileNotFoundError:
                continue
            except OSError:
                is_complete = False
                continue
            left -= len(names)
            if left < 0:
                return Owners(found, is_complete=False)
            held = wanted.intersection(read_inodes(folder / "fd", names)).difference(found)
            if held:
                found |= dict.fromkeys(held, Owner(pid, read_name(folder)))
        return Owners(found, is_complete)

    def _parse(self, protocol: str, fields: list[str]) -> Socket:
        state = STATES[int(fields[3], 16)]
        if protocol == "udp":
            state = "established" if state == "established" else "listen"
        return Socket(
            protocol=protocol,
            local=self._parse_endpoint(fields[1]),
            remote=self._parse_endpoint(fields[2]),
            state=state,
            owner=int(fields[9]),
        )

    def _parse_endpoint(self, text: str) -> Endpoint:
        digits, _, port = text.partition(":")
        return Endpoint(parse_address(digits, self._byte_order), int(port, 16))


def parse_address(digits: str, byte_order: ByteOrder) -> str:
    """The address that the kernel wrote as words of 32 bits in the host's byte order.

    An IPv4 address in an IPv6 one is written as IPv4.
    """
    words = (digits[start : start + WORD_DIGITS] for start in range(0, len(digits), WORD_DIGITS))
    packed = b"".join(int(word, 16).to_bytes(4, byte_order) for word in words)
    return plain_address(str(ipaddress.ip_address(packed)))


def plain_address(text: str) -> str:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def read_inodes(folder: Path, names: Iterable[str]) -> Iterator[int]:
    """The inodes of the sockets among a process's open files."""
    for name in names:
        with suppress(OSError, ValueError):
            target = os.readlink(folder / name)  # noqa: PTH115 - as above
            if target.startswith("socket:["):
                yield int(target[8:-1])


def read_name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


class PsutilSocketTable:
    """Systems without `/proc/net`."""

    def __init__(self, read: Callable[[str], Iterable[Any]] = psutil.net_connections) -> None:
        self._read = read

    def list_sockets(self) -> tuple[list[Socket], int]:
        try:
            rows = list(self._read("inet"))
        except psutil.AccessDenied as error:
            raise PermissionError("the system shows connections only to root") from error
        return [parse_row(row) for row in rows[:MAX_SOCKETS]], max(len(rows) - MAX_SOCKETS, 0)

    def find_owners(self, wanted: set[int]) -> Owners:
        found: dict[int, Owner] = {}
        for pid in wanted:
            with suppress(psutil.Error):
                found[pid] = Owner(pid, psutil.Process(pid).name())
        return Owners(found, is_complete=len(found) == len(wanted))


def parse_row(row: Any) -> Socket:
    state = str(row.status).lower()
    if row.type == socket.SOCK_DGRAM:
        state = "established" if row.raddr else "listen"
    return Socket(
        protocol="udp" if row.type == socket.SOCK_DGRAM else "tcp",
        local=parse_pair(row.laddr),
        remote=parse_pair(row.raddr),
        state=state,
        owner=row.pid or 0,
    )


def parse_pair(pair: Any) -> Endpoint:
    return Endpoint(plain_address(pair[0]), pair[1]) if pair else Endpoint("", 0)
