"""Answers test after test of whoever holds one key, without a server that names the runs."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streamswarm_agent.probes.base import Responder, ResponderRequest
from streamswarm_agent.probes.datagram_socket import Datagram
from streamswarm_agent.probes.invitation import (
    NONCE_BYTES,
    build_answer,
    derive_invitation_keys,
    name_run,
    read_question,
)
from streamswarm_agent.probes.responders.udp_port import SHARED_PORTS, Answer, UdpPorts
from streamswarm_agent.probes.responders.udp_session import MAPPED_IPV4

MOST_RUNS = 16
"""Runs at once; for one more, the oldest ends."""
REMEMBERED_QUESTIONS = 4096


class Invitations:
    """Takes the questions for runs; each is answered once, with as many bytes as came."""

    def __init__(self, request: ResponderRequest, begin: Callable[[str], None]) -> None:
        """`begin` is told the id of each new run."""
        self._keys = derive_invitation_keys(request.key)
        self.tag = self._keys.tag
        self._allowed_address = request.allowed_address
        self._begin = begin
        self._known: deque[bytes] = deque(maxlen=REMEMBERED_QUESTIONS)

    def take(self, datagram: Datagram, answer: Answer) -> bool:
        """As `PortSession.take`."""
        address = str(datagram.source[0]).partition("%")[0].removeprefix(MAPPED_IPV4)
        if self._allowed_address not in {"", address}:
            return False
        question = read_question(self._keys, datagram.payload)
        if question is None:
            return False
        if question not in self._known:
            self._known.append(question)
            nonce = secrets.token_bytes(NONCE_BYTES)
            self._begin(name_run(nonce))
            answer(build_answer(self._keys, question, nonce), 0)
        return True


class ByHandResponder:
    """Gives each test that holds the key a run of its own at the kind's responder."""

    def __init__(self, responder: Responder, ports: UdpPorts = SHARED_PORTS) -> None:
        self._responder = responder
        self._ports = ports
        self._runs: list[asyncio.Task[None]] = []

    async def serve(self, request: ResponderRequest) -> None:
        """Answer for `request.duration_seconds`; its run id does not matter.

        Raises: ProbeFailed when it cannot listen.
        """

        def begin(run_id: str) -> None:
            serving = self._responder.serve(replace(request, run_id=run_id))
            self._runs.append(asyncio.create_task(serving))
            if len(self._runs) > MOST_RUNS:
                self._runs.pop(0).cancel()

        invitations = Invitations(request, begin)
        # A run of nobody keeps the kind's ports open, so that what fails does so at once.
        holding = replace(request, run_id=name_run(secrets.token_bytes(NONCE_BYTES)))
        try:
            with self._ports.listen(
                invitations, bind_address=request.bind_address, port=request.port
            ):
                await self._responder.serve(holding)
        finally:
            for run in self._runs:
                run.cancel()
            await asyncio.gather(*self._runs, return_exceptions=True)
            self._runs.clear()
