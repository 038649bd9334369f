"""Runs that need two agents: where the other end is, and how its runs are answered here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Peer, Resolver, Responder, ResponderRequest
from streamswarm_agent.runtime.planner import PlannedRun
from streamswarm_agent.wire.kinds import complete_parameters


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both ends of this agent's paired runs, under the policy and settings of the host's owner.

    The owner's port counts, 0 for none, whatever a lease says: no server can open another one.
    """

    resolver: Resolver
    responders: Mapping[str, Responder] = field(default_factory=dict)
    port: int = 0
    bind_address: str = ""

    def describe(self) -> dict[str, Any] | None:
        """What the inventory says of the runs that are answered here; None when none are."""
        if not (self.responders and self.port):
            return None
        return {"port": self.port, "kinds": sorted(self.responders)}

    async def find_peer(self, planned: PlannedRun) -> Peer:
        """The other end of a run that this agent initiates.

        Raises: ProbeFailed when the lease names none, or policy denies its address.
        """
        peer = planned.run.peer
        if peer is None:
            raise ProbeFailed("the server named no peer for this run")
        if not peer.address:
            raise ProbeFailed("the server knows no address of the other end")
        address = await self.resolver.resolve(peer.address)
        return Peer(address, peer.port, peer.key, planned.run.id)

    async def answer(self, planned: PlannedRun, window_seconds: float) -> None:
        """Answer the run for so long.

        Raises: ProbeFailed when this agent does not answer runs of that kind, or cannot listen.
        """
        run, assignment = planned.run, planned.assignment
        responder = self.responders.get(assignment.kind)
        if responder is None or not self.port:
            raise ProbeFailed(f"this agent answers no runs of {assignment.kind!r}")
        if run.peer is None:
            raise ProbeFailed("the server gave no key for this run")
        request = ResponderRequest(
            run_id=run.id,
            key=run.peer.key,
            parameters=complete_parameters(assignment.kind, assignment.parameters),
            duration_seconds=window_seconds,
            bind_address=self.bind_address,
            port=self.port,
            allowed_address=run.peer.address,
        )
        await responder.serve(request)
