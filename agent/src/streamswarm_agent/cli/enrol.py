"""`enrol`: register this host with a server."""

import argparse
import asyncio
import ipaddress
import socket
import sys
from pathlib import Path
from typing import Any

import httpx

from streamswarm_agent import __version__
from streamswarm_agent.cli import options
from streamswarm_agent.collectors.inventory import collect_inventory
from streamswarm_agent.errors import AgentError
from streamswarm_agent.probes import PROBES
from streamswarm_agent.spool.state import Identity
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import check_server_url, make_tls_context, open_http
from streamswarm_agent.wire.messages import Enrolment


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "enrol", "register this host with a server")
    options.add_server_options(parser)
    options.add_state_option(parser)
    parser.add_argument("--name", help="the client's name (default: the host's name)")
    parser.add_argument("--force", action="store_true", help="replace an earlier enrolment")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Exchange the token for a key and keep it in the state directory."""
    server_url = check_server_url(arguments.server)
    ca_file = str(Path(arguments.ca_file).absolute()) if arguments.ca_file else None
    state = options.open_state(arguments)
    state.create()
    with state.hold_lock():
        former = state.read_identity()
        if former is not None and not arguments.force:
            raise AgentError(
                f"already enrolled at {former.server_url} as {former.name!r}; "
                "--force replaces that enrolment"
            )
        if not is_private_line(server_url):
            print("warning: plain http lets anyone on the way read the key", file=sys.stderr)
        name = arguments.name or socket.gethostname()
        enrolment = asyncio.run(enrol(server_url, options.read_token(arguments), name, ca_file))
        state.write_identity(
            Identity(server_url, enrolment.client_id, enrolment.name, enrolment.key, ca_file)
        )
    print(f"enrolled at {server_url} as {enrolment.name!r}, client {enrolment.client_id}")
    return 0


async def enrol(server_url: str, token: str, name: str, ca_file: str | None) -> Enrolment:
    """The identity a server gives for a token.

    Raises: CallFailed without an answer, CallRefused with the server's reason.
    """
    inventory = await asyncio.to_thread(collect_inventory, tuple(PROBES))
    client = ServerClient(open_http(server_url, make_tls_context(server_url, ca_file)))
    try:
        return await client.enrol(
            token=token, name=name, agent_version=__version__, inventory=inventory
        )
    finally:
        await client.close()


def is_private_line(server_url: str) -> bool:
    """Whether nobody on the way can read what is sent: https, or this very host."""
    url = httpx.URL(server_url)
    if url.scheme == "https" or url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
