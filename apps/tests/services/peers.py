"""What each end of a paired run is told of the other: address, port and the run's key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils.crypto import salted_hmac

from apps.clients.models import Client, Interface
from apps.tests.algorithms.addresses import PeerAddress, Whereabouts, choose_address
from apps.tests.models import Assignment, Run

KEY_SALT = "apps.tests.services.peers.key"
USUAL_PORT = 8620
REASONS: Mapping[str, str] = {
    "test": "as the test says",
    "client": "as the settings of the client say",
    "network": "an interface in the same network as an interface of the other",
    "site": "an interface, because both reach the server from the same address",
    "global": "its global address",
    "seen": "the address from which it reaches the server",
    "only": "its only address, which may not be reachable",
    "none": "no address of it is known",
}


@dataclass(frozen=True, slots=True)
class RunPeer:
    """The other end of one run; for the far end `address` is empty."""

    address: str
    port: int
    key: bytes = field(repr=False)

    def as_document(self) -> dict[str, Any]:
        return {"address": self.address, "port": self.port, "key": self.key.hex()}


def derive_key(run_id: UUID) -> bytes:
    """The 32 bytes that the two ends of a run share: stored nowhere, the same at each asking."""
    digest: bytes = salted_hmac(KEY_SALT, run_id.bytes, algorithm="sha256").digest()
    return digest


def find_run_peers(
    client_id: UUID, runs: Iterable[Run], assignments: Mapping[UUID, Assignment]
) -> dict[UUID, RunPeer]:
    """The other end of each paired run for one of its ends; two queries, or none."""
    paired = [
        (run, assignments[run.assignment_id])
        for run in runs
        if run.assignment_id in assignments and assignments[run.assignment_id].is_paired
    ]
    places = read_whereabouts({one for _run, row in paired for one in row.participant_ids})
    found = {}
    for run, row in paired:
        choice, port = find_address(row, places)
        # The key alone proves a caller: which of its addresses it comes from is its routes' matter.
        address = choice.address if row.client_id == client_id else ""
        found[run.id] = RunPeer(address, port, derive_key(run.id))
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is, and the port at which its agent answers."""

    whereabouts: Whereabouts
    port: int


def read_whereabouts(client_ids: set[UUID]) -> dict[UUID, Place]:
    if not client_ids:
        return {}
    addresses: dict[UUID, list[str]] = {}
    rows = Interface.objects.filter(client_id__in=client_ids, is_up=True).order_by("name")
    for client_id, own in rows.values_list("client_id", "addresses"):
        addresses.setdefault(client_id, []).extend(own)
    return {
        client_id: Place(
            Whereabouts(tuple(addresses.get(client_id, ())), seen, said), read_port(responder)
        )
        for client_id, seen, said, responder in Client.objects.filter(id__in=client_ids)
        .order_by()
        .values_list("id", "last_address", "peer_address", "inventory__responder")
    }


def read_port(responder: Any) -> int:
    port = responder.get("port") if isinstance(responder, dict) else None
    return port if isinstance(port, int) else USUAL_PORT


def find_address(row: Assignment, places: Mapping[UUID, Place]) -> tuple[PeerAddress, int]:
    """Where the initiator of the assignment finds its far end, and why there."""
    own = places.get(row.client_id)
    peer = None if row.peer_id is None else places.get(row.peer_id)
    if own is None or peer is None:
        return PeerAddress("", "none"), USUAL_PORT
    choice = choose_address(
        own.whereabouts,
        peer.whereabouts,
        override=row.test.peer_address,
        ip_version=str(row.test.parameters.get("ip_version", "any")),
    )
    return choice, peer.port


def explain_address(row: Assignment) -> str:
    """Where the initiator finds its far end and why, in words; empty for one without."""
    if row.peer_id is None:
        return ""
    choice, port = find_address(row, read_whereabouts(set(row.participant_ids)))
    if not choice.address:
        return REASONS[choice.reason]
    shown = f"[{choice.address}]" if ":" in choice.address else choice.address
    return f"{shown}:{port}: {REASONS[choice.reason]}"
