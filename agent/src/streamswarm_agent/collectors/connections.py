"""The `connections` collector: who listens, and who talks to whom."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from streamswarm_agent.collectors.base import CollectedDocument, Collection
from streamswarm_agent.collectors.documents import clean, describe_missing, fit_rows
from streamswarm_agent.collectors.socket_table import (
    Owner,
    Owners,
    ProcSocketTable,
    PsutilSocketTable,
    Socket,
    SocketTable,
)

MAX_ROWS = 500
DIRECTIONS = ("listening", "incoming", "outgoing")


def open_socket_table() -> SocketTable:
    """The table of this system."""
    return ProcSocketTable() if sys.platform == "linux" else PsutilSocketTable()


@dataclass(frozen=True, slots=True)
class Place:
    """What the sockets of one row have in common; the port that varies is None."""

    direction: str
    protocol: str
    local_address: str
    local_port: int | None
    remote_address: str
    remote_port: int | None
    owner: Owner | None


@dataclass(slots=True)
class Group:
    """The sockets of one row, counted by state."""

    place: Place
    states: Counter[str] = field(default_factory=Counter)

    @property
    def rank(self) -> tuple[int, int, str, int, str, int]:
        """Listening ones first, then the largest groups."""
        place = self.place
        return (
            DIRECTIONS.index(place.direction),
            0 if place.direction == "listening" else -self.states.total(),
            place.protocol,
            place.local_port or 0,
            place.remote_address,
            place.remote_port or 0,
        )


class ConnectionsCollector:
    """One document: listening sockets and connections, grouped, at most 500 rows.

    A connection to a port somebody here listens on is `incoming`, and its callers' ports are not
    told apart; any other is `outgoing`, and the own ports are not. `states` counts the sockets of
    a row. What is not visible stands in `missing`.
    """

    name: ClassVar[str] = "connections"

    def __init__(self, table: SocketTable | None = None) -> None:
        self._table = table or open_socket_table()

    def collect(self) -> Collection:
        """One pass over all sockets."""
        try:
            sockets, unread = self._table.list_sockets()
        except PermissionError as error:
            missing = [describe_missing("P", str(error), "run the agent as root")]
            return self._describe([], 0, missing)
        owners = self._table.find_owners({one.owner for one in sockets if one.owner})
        return self._describe(group_sockets(sockets, owners), unread, list_missing(owners, unread))

    def _describe(
        self, groups: Sequence[Group], unread: int, missing: Sequence[Mapping[str, str]]
    ) -> Collection:
        states: Counter[str] = Counter()
        for group in groups:
            for state, count in group.states.items():
                states[f"{group.place.protocol} {state}"] += count
        body = {
            "total": states.total() + unread,
            "states": dict(states.most_common()),
            "missing": missing,
        }
        rows = [describe_group(group) for group in sorted(groups, key=lambda group: group.rank)]
        return Collection(
            documents=(CollectedDocument("connections", fit_rows(body, rows, max_rows=MAX_ROWS)),)
        )


def list_missing(owners: Owners, unread: int) -> list[Mapping[str, str]]:
    missing: list[Mapping[str, str]] = []
    if not owners.is_complete:
        what = "processes of other users' sockets"
        remedy = "run the agent as root, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        missing.append(describe_missing("P", what, remedy))
    if unread:
        what = f"{unread} sockets beyond the first that were read"
        missing.append(describe_missing("U", what))
    return missing


def group_sockets(sockets: Iterable[Socket], owners: Owners) -> list[Group]:
    """The sockets that differ only in the port of the calling side as one group each."""
    known = sorted(sockets, key=lambda one: one.owner == 0)
    listening = {(one.protocol, one.local.port) for one in known if one.state == "listen"}
    groups: dict[Place, Group] = {}
    by_route: dict[Place, Group] = {}
    for one in known:
        place = locate(one, listening, owners.by_socket.get(one.owner))
        route = replace(place, owner=None)
        # The kernel alone holds what a process has closed; it belongs to the others of its kind.
        group = by_route.get(route) if one.owner == 0 else groups.get(place)
        if group is None:
            group = groups[place] = by_route[route] = Group(place)
        group.states[one.state] += 1
    return list(groups.values())


def locate(one: Socket, listening: set[tuple[str, int]], owner: Owner | None) -> Place:
    direction = "outgoing"
    if one.state == "listen":
        direction = "listening"
    elif (one.protocol, one.local.port) in listening:
        direction = "incoming"
    return Place(
        direction=direction,
        protocol=one.protocol,
        local_address=one.local.address,
        local_port=None if direction == "outgoing" else one.local.port,
        remote_address="" if direction == "listening" else one.remote.address,
        remote_port=one.remote.port if direction == "outgoing" else None,
        owner=owner,
    )


def describe_group(group: Group) -> dict[str, Any]:
    place = group.place
    return {
        "direction": place.direction,
        "protocol": place.protocol,
        "local_address": place.local_address,
        "local_port": place.local_port,
        "remote_address": place.remote_address,
        "remote_port": place.remote_port,
        "states": dict(group.states),
        "count": group.states.total(),
        "pid": place.owner.pid if place.owner else None,
        "process": clean(place.owner.name) if place.owner else "",
    }
