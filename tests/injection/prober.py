"""The agent's probes in the source's namespace: several tests at a time, as the agent runs them.

Each line of standard input is a JSON list of tests (`kind`, `target`, `parameters`, `seconds`, and
`port` and `run` for pairs); a line of their outcomes answers it.
"""

import asyncio
import json
import ssl
import sys
from dataclasses import asdict
from pathlib import Path

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes import build_probes
from streamswarm_agent.probes.base import Peer, ProbeRequest
from streamswarm_agent.probes.http import HttpProbe
from streamswarm_agent.probes.tls import TlsProbe
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.egress import PolicyResolver, read_local_denials
from streamswarm_agent.wire.kinds import complete_parameters
from tests.injection.site import KEY, answer


class Prober:
    def __init__(self, root):
        clock = SystemClock()
        resolver = PolicyResolver(read_local_denials(Path("/nonexistent"), []))
        self.root = root
        self.probes = {
            **build_probes(clock=clock, resolver=resolver),
            "tls": TlsProbe(clock, resolver, self.trust),
            "http": HttpProbe(clock, resolver, self.trust),
        }

    def trust(self, is_verified):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.root)
        if not is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def measure(self, test):
        peer = Peer(test["target"], test["port"], KEY, test["run"]) if "port" in test else None
        parameters = complete_parameters(test["kind"], test.get("parameters", {}))
        seconds = test["seconds"]
        request = ProbeRequest(test["target"], parameters, seconds, seconds, peer)
        try:
            outcome = asdict(await self.probes[test["kind"]].run(request, forget))
        except ProbeFailed as error:
            outcome = {
                "is_success": False, "reason": str(error), "values": {}, "facts": {}, "document": {}
            }  # fmt: skip
        return {"kind": test["kind"], "target": test["target"], **outcome}


async def forget(sample):
    pass


async def main(root):
    prober = Prober(root)
    answer({})
    while line := await asyncio.to_thread(sys.stdin.readline):
        outcomes = await asyncio.gather(*(prober.measure(one) for one in json.loads(line)))
        answer(outcomes)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
