"""How a test of two participants is asked for: its topology, hub, directions and address."""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from apps.clients.models import Client
from apps.core.errors import FieldError
from apps.tests.algorithms.pairs import Pair, build_pairs, list_hub_roles, list_roles
from apps.tests.models import Assignment, Test

if TYPE_CHECKING:
    from apps.tests.services.definition import TestDefinition

Ends = tuple[UUID, UUID | None]
"""The client of an assignment, and its peer where it has one."""

NO_PAIRING: dict[str, Any] = {"topology": "", "hub_id": None, "directions": "", "peer_address": ""}
TOPOLOGIES = Test.Topology
DIRECTIONS = Test.Directions


def check_pairing(definition: "TestDefinition") -> list[FieldError]:
    """What is wrong with the participants that a test of two asks for."""
    return [
        *check_shape(definition),
        *check_hub(definition),
        *check_far_end(definition),
        *check_peer_address(definition),
    ]


def check_shape(definition: "TestDefinition") -> list[FieldError]:
    errors = []
    if definition.topology not in TOPOLOGIES.values:
        allowed = ", ".join(TOPOLOGIES.values)
        detail = f"is needed for this type: one of {allowed}"
        errors.append(FieldError("topology", "required", detail))
    if definition.directions and definition.directions not in DIRECTIONS.values:
        detail = f"must be one of {', '.join(DIRECTIONS.values)}"
        errors.append(FieldError("directions", "unknown", detail))
    if definition.topology == TOPOLOGIES.MESH and definition.directions == DIRECTIONS.BACK:
        detail = "must be out (each two once) or both in a mesh"
        errors.append(FieldError("directions", "not_applicable", detail))
    return errors


def check_hub(definition: "TestDefinition") -> list[FieldError]:
    if definition.topology == TOPOLOGIES.MESH:
        return []
    if definition.hub_id is None:
        detail = "is needed for a pair or star: the client at the near end of each pair"
        return [FieldError("hub", "required", detail)]
    if not Client.objects.filter(id=definition.hub_id, deleted_at=None).exists():
        return [FieldError("hub", "unknown", "there is no such client")]
    return []


def check_far_end(definition: "TestDefinition") -> list[FieldError]:
    """A pair has one far end, whoever chooses it."""
    if definition.topology != TOPOLOGIES.PAIR:
        return []
    if definition.selection_kind == Test.SelectionKind.ALL:
        detail = "must name the other client of a pair, or choose any one; a star takes all"
        return [FieldError("selection_kind", "not_applicable", detail)]
    is_any = definition.selection_kind == Test.SelectionKind.ANY
    if is_any and definition.wanted_clients not in {None, 1}:
        return [FieldError("wanted_clients", "out_of_range", "must be 1 in a pair")]
    return []


def check_peer_address(definition: "TestDefinition") -> list[FieldError]:
    text = definition.peer_address.strip()
    if not text:
        return []
    if definition.topology != TOPOLOGIES.PAIR or definition.directions == DIRECTIONS.BOTH:
        detail = "is only for a pair in one direction; elsewhere give clients their own address"
        return [FieldError("peer_address", "not_applicable", detail)]
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return [FieldError("peer_address", "malformed", "must be an IPv4 or IPv6 address")]
    return []


def normalise_pairing(definition: "TestDefinition", *, is_paired: bool) -> dict[str, Any]:
    """The members of a checked definition that say who measures to whom."""
    if not is_paired:
        return NO_PAIRING
    is_mesh = definition.topology == TOPOLOGIES.MESH
    usual = DIRECTIONS.BOTH if is_mesh else DIRECTIONS.OUT
    address = definition.peer_address.strip()
    return {
        "topology": definition.topology,
        "hub_id": None if is_mesh else definition.hub_id,
        "directions": definition.directions or usual,
        "peer_address": str(ipaddress.ip_address(address)) if address else "",
    }


def describe_pairing(test: Test) -> dict[str, Any]:
    """What of it stands in the audit; nothing for a test of one participant."""
    if not test.topology:
        return {}
    return {
        "topology": test.topology,
        "hub": test.hub.name if test.hub else None,
        "directions": test.directions,
        "peer_address": test.peer_address,
    }


def list_ends(test: Test, member_ids: Iterable[UUID]) -> list[Ends]:
    """The client of each assignment that those members make, with its peer, if it needs one."""
    if not test.topology:
        return [(member_id, None) for member_id in sorted(set(member_ids))]
    pairs: list[Pair] = build_pairs(
        test.topology, test.directions, member_ids=member_ids, hub_id=find_hub_id(test)
    )
    return list(pairs)


def find_hub_id(test: Test) -> UUID | None:
    """The hub, unless it was deleted."""
    if test.hub is None or test.hub.deleted_at is not None:
        return None
    return test.hub_id


def list_members(test: Test) -> set[UUID]:
    """The clients that the stored test has now, besides a hub."""
    rows = Assignment.objects.filter(test_id=test.id, removed_at=None).order_by()
    found: set[UUID] = set()
    for client_id, peer_id in rows.values_list("client_id", "peer_id"):
        found.update({client_id} if peer_id is None else {client_id, peer_id})
    return found - {test.hub_id} if test.hub_id else found


def list_member_roles(test: Test) -> frozenset[str]:
    """What each of the test's members may have to do."""
    if not test.topology:
        return frozenset({"initiator"})
    return list_roles(test.topology, test.directions)


def list_roles_of_hub(test: Test) -> frozenset[str]:
    return list_hub_roles(test.directions)
