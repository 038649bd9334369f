"""The answering end of `qos`: reflects packets with the class that they ask for."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar

from streamswarm_agent.probes.base import Clock, ResponderRequest
from streamswarm_agent.probes.datagram_socket import Datagram
from streamswarm_agent.probes.loaded_latency import name_session
from streamswarm_agent.probes.qos_link import ANSWER_CLASS_OCTET, CLASSES, SHORT_ANSWER_OCTET, SWEEP
from streamswarm_agent.probes.responders.stream_port import (
    SHARED_STREAM_PORTS,
    StreamPorts,
)
from streamswarm_agent.probes.responders.udp_port import SHARED_PORTS, Answer, UdpPorts
from streamswarm_agent.probes.responders.udp_session import ReflectedSession
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_packet import PACKET_BYTES
from streamswarm_agent.probes.stream_wire import Channel, StreamKeys

SESSIONS = (CLASSES, SWEEP)


class MarkedSession(ReflectedSession):
    """A session whose answers leave with the class that the request names, short if it says so."""

    def take(self, datagram: Datagram, answer: Answer) -> bool:
        """As `PortSession.take`."""
        wanted = datagram.payload

        def answer_as_wanted(payload: bytes, _traffic_class: int) -> None:
            is_short = bool(wanted[SHORT_ANSWER_OCTET])
            shown = payload[:PACKET_BYTES] if is_short else payload
            answer(shown, wanted[ANSWER_CLASS_OCTET])

        return super().take(datagram, answer_as_wanted)


class OpenPort:
    """Lets connections be opened, for what they negotiate, and closes them without a byte."""

    def __init__(self, request: ResponderRequest) -> None:
        self.keys = StreamKeys.derive(request.key, request.run_id)
        self.allowed_address = request.allowed_address

    def join(self, number: int, channel: Channel) -> None:  # noqa: ARG002 - as `StreamSession.join`
        """Close it."""
        channel.socket.close()


class QosResponder:
    """Listens for the run's time, on the port that all runs of the process share."""

    kind: ClassVar[str] = "qos"

    def __init__(
        self,
        clock: Clock,
        datagrams: UdpPorts = SHARED_PORTS,
        streams: StreamPorts = SHARED_STREAM_PORTS,
    ) -> None:
        self._clock = clock
        self._datagrams = datagrams
        self._streams = streams

    async def serve(self, request: ResponderRequest) -> None:
        """Answer the holder of the run's key; see `Responder`. Raises: ProbeFailed."""
        place: dict[str, Any] = {"bind_address": request.bind_address, "port": request.port}
        with ExitStack() as listening:
            for name in SESSIONS:
                named = replace(request, run_id=name_session(request.run_id, name))
                session = MarkedSession(named, SessionClocks())
                listening.enter_context(self._datagrams.listen(session, **place))
            listening.enter_context(self._streams.listen(OpenPort(request), **place))
            await self._clock.sleep(request.duration_seconds)
