"""Parallel paths as a small drawing, from left to right."""

from collections.abc import Mapping
from dataclasses import dataclass

Way = tuple[str | None, ...]
"""The addresses of a flow, hop by hop; None for a silent one."""

COLUMN_WIDTH = 118
ROW_HEIGHT = 44
MARGIN = 22
LONGEST_LABEL = 17
SOURCE = -1
"""The place of the host that traces."""


@dataclass(frozen=True, slots=True)
class Node:
    """An address at a hop, or a silent hop (`address` empty); x and y are its centre."""

    x: int
    y: int
    hop: int
    address: str
    flow_count: int
    is_end: bool
    is_new: bool

    @property
    def label(self) -> str:
        """The address, in the middle shortened when it is long."""
        if len(self.address) <= LONGEST_LABEL:
            return self.address
        half = LONGEST_LABEL // 2
        return f"{self.address[:half]}\N{HORIZONTAL ELLIPSIS}{self.address[-half:]}"

    @property
    def label_y(self) -> int:
        return self.y + 20


@dataclass(frozen=True, slots=True)
class Edge:
    """How two nodes follow one another, for how many flows."""

    x1: int
    y1: int
    x2: int
    y2: int
    flow_count: int


@dataclass(frozen=True, slots=True)
class PathGraph:
    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    path_count: int


def draw_paths(ways: Mapping[int, Way], new: frozenset[tuple[int, str]]) -> PathGraph | None:
    """The paths of the flows; None where all of them take the same."""
    known = name_silent([way for way in ways.values() if way])
    columns = list_columns(known)
    if all(len(column) == 1 for column in columns.values()):
        return None
    tallest = max(len(column) for column in columns.values())
    nodes = {
        (place, address): Node(
            x=MARGIN + COLUMN_WIDTH // 2 + (place + 1) * COLUMN_WIDTH,
            y=MARGIN + ROW_HEIGHT * tallest // 2 + ROW_HEIGHT * (2 * row - len(column) + 1) // 2,
            hop=place + 1,
            address=address or "",
            flow_count=column[address],
            is_end=any(len(way) == place + 1 and way[-1] == address for way in known),
            is_new=(place, address) in new,
        )
        for place, column in columns.items()
        for row, address in enumerate(column)
    }
    return PathGraph(
        width=2 * MARGIN + COLUMN_WIDTH * len(columns),
        height=2 * MARGIN + ROW_HEIGHT * tallest,
        nodes=tuple(nodes.values()),
        edges=tuple(list_edges(known, nodes)),
        path_count=len(set(known)),
    )


def name_silent(ways: list[Way]) -> list[Way]:
    """The ways, a silent hop taken for that of a fuller way with which all else agrees."""
    fullest = sorted(set(ways), key=lambda way: way.count(None))
    return [next(other for other in fullest if agrees(way, other)) for way in ways]


def agrees(way: Way, other: Way) -> bool:
    return len(way) == len(other) and all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in zip(way, other, strict=True)
    )


def list_columns(ways: list[Way]) -> dict[int, dict[str | None, int]]:
    """By place the addresses, in the order of flows, and how many flows each has."""
    columns: dict[int, dict[str | None, int]] = {SOURCE: {"": len(ways)}}
    for way in ways:
        for place, address in enumerate(way):
            column = columns.setdefault(place, {})
            column[address] = column.get(address, 0) + 1
    return dict(sorted(columns.items()))


def list_edges(ways: list[Way], nodes: Mapping[tuple[int, str | None], Node]) -> list[Edge]:
    counts: dict[tuple[Node, Node], int] = {}
    for way in ways:
        former = nodes[SOURCE, ""]
        for place, address in enumerate(way):
            node = nodes[place, address]
            counts[former, node] = counts.get((former, node), 0) + 1
            former = node
    return [Edge(one.x, one.y, two.x, two.y, count) for (one, two), count in counts.items()]
