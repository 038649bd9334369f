from uuid import UUID

import httpx
import pytest
import time_machine

from apps.core.clock import read_now
from apps.metrics.services import know_source
from apps.metrics.writers import ensure_partitions
from apps.tests.models import Assignment
from streamswarm_agent.runtime import parts as agent_parts
from streamswarm_agent.runtime.parts import AgentOptions, build_parts
from streamswarm_agent.spool.state import Identity, StateDirectory
from tests.contract.door import ADDRESS, DoorTransport
from tests.contract.wire_contract import EXAMPLE_MOMENT, read_example
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_test


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


@pytest.fixture
def door(client):
    return DoorTransport(client)


@pytest.fixture
def agent(door, probe, key, tmp_path, monkeypatch):
    """The parts of a real agent whose line ends in the server's views."""
    monkeypatch.setattr(
        agent_parts,
        "open_http",
        lambda _url, _tls, **_options: httpx.AsyncClient(base_url=ADDRESS, transport=door),
    )
    state = StateDirectory(tmp_path / "state")
    state.create()
    identity = Identity(ADDRESS, str(probe.id), probe.name, key)
    options = AgentOptions(environment={}, ledger_file=tmp_path / "ledger")
    parts = build_parts(state, identity, options, on_damage=pytest.fail)
    yield parts
    parts.storage.close()


@pytest.fixture
def example_day(db):
    """The server's clock stands at the moment of the wire's examples."""
    with time_machine.travel(EXAMPLE_MOMENT, tick=False):
        ensure_partitions(read_now())
        yield EXAMPLE_MOMENT


@pytest.fixture
def example_assignment(example_day, probe):
    """The assignment that the wire's examples speak of, given to the client."""
    return make_assignment_of(probe, read_example("leases_answer")["assignments"][0])


def make_assignment_of(probe, document):
    """An assignment with the id and the definition of a lease's document."""
    test = make_test(
        document["name"],
        kind=document["kind"],
        target=document["target"],
        parameters=document["parameters"],
        duration_seconds=float(document["duration_seconds"]),
    )
    return Assignment.objects.create(
        id=UUID(document["id"]),
        test=test,
        client=probe,
        created_at=read_now(),
        source_id=know_source(probe.id, "assignment", document["id"]),
    )
