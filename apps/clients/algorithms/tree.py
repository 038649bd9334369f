"""Trees written as "who stands above whom"."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def list_ancestors(parents: Mapping[Node, Node | None], node: Node) -> list[Node]:
    """Everything above `node`, nearest first.

    Raises: ValueError when the way up comes round to where it was.
    """
    way = [node]
    above = parents.get(node)
    while above is not None:
        if above in way:
            raise ValueError(f"{above} stands above itself")
        way.append(above)
        above = parents.get(above)
    return way[1:]


def find_way_round(
    parents: Mapping[Node, Node | None], node: Node, parent: Node | None
) -> list[Node]:
    """The circle that `parent` above `node` would close, from `node` to `node`; else empty."""
    if parent is None:
        return []
    way = [parent, *list_ancestors(parents, parent)]
    if node not in way:
        return []
    return [node, *way[: way.index(node) + 1]]


def list_subtree(parents: Mapping[Node, Node | None], node: Node) -> list[Node]:
    """`node` and everything below it, each after what stands above it."""
    children: dict[Node, list[Node]] = {}
    for child, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(child)
    found = [node]
    for one in found:
        found.extend(children.get(one, ()))
    return found
