"""A test between two agents over the bridge: the far one answers, the near one measures."""

import json
import os
import signal
import sys
from contextlib import contextmanager

from streamswarm_agent.laboratory.path import SOURCE_FOLDER
from tests.servers.waiting import wait_until

KEY = bytes(range(32)).hex()
PORT = 8620
START_SECONDS = 90.0
STATES = {"tcp": " 0A ", "udp": " 07 "}


def agent_command(*arguments):
    return [
        "env", f"PYTHONPATH={SOURCE_FOLDER}", f"PATH={os.environ.get('PATH', os.defpath)}",
        sys.executable, "-m", "streamswarm_agent", *arguments,
    ]  # fmt: skip


@contextmanager
def answer_in_far(bridge, kind, *, protocol="udp"):
    """The far agent's answering end of that kind, until the block ends."""
    process = bridge.start_in(
        "far", agent_command("respond", kind, f"--key={KEY}", f"--bind={bridge.far.ipv4}")
    )
    try:
        wait_for_port(bridge, protocol, PORT)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def wait_for_port(bridge, protocol, port):
    place = f":{port:04X} "

    def is_open():
        lines = bridge.run_in("far", ["cat", f"/proc/net/{protocol}"]).splitlines()
        return any(place in line and STATES[protocol] in line for line in lines)

    wait_until(is_open, seconds=START_SECONDS, what=f"the far {protocol} port {port}")


def measure_pair(bridge, kind, folder, *, duration_seconds, before=(), **parameters):
    """The outcome of the near agent's test, started by `before`; someone must be answering."""
    options = [f"--param={name}={value}" for name, value in parameters.items()]
    command = agent_command(
        "test", kind, bridge.far.ipv4, "--json", f"--key={KEY}", f"--duration={duration_seconds}",
        f"--state-dir={folder}", *options,
    )  # fmt: skip
    timeout = duration_seconds + START_SECONDS
    argv = [*before, *command]
    printed = bridge.run_in("near", argv, timeout=timeout, good_codes=(0, 1))
    return json.loads(printed)["outcome"]
