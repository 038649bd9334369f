"""Which two clients measure between each other, by the shape of a test."""

from collections.abc import Collection, Iterable, Iterator
from itertools import combinations
from uuid import UUID

Pair = tuple[UUID, UUID]
"""Who initiates, and who answers."""

PAIR, STAR, MESH = "pair", "star", "mesh"
OUT, BACK, BOTH = "out", "back", "both"


def build_pairs(
    topology: str, directions: str, *, member_ids: Iterable[UUID], hub_id: UUID | None
) -> list[Pair]:
    """The pairs of a test, sorted; a hub among the members does not measure to itself.

    `out` goes from the hub to the members and `back` the other way. In a mesh `out` has each two
    once, initiated by either so that the work is spread, whoever else comes and goes.
    """
    members = sorted(set(member_ids) - {hub_id})
    if topology == MESH:
        return sorted(iterate_mesh(members, is_both=directions == BOTH))
    if hub_id is None:
        return []
    there = [(hub_id, member_id) for member_id in members] if directions != BACK else []
    back = [(member_id, hub_id) for member_id in members] if directions != OUT else []
    return sorted([*there, *back])


def iterate_mesh(members: Collection[UUID], *, is_both: bool) -> Iterator[Pair]:
    for first, second in combinations(members, 2):
        is_turned = (first.int ^ second.int) & 1
        yield (second, first) if is_turned else (first, second)
        if is_both:
            yield (first, second) if is_turned else (second, first)


def count_pairs(topology: str, directions: str, member_count: int) -> int:
    """How many pairs so many members besides the hub make."""
    couples = member_count * (member_count - 1) // 2 if topology == MESH else member_count
    return couples * (2 if directions == BOTH else 1)


def count_members(topology: str, directions: str, pair_limit: int) -> int:
    """The most members whose pairs stay within the limit."""
    couples = pair_limit // (2 if directions == BOTH else 1)
    if topology != MESH:
        return couples
    count = 0
    while (count + 1) * count // 2 <= couples:
        count += 1
    return count


def list_roles(topology: str, directions: str) -> frozenset[str]:
    """What a member may have to do: `initiator`, `responder`, or both; a hub does the opposite."""
    if topology == MESH or directions == BOTH:
        return frozenset({"initiator", "responder"})
    return frozenset({"initiator" if directions == BACK else "responder"})


def list_hub_roles(directions: str) -> frozenset[str]:
    opposite = {OUT: BACK, BACK: OUT}.get(directions, directions)
    return list_roles(STAR, opposite)
