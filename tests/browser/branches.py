"""A server, and three branches with agents along a chain of routers, one link of which is slow.

At the far end is a site with names, time and web pages that the branches measure.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.tests.authority import Authority, as_pem
from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.topology import open_chain
from tests.flows.agents import build_agent_environment, enrol_host
from tests.servers.doorway import open_doorway
from tests.servers.stack import ROOT
from tests.servers.waiting import wait_until

PLACES = {"oslo": "source", "bergen": "hop2", "tromso": "target"}
HOPS, SLOW_LINK, NARROW_LINK = 3, 1, 2
NARROW_BYTES = 1400
SLOW = Impairment(
    delay_seconds=0.008,
    jitter_seconds=0.0008,
    jitter_shape="normal",
    drop_ratio=0.002,
    rate_bits_per_second=20e6,
    queue_bytes=120_000,
    dscp_delay_seconds={10: 0.004},
)
BACK = Impairment(delay_seconds=0.005, rate_bits_per_second=20e6, queue_bytes=60_000)
# The far site's second address, and one at which nobody answers.
SECOND, SILENT = 53, 77
IPERF3_PORT = 5201
SETTLE_SECONDS = 90
# What this host knows of names is not what a branch's host does.
WITH_OWN_NAMES = 'mount --bind "$0/resolv.conf" /etc/resolv.conf; exec "$@"'


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches' agents by name, and the far site's addresses by theirs."""

    hosts: dict
    addresses: dict


@contextmanager
def open_branches(server, admin):
    """Three agents that the server has seen, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-branches-"))
    port = int(server.environment["SWARM_PORT"])
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        network = cleanup.enter_context(
            open_chain(HOPS, mtu_bytes={NARROW_LINK: NARROW_BYTES}, faulty_link=SLOW_LINK)
        )
        network.faults.set(forward=SLOW, reverse=BACK)
        addresses = name_addresses(network)
        authority = Authority(folder)
        (folder / "root.pem").write_bytes(as_pem(authority.root))
        cleanup.enter_context(open_far_site(network, addresses, authority, folder))
        cleanup.enter_context(open_iperf3(network.hosts["target"], addresses["shop"]))
        hosts = {}
        for name, place in PLACES.items():
            namespace = network.hosts[place]
            cleanup.enter_context(open_doorway(namespace, port))
            launcher = namespace.command(["sh", "-c", WITH_OWN_NAMES, str(folder)])
            host = enrol_host(
                folder / name, server.base_url, admin.issue_enrolment_token(), name,
                launcher=tuple(launcher),
            )  # fmt: skip
            cleanup.callback(host.end)
            host.start(build_agent_environment(SSL_CERT_FILE=str(folder / "root.pem")))
            hosts[name] = host
        for host in hosts.values():
            wait_until_known(admin, host)
        yield Branches(hosts, addresses)


def name_addresses(network):
    far = network.target
    second, silent = (f"{far.rpartition('.')[0]}.{last}" for last in (SECOND, SILENT))
    hops = {f"router{number}": hop for number, hop in enumerate(network.paths[0][:-1], 1)}
    return {"shop": far, "second": second, "silent": silent, **hops}


@contextmanager
def open_far_site(network, addresses, authority, folder):
    site = network.hosts["target"]
    site.run(["ip", "address", "add", f"{addresses['second']}/24", "dev", f"link{HOPS}"])
    (folder / "resolv.conf").write_text(f"nameserver {addresses['shop']}\n")
    certificate = folder / "site.pem"
    context = authority.issue("*.lab.example")
    shutil.copy(folder / f"{context.certificate.serial_number:x}.pem", certificate)
    ends = [addresses["shop"], addresses["second"]]
    process = site.start(
        [sys.executable, "-m", "tests.servers.far_site", str(certificate), *ends],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    names = {f"{name}.lab.example": address for name, address in addresses.items()}
    process.stdin.write(json.dumps(names))
    process.stdin.close()
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.terminate()
        process.wait(SETTLE_SECONDS)


@contextmanager
def open_iperf3(site, address):
    """The server of iperf3, where it is installed."""
    program = shutil.which("iperf3")
    if program is None:
        yield
        return
    process = site.start([program, "-s", "-B", address, "-p", str(IPERF3_PORT)])
    try:
        wait_until(
            lambda: f":{IPERF3_PORT:04X} 00000000:0000 0A" in site.run(["cat", "/proc/net/tcp"]),
            seconds=SETTLE_SECONDS,
            what="the port of iperf3",
        )
        yield
    finally:
        process.terminate()
        process.wait(SETTLE_SECONDS)


def wait_until_known(admin, host):
    wait_until(
        lambda: "responder" in admin.get(f"clients/{host.client_id}/")["inventory"],
        seconds=SETTLE_SECONDS,
        what="an inventory that says who answers",
    )
