"""What each capability of this host enables, and what is done instead where it is missing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.cli.finding import Check
from streamswarm_agent.collectors.file_rights import write_grant


@dataclass(frozen=True, slots=True)
class Use:
    """What a capability is good for; `instead` are capabilities that stand in, best first.

    `fallback` is said when none of those is there either.
    """

    enables: str
    instead: tuple[str, ...] = ()
    fallback: str = "its figures are absent, with the reason"


@dataclass(frozen=True, slots=True)
class Grant:
    """A command, and the capabilities that it brings."""

    command: str
    subjects: tuple[str, ...]


SETCAP = re.compile(r"setcap (?P<rights>\S+)\+ep (?P<program>.+)")
METHODS: Mapping[str, str] = {
    "icmp_raw": "a raw ICMP socket",
    "icmp_datagram": "an ICMP datagram socket",
    "tcp_connect": "UDP or TCP for ping, UDP for traces and path MTUs",
}
NO_PING = "no ping at all"
USES: Mapping[str, Use] = {
    "icmp_raw": Use(
        "ping with the most exact times, path MTUs by ICMP",
        ("icmp_datagram", "tcp_connect"),
        NO_PING,
    ),
    "icmp_datagram": Use(
        "ping, traces and path MTUs by ICMP", ("icmp_raw", "tcp_connect"), NO_PING
    ),
    "tcp_connect": Use("tests of TCP, HTTP and DNS over TCP", (), "those tests fail"),
    "kernel_timestamps": Use(
        "round trips that end when the packet came in", (), "the agent's own clock, later when busy"
    ),
    "certificates": Use("what is inside certificates", (), "whether they are trusted"),
    "packet_capture": Use("the time of the own link, by ARP"),
    "sensors": Use("temperatures, fans, voltages"),
    "wifi": Use("Wi-Fi: signal, noise, rates, roaming", (), "the kernel's table, if it has one"),
    "energy": Use("energy of the processor"),
    "disk_health": Use("health of disks", (), "temperatures that the kernel shows"),
    "optical_power": Use("light of optical modules"),
    "queues": Use("drops and backlog of this host's queues"),
    "machine_power": Use("power of the whole machine", (), "power sensors, if there are any"),
    "all_processes": Use(
        "whose each connection is", (), "connections are counted, some without a name"
    ),
    "iperf3": Use("throughput to iperf3 servers", (), "throughput to another agent, or by HTTP"),
}


def check_capabilities(capabilities: Mapping[str, Mapping[str, Any]]) -> Iterator[Check]:
    """A line for each: what it enables; where it is missing why, the fallback and the remedy."""
    for name, capability in sorted(capabilities.items()):
        is_available = bool(capability["is_available"])
        use = USES.get(name, Use(""))
        yield Check(
            name.replace("_", " "),
            is_good=is_available,
            detail=str(capability.get("reason", "")) or "available",
            remedy=str(capability.get("remedy", "")),
            is_required=False,
            enables=use.enables,
            fallback="" if is_available else name_fallback(use, capabilities),
        )


def name_fallback(use: Use, capabilities: Mapping[str, Mapping[str, Any]]) -> str:
    """What the agent does without it, here and now."""
    for name in use.instead:
        if capabilities.get(name, {}).get("is_available"):
            return f"{METHODS[name]}; the method stands at each result"
    return use.fallback


def list_grants(checks: Iterable[Check]) -> list[Grant]:
    """The commands that bring the missing capabilities, each once.

    Those for one program's file become one: a second `setcap` would undo the first.
    """
    rights: defaultdict[str, set[str]] = defaultdict(set)
    subjects: defaultdict[str, list[str]] = defaultdict(list)
    for check in checks:
        if check.is_good or not check.enables or not check.remedy:
            continue
        setcap = SETCAP.fullmatch(check.remedy)
        place = setcap["program"] if setcap else check.remedy
        rights[place].update(setcap["rights"].split(",") if setcap else ())
        subjects[place].append(check.subject)
    return [
        Grant(write_grant(place, rights[place]) if rights[place] else place, tuple(names))
        for place, names in subjects.items()
    ]
