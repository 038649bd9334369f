"""`python -m streamswarm_agent.laboratory DEVICE NEAR_NAMESPACE FAR_NAMESPACE IPV4 IPV6`.

The bridge as a process of its own; the addresses are those of its router. It says `{}` when it is
ready, then answers each line of standard input, a JSON object, with another:

    {"set": {"forward": {"delay_seconds": 0.02}}}   impair a direction; the others stay as they are
    {"open_ledger": true}                           begin a new account
    {"read_ledger": true}                           {"waiting": 0, "forward": {...}, "reverse": ...}

A refusal is `{"error": "..."}`. It ends with its input, so no bridge outlives who started it.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from streamswarm_agent.errors import AgentError
from streamswarm_agent.laboratory.bridge import Bridge, Way
from streamswarm_agent.laboratory.devices import become_punctual, open_tun
from streamswarm_agent.laboratory.direction import Direction, Routers
from streamswarm_agent.laboratory.impairment import read_impairment
from streamswarm_agent.laboratory.ledger import write_direction

READ_BYTES = 1 << 16


class Desk:
    """Reads orders and answers them."""

    def __init__(self, directions: Mapping[str, Direction]) -> None:
        self._directions = directions
        self._unread = b""
        self.bridge: Bridge | None = None

    def obey(self) -> bool:
        """Carry out the orders that lie in the input; False when there will be no more."""
        read = os.read(sys.stdin.fileno(), READ_BYTES)
        *orders, self._unread = (self._unread + read).split(b"\n")
        for order in orders:
            try:
                say(self._carry_out(json.loads(order)))
            except (AgentError, ValueError, TypeError) as error:
                say({"error": str(error)})
        return bool(read)

    def _carry_out(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = {name: read_impairment(written) for name, written in order.get("set", {}).items()}
        for name, impairment in wanted.items():
            self._directions[name].impair(impairment)
        if order.get("open_ledger"):
            for direction in self._directions.values():
                direction.open_ledger()
        if not order.get("read_ledger"):
            return {}
        ledgers = {
            name: write_direction(direction.ledger) for name, direction in self._directions.items()
        }
        return {"waiting": self.bridge.waiting_count if self.bridge else 0, **ledgers}


def say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(device: str, near_name: str, far_name: str, ipv4: str, ipv6: str) -> None:
    """Carry packets until standard input ends."""
    routers = Routers(ipv4, ipv6)
    near, far = open_tun(device, near_name), open_tun(device, far_name)
    forward, reverse = Direction(routers), Direction(routers)
    desk = Desk({"forward": forward, "reverse": reverse})
    ways = (Way(near, far, forward), Way(far, near, reverse))
    desk.bridge = Bridge(ways, sys.stdin.fileno(), desk.obey)
    become_punctual()
    say({})
    desk.bridge.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
