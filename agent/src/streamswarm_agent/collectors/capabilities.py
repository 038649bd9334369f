"""What this process is allowed to measure with, and the command that would allow more."""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from streamswarm_agent.collectors.file_rights import write_grant
from streamswarm_agent.collectors.host_access import HostAccess

SO_TIMESTAMPNS = 35
ETH_P_ALL = 0x0300
"""All protocols, in network byte order."""


class OpenedSocket(Protocol):
    """What is asked of a socket that was opened to see whether it can be."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """As `socket.socket.setsockopt`."""

    def close(self) -> None:
        """As `socket.socket.close`."""


SocketOpener = Callable[[int, int, int], OpenedSocket]


@dataclass(frozen=True, slots=True)
class _Trial:
    """How to find out about a capability: the socket to open and the option to set on it."""

    family: str
    kind: int
    protocol: int
    remedy: str = ""
    option: int | None = None


def detect_capabilities(
    open_socket: SocketOpener = socket.socket,
    executable: str = sys.executable,
    access: HostAccess | None = None,
    find_module: Callable[[str], object] = find_spec,
) -> dict[str, dict[str, Any]]:
    """Sockets by name, such as `icmp_raw` and `kernel_timestamps`, and what `HostAccess` tells.

    Each is `{"is_available": true}` or `{"is_available": false, "reason", "remedy"}`, the remedy
    being a command for the host's administrator, empty when there is none.
    """
    access = access or HostAccess()
    program = os.path.realpath(executable)
    grant_raw = write_grant(program, ("cap_net_raw",), access.read_file_rights(program))
    trials = _list_trials(grant_raw)
    found = {name: _try(trial, open_socket) for name, trial in trials.items()}
    found["certificates"] = _judge_certificates(executable, find_module)
    return found | access.describe()


def name_available(capabilities: Mapping[str, Mapping[str, Any]]) -> str:
    """The names of what is available, in order; `none` when nothing is."""
    names = sorted(name for name, one in capabilities.items() if one["is_available"])
    return ", ".join(names) or "none"


def _judge_certificates(executable: str, find_module: Callable[[str], object]) -> dict[str, Any]:
    if find_module("cryptography") is not None:
        return {"is_available": True}
    remedy = f"{executable} -m pip install cryptography"
    return {"is_available": False, "reason": "cryptography is not installed", "remedy": remedy}


def _list_trials(grant_raw: str) -> Mapping[str, _Trial]:
    grant_ping = 'sysctl -w net.ipv4.ping_group_range="0 2147483647"'
    datagram, raw = socket.SOCK_DGRAM, socket.SOCK_RAW
    return {
        "icmp_raw": _Trial("AF_INET", raw, socket.IPPROTO_ICMP, grant_raw),
        "icmp_datagram": _Trial("AF_INET", datagram, socket.IPPROTO_ICMP, grant_ping),
        "tcp_connect": _Trial("AF_INET", socket.SOCK_STREAM, 0),
        "kernel_timestamps": _Trial("AF_INET", datagram, 0, option=SO_TIMESTAMPNS),
        "packet_capture": _Trial("AF_PACKET", raw, ETH_P_ALL, grant_raw),
    }


def _try(trial: _Trial, open_socket: SocketOpener) -> dict[str, Any]:
    family = getattr(socket, trial.family, None)
    is_linux_only = trial.option is not None
    if family is None or (is_linux_only and sys.platform != "linux"):
        return {"is_available": False, "reason": "only Linux offers this", "remedy": ""}
    try:
        with closing(open_socket(family, trial.kind, trial.protocol)) as opened:
            if trial.option is not None:
                opened.setsockopt(socket.SOL_SOCKET, trial.option, 1)
    except OSError as error:
        reason = error.strerror or str(error)
        return {"is_available": False, "reason": reason, "remedy": trial.remedy}
    return {"is_available": True}
