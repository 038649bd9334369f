"""How much of a test each client bears, and how many pairs a test may have."""

from collections import Counter
from collections.abc import Collection, Iterable
from uuid import UUID

from apps.configuration.selectors import read_whole
from apps.core.errors import FieldError, Invalid
from apps.tests.algorithms.pairs import count_members, count_pairs
from apps.tests.models import Test
from apps.tests.services.pairing import list_ends


def count_runs_at_once(test: Test, member_ids: Iterable[UUID]) -> Counter[UUID]:
    """How many runs of the test each client takes part in, if all run at once."""
    found: Counter[UUID] = Counter()
    for client_id, peer_id in list_ends(test, member_ids):
        found.update([client_id] if peer_id is None else [client_id, peer_id])
    return found


def count_loads(test: Test, member_count: int) -> int:
    """How many times so many members of the test bear its load, all together."""
    if not test.topology:
        return member_count
    return 2 * count_pairs(test.topology, test.directions, member_count)


def count_loads_of_member(test: Test, member_count: int) -> int:
    """How many times one of so many members bears the test's load."""
    if not test.topology:
        return 1
    partners = max(member_count - 1, 0) if test.topology == Test.Topology.MESH else 1
    return partners * (2 if test.directions == Test.Directions.BOTH else 1)


def read_pair_limit() -> int:
    return read_whole("pairs_per_test")


def find_member_limit(test: Test) -> int | None:
    """The most members that the limit of pairs allows; None where there are no pairs."""
    if not test.topology:
        return None
    return count_members(test.topology, test.directions, read_pair_limit())


def count_members_within(test: Test, *, have: int, loads: int) -> int:
    """How many members more than `have` bear at most so many loads more."""
    if not test.topology:
        return loads
    more = 0
    while more < loads and count_loads(test, have + more + 1) - count_loads(test, have) <= loads:
        more += 1
    return more


def refuse_members(test: Test, member_ids: Collection[UUID], *, is_chosen: bool = True) -> None:
    """Refuse named clients that the test's topology has no place for.

    Whoever chose them (`is_chosen`) meant a mesh to have pairs.
    Raises: Invalid for a hub among the others, two far ends of a pair, or too many pairs.
    """
    if not test.topology:
        return
    errors = []
    if test.hub_id in member_ids:
        errors.append(FieldError("clients", "is_hub", "must be others than the hub itself"))
    if test.topology == Test.Topology.PAIR and len(member_ids) > 1:
        detail = "must be one client, the far end of the pair; a star takes several"
        errors.append(FieldError("clients", "too_many", detail))
    if is_chosen and test.topology == Test.Topology.MESH and len(member_ids) == 1:
        errors.append(FieldError("clients", "too_few", "must be at least two for a mesh"))
    limit, asked = read_pair_limit(), len(list_ends(test, member_ids))
    if asked > limit:
        detail = f"must make at most {limit:,} pairs, and these make {asked:,}"
        errors.append(FieldError("clients", "too_many_pairs", detail))
    if errors:
        raise Invalid(errors)
