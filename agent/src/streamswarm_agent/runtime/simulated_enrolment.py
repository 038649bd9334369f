"""How simulated agents come to a server: enrolled like real ones, and given a test if asked."""

import asyncio
import time
from typing import Any

from streamswarm_agent import __version__
from streamswarm_agent.errors import AgentError
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.messages import Assignment, Enrolment, Lease

ASSIGNMENT_SECONDS = 60.0
_ENROLMENTS_AT_ONCE = 8
_ENROLMENT_ATTEMPTS = 8
_REFUSED_FOR_GOOD = {400, 401, 403, 404}
_HORIZON_SECONDS = 60.0
_LEASE_SECONDS = 2.0
_KIND_OF_TEST = "ping"
_REGULAR_SCHEDULES = frozenset({"every", "continuous"})


async def enrol_all(client: ServerClient, token: str, names: list[str]) -> list[Enrolment]:
    """The identities of new clients with these names, in their order.

    Raises: AgentError naming a client that the server did not let in.
    """
    gate = asyncio.Semaphore(_ENROLMENTS_AT_ONCE)
    return await asyncio.gather(*(_enrol(client, gate, token, name) for name in names))


async def _enrol(client: ServerClient, gate: asyncio.Semaphore, token: str, name: str) -> Enrolment:
    backoff = Backoff()
    attempts_left = _ENROLMENT_ATTEMPTS
    inventory = _describe_simulated_host(name)
    async with gate:
        while True:
            attempts_left -= 1
            try:
                return await client.enrol(
                    token=token, name=name, agent_version=__version__, inventory=inventory
                )
            except AgentError as error:
                is_final = getattr(error, "status", 0) in _REFUSED_FOR_GOOD
                if is_final or attempts_left == 0:
                    raise AgentError(f"enrolment of {name}: {error}") from error
                await asyncio.sleep(backoff.next_delay_seconds(error))


async def find_assignment(
    server: ServerClient, name: str, *, within_seconds: float = ASSIGNMENT_SECONDS
) -> Assignment:
    """A regular ping test that the server has given to the client; waits for one.

    Raises: AgentError naming the client that got none in time.
    """
    limit = time.monotonic() + within_seconds
    while True:
        mine = await _list_tests(server)
        if mine:
            return min(mine, key=lambda assignment: assignment.id)
        if time.monotonic() >= limit:
            raise AgentError(
                f"kind: the server gave no regular {_KIND_OF_TEST} test to {name} within "
                f"{within_seconds:g} s; let one choose all clients, or say --kind host"
            )
        await asyncio.sleep(_LEASE_SECONDS)


async def _list_tests(server: ServerClient) -> list[Assignment]:
    answer = await server.lease(horizon_seconds=_HORIZON_SECONDS)
    try:
        lease = Lease.parse(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(f"the server's lease is not understood: {error!r}") from error
    return [
        one
        for one in lease.assignments.values()
        if one.kind == _KIND_OF_TEST and one.schedule.kind in _REGULAR_SCHEDULES
    ]


def _describe_simulated_host(name: str) -> dict[str, Any]:
    return {
        "hostname": name,
        "operating_system": "Simulated",
        "operating_system_version": "",
        "kernel": "",
        "architecture": "",
        "python_version": "",
        "cpu_model": "",
        "cpu_count": 1,
        "memory_bytes": 0,
        "disks": [],
        "interfaces": [],
        "capabilities": {"icmp_datagram": {"is_available": True}},
        "probes": [_KIND_OF_TEST],
    }
