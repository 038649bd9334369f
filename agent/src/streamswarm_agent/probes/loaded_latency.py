"""Round trips on a path, idle and under load, by the packets of a UDP session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from streamswarm_agent.probes.base import Clock, Peer
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import SessionLink, SessionSettings

IDLE_INTERVAL_SECONDS = 0.02
LOADED_INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 3.0
PAIR_COUNT = 20
PAIR_PADDING_BYTES = 1288
PAIR_PACKET_BYTES = 1428
"""Such a packet of the session with its IPv4 and UDP headers."""
PAIR_PAUSE_SECONDS = 0.02
PAIRS_NEED = 5
PAIRS, IDLE = "pairs", "idle"
SESSIONS = (PAIRS, IDLE, "upload", "download")
"""What the packets are for; each is a session of its own, since each has a socket of its own."""
GRADES = ((0.005, "A+"), (0.03, "A"), (0.06, "B"), (0.2, "C"), (0.4, "D"))
"""Limits in seconds of what load adds to a round trip (dslreports.com, 2015)."""


@dataclass(slots=True)
class Pings:
    """Round trips in seconds in sending order, None being a loss."""

    round_trips: list[float | None] = field(default_factory=list)

    @property
    def answered(self) -> list[float]:
        """Those that there are."""
        return [seconds for seconds in self.round_trips if seconds is not None]


class LatencyMeter:
    """Pings the peer at a steady pace."""

    def __init__(self, peer: Peer, clock: Clock, traffic_class: int = 0) -> None:
        self._peer = peer
        self._clock = clock
        self._traffic_class = traffic_class

    async def measure_idle(self, seconds: float) -> Pings:
        """Ping for so long. Raises: OSError."""
        async with self.pinging(IDLE, IDLE_INTERVAL_SECONDS) as pings:
            await self._clock.sleep(seconds)
        return pings

    @asynccontextmanager
    async def pinging(self, session: str, interval_seconds: float) -> AsyncIterator[Pings]:
        """Pings while the block runs; what is under way at its end may still come in."""
        link = self._open_link(session, padding_bytes=0)
        pings = Pings()
        waiting: list[asyncio.Future[float | None]] = []
        task = asyncio.create_task(self._send(link, interval_seconds, waiting))
        try:
            yield pings
            task.cancel()
            pings.round_trips += await asyncio.gather(*waiting)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            link.close()

    async def measure_pairs(self) -> float | None:
        """Bits a second of the narrowest link, by the distance of packets sent as pairs.

        The peer's kernel stamps them. None when fewer than five pairs came through.
        """
        link = self._open_link(PAIRS, padding_bytes=PAIR_PADDING_BYTES)
        try:
            waiting = []
            for _ in range(PAIR_COUNT):
                waiting += [link.send(), link.send()]
                await self._clock.sleep(PAIR_PAUSE_SECONDS)
            await asyncio.gather(*waiting)
        finally:
            link.close()
        reached = {reply.said.sequence: reply.exchange.reached_ns for reply in link.traffic.replies}
        return estimate_capacity(
            [
                (reached[place + 1] - reached[place]) / 1e9
                for place in range(0, 2 * PAIR_COUNT, 2)
                if place in reached and place + 1 in reached
            ]
        )

    def _open_link(self, session: str, *, padding_bytes: int) -> SessionLink:
        settings = SessionSettings(padding_bytes, self._traffic_class, TIMEOUT_SECONDS)
        peer = replace(self._peer, run_id=name_session(self._peer.run_id, session))
        return SessionLink(peer, settings, SessionClocks())

    async def _send(
        self,
        link: SessionLink,
        interval_seconds: float,
        waiting: list[asyncio.Future[float | None]],
    ) -> None:
        start = self._clock.monotonic()
        while True:
            waiting.append(link.send())
            left = start + len(waiting) * interval_seconds - self._clock.monotonic()
            await self._clock.sleep(max(left, 0.0))


def name_session(run_id: str, session: str) -> str:
    """Under which the packets of that session prove themselves."""
    return f"{run_id} {session}"


def estimate_capacity(distances: Sequence[float]) -> float | None:
    """Bits a second by the median distance in seconds of pairs; None for too few."""
    usable = sorted(distance for distance in distances if distance > 0)
    if len(usable) < PAIRS_NEED:
        return None
    return PAIR_PACKET_BYTES * 8 / usable[len(usable) // 2]


def grade_bufferbloat(added_seconds: float) -> str:
    """A+ to F, by what load adds to the median round trip."""
    for limit, grade in GRADES:
        if added_seconds < limit:
            return grade
    return "F"
