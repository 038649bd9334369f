"""Which autonomous system an address belongs to, by a table that the operator supplies.

The table has the form of iptoasn.com: lines of `start TAB end TAB number TAB country TAB name`, a
range each, in rising order, IPv4 before IPv6. It stays on the disk and is searched there by
halving, so that its size costs no memory.
"""

import ipaddress
import logging
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

FIELDS = 5
LONGEST_LINE_BYTES = 1024
LONGEST_NAME = 100
NO_SYSTEM = 0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class AutonomousSystem:
    """A network under one administration, by its number and name."""

    number: int
    name: str

    def __str__(self) -> str:
        return f"AS{self.number} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class AsnTable:
    """A table on the disk; raises OSError where it cannot be read."""

    path: Path

    def find(self, addresses: Iterable[str]) -> dict[str, AutonomousSystem]:
        """The systems of those addresses that the table has; the others are left out.

        What is no address, or lies in a range of no system, has none.
        """
        found = {}
        with self.path.open("rb") as file:
            if not self.path.stat().st_size:
                return {}
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for text in addresses:
                    system = _find(content, text)
                    if system is not None:
                        found[text] = system
        return found


def find_systems(addresses: Iterable[str]) -> dict[str, AutonomousSystem] | None:
    """As `AsnTable.find` of the operator's table (SWARM_ASN_TABLE); None without one to read."""
    if not settings.SWARM_ASN_TABLE:
        return None
    try:
        return AsnTable(Path(settings.SWARM_ASN_TABLE)).find(addresses)
    except OSError as error:
        logger.warning("cannot read the table of autonomous systems: %s", error)
        return None


def _find(content: mmap.mmap, text: str) -> AutonomousSystem | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    low, high = 0, len(content)
    while low < high:
        begin, end = _line_around(content, (low + high) // 2)
        row = _read_row(content[begin:end])
        if row is None:
            return None
        first, last, system = row
        if _rank(address) < _rank(first):
            high = begin
        elif _rank(address) > _rank(last):
            low = end
        else:
            return system if system.number != NO_SYSTEM else None
    return None


def _line_around(content: mmap.mmap, place: int) -> tuple[int, int]:
    """Begin and end, behind its line feed, of the line that has this byte."""
    least = max(place - LONGEST_LINE_BYTES, 0)
    begin = content.rfind(b"\n", least, place) + 1
    end = content.find(b"\n", place, place + LONGEST_LINE_BYTES) + 1
    return begin or least, end or min(place + LONGEST_LINE_BYTES, len(content))


def _read_row(line: bytes) -> tuple[Address, Address, AutonomousSystem] | None:
    parts = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
    if len(parts) < FIELDS:
        return None
    try:
        first, last = ipaddress.ip_address(parts[0]), ipaddress.ip_address(parts[1])
        number = int(parts[2])
    except ValueError:
        return None
    return first, last, AutonomousSystem(number, parts[4].strip()[:LONGEST_NAME])


def _rank(address: Address) -> tuple[int, int]:
    return address.version, int(address)
