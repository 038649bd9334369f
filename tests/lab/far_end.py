"""The answering end of a UDP session with a clock that may be wrong; ends on SIGTERM."""

import asyncio
import sys

from streamswarm_agent.kernel_clock import KernelClock
from streamswarm_agent.probes.base import ResponderRequest
from streamswarm_agent.probes.responders.by_hand import ByHandResponder
from streamswarm_agent.probes.responders.udp_session import UdpSessionResponder
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.runtime.clock import SystemClock

LIFE_SECONDS = 300
# It claims to be right to a millisecond, as a clock that lies does.
CLAIMED = KernelClock(is_synchronized=True, offset_seconds=0.0, max_error_seconds=0.001)


def main(key, address, port, ahead_seconds, drift_ppm):
    clock = SystemClock()
    begin_ns = round(clock.wall() * 1e9)

    def tell(unix_ns):
        drift_ns = round((unix_ns - begin_ns) * float(drift_ppm) * 1e-6)
        return unix_ns + round(float(ahead_seconds) * 1e9) + drift_ns

    is_wrong = float(ahead_seconds) or float(drift_ppm)
    clocks = SessionClocks(tell=tell, kernel=lambda: CLAIMED) if is_wrong else SessionClocks()
    request = ResponderRequest(
        run_id="by-hand",
        key=bytes.fromhex(key),
        parameters={},
        duration_seconds=LIFE_SECONDS,
        bind_address=address,
        port=int(port),
    )
    asyncio.run(ByHandResponder(UdpSessionResponder(clock, clocks=clocks)).serve(request))


if __name__ == "__main__":
    main(*sys.argv[1:])
