"""`respond`: the answering end of tests between two agents, by hand and without a server."""

import argparse
import asyncio
import secrets
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.probes.base import ResponderRequest
from streamswarm_agent.probes.invitation import BY_HAND
from streamswarm_agent.probes.responders import RESPONDERS, build_responders
from streamswarm_agent.probes.responders.by_hand import ByHandResponder
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.wire.kinds import complete_parameters

DEFAULT_PORT = 8620
KEY_BYTES = 32


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "respond", "answer tests of another agent")
    parser.add_argument("kind", metavar="TYPE", choices=sorted(RESPONDERS), help="udp_session, ..")
    parser.add_argument(
        "--key", type=parse_key, metavar="HEX", help="64 hex digits (default: a new one, printed)"
    )
    parser.add_argument("--port", type=parse_port, default=DEFAULT_PORT, help="(default: 8620)")
    parser.add_argument("--bind", default="", metavar="ADDRESS", help="(default: all)")
    parser.add_argument("--allow", default="", metavar="ADDRESS", help="answer this address only")
    parser.add_argument(
        "--duration", type=options.parse_positive, default=600.0, metavar="S", help="(default: 600)"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Answer whoever holds the key, test after test, until the time is over; 0."""
    key = arguments.key or secrets.token_bytes(KEY_BYTES)
    request = ResponderRequest(
        run_id=BY_HAND,
        key=key,
        parameters=complete_parameters(arguments.kind, {}),
        duration_seconds=arguments.duration,
        bind_address=arguments.bind,
        port=arguments.port,
        allowed_address=arguments.allow,
    )
    if arguments.key is None:
        print(
            f"On the other host: streamswarm-agent test {arguments.kind} THIS-HOST "
            f"--peer-port {arguments.port} --key {key.hex()}",
            flush=True,
        )
    responder = build_responders(clock=SystemClock())[arguments.kind]
    asyncio.run(ByHandResponder(responder).serve(request))
    return 0


def parse_key(text: str) -> bytes:
    """The key of 64 hex digits. Raises: argparse.ArgumentTypeError."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise argparse.ArgumentTypeError(f"a key is {2 * KEY_BYTES} hex digits")
    return key


def parse_port(text: str) -> int:
    """A port number. Raises: argparse.ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:  # noqa: PLR2004 - the highest port
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65535")
    return int(text)
