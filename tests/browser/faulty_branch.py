"""One branch with an agent, and a path from it to a far site that breaks when it is told to."""

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.tests.authority import Authority, as_pem
from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.topology import Topology, open_chain
from tests.browser.branches import (
    HOPS,
    SLOW_LINK,
    WITH_OWN_NAMES,
    name_addresses,
    open_far_site,
    wait_until_known,
)
from tests.flows.agents import AgentHost, build_agent_environment, enrol_host
from tests.servers.doorway import open_doorway

WELL = Impairment(delay_seconds=0.008, jitter_seconds=0.001, jitter_shape="normal")
BROKEN = Impairment(
    delay_seconds=0.088, jitter_seconds=0.001, jitter_shape="normal", drop_ratio=0.2
)
# How busy the machine is that plays all hosts of the laboratory is no matter of this one.
UNASKED = {"SWARM_AGENT_HOST_ENABLED": "no"}


@dataclass(frozen=True, slots=True)
class FaultyBranch:
    """The branch's host, the network that it is in, and the far site's addresses by name."""

    host: AgentHost
    network: Topology
    addresses: dict

    def break_path(self):
        """From now on a fifth is lost on the way there, and all of it is 80 ms late."""
        self.network.faults.set(forward=BROKEN)


@contextmanager
def open_faulty_branch(server, admin, name):
    """An agent that the server has seen, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-branch-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        network = cleanup.enter_context(open_chain(HOPS, faulty_link=SLOW_LINK))
        network.faults.set(forward=WELL, reverse=WELL)
        addresses = name_addresses(network)
        authority = Authority(folder)
        (folder / "root.pem").write_bytes(as_pem(authority.root))
        cleanup.enter_context(open_far_site(network, addresses, authority, folder))
        source = network.hosts["source"]
        cleanup.enter_context(open_doorway(source, int(server.environment["SWARM_PORT"])))
        launcher = source.command(["sh", "-c", WITH_OWN_NAMES, str(folder)])
        host = enrol_host(
            folder / name, server.base_url, admin.issue_enrolment_token(), name,
            launcher=tuple(launcher),
        )  # fmt: skip
        cleanup.callback(host.end)
        trusted = {"SSL_CERT_FILE": str(folder / "root.pem")}
        host.start(build_agent_environment(**trusted, **UNASKED))
        wait_until_known(admin, host)
        yield FaultyBranch(host, network, addresses)
