"""The agent's orders: asked for again and again, and kept on disk for when nobody answers."""

import asyncio
import logging
from typing import Any

from streamswarm_agent.errors import CallFailed, StateUnusable
from streamswarm_agent.runtime.scheduler import Scheduler
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.kinds import list_kinds, load_validator
from streamswarm_agent.wire.messages import Lease

logger = logging.getLogger(__name__)

_LEASE_FILE = "leases.json"
_HORIZON_SECONDS = 900.0
_REWRITE_MS = 60_000
_NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError)


class Orders:
    """Hands the scheduler every new lease, and the last one after a restart."""

    def __init__(self, client: ServerClient, scheduler: Scheduler, state: StateDirectory) -> None:
        self._client = client
        self._scheduler = scheduler
        self._state = state
        self._kept: Lease | None = None
        self.schedule_revision: int | None = None

    def resume(self) -> None:
        """Go on with the lease on disk; one that is not understood is ignored."""
        try:
            document = self._state.read_json(_LEASE_FILE)
            if document is not None:
                self._scheduler.accept(Lease.parse(document))
        except (StateUnusable, *_NOT_UNDERSTOOD) as error:
            logger.warning("lease_ignored file=%s reason=%r", _LEASE_FILE, error)

    async def fetch(self) -> None:
        """Ask for the next quarter of an hour."""
        document = await self._client.lease(horizon_seconds=_HORIZON_SECONDS)
        try:
            lease = Lease.parse(document)
        except _NOT_UNDERSTOOD as error:
            raise CallFailed(f"leases: the answer is not understood: {error!r}") from error
        await asyncio.to_thread(_load_validators, lease)
        self._scheduler.accept(lease)
        self.schedule_revision = lease.schedule_revision
        if self._is_worth_keeping(lease):
            await asyncio.to_thread(self._keep, lease, document)

    def _is_worth_keeping(self, lease: Lease) -> bool:
        """Each poll moves the horizon, which can be derived: writing that would wear disks out."""
        kept = self._kept
        return (
            kept is None
            or kept.assignments != lease.assignments
            or kept.cancelled != lease.cancelled
            or kept.pauses != lease.pauses
            or lease.server_time_ms - kept.server_time_ms >= _REWRITE_MS
        )

    def _keep(self, lease: Lease, document: dict[str, Any]) -> None:
        try:
            self._state.write_json(_LEASE_FILE, _leave_out_keys(document))
            self._kept = lease
        except StateUnusable as error:
            logger.warning("lease_not_kept reason=%s", error)


def _leave_out_keys(document: dict[str, Any]) -> dict[str, Any]:
    """The lease without its paired runs: their keys are for the moment, and for memory alone."""
    return document | {"runs": [run for run in document["runs"] if run.get("peer") is None]}


def _load_validators(lease: Lease) -> None:
    """Load what the runs will need, so that the first of them is not late for it."""
    kinds = {assignment.kind for assignment in lease.assignments.values()}
    for kind in kinds.intersection(list_kinds()):
        load_validator(kind)
