"""What can call the agent's loops before their time."""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wakes:
    """One event per loop that talks to the server."""

    heartbeat: asyncio.Event = field(default_factory=asyncio.Event)
    leases: asyncio.Event = field(default_factory=asyncio.Event)
    config: asyncio.Event = field(default_factory=asyncio.Event)
    upload: asyncio.Event = field(default_factory=asyncio.Event)

    def obey(self, nudge: str) -> None:
        """Wake what the server's word names; words of later servers are ignored."""
        event = {"heartbeat": self.heartbeat, "leases": self.leases, "config": self.config}
        if nudge in event:
            event[nudge].set()
