"""`enrol`: register this host with a server."""

import argparse
import asyncio
import ipaddress
import socket
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class LineSettings:
    """The server's address, whom to trust, and what lies in between."""

    server_url: str
    ca_file: str | None
    proxy: str | None


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "enrol", "register this host with a server")
    options.add_server_options(parser, is_url_required=False)
    options.add_state_option(parser)
    parser.add_argument("--name", help="the client's name (default: the host's name)")
    parser.add_argument("--force", action="store_true", help="replace an earlier enrolment")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Exchange the token for a key and keep it in the state directory."""
    configuration = options.find_sources(arguments).read()
    server = arguments.server or configuration.read_text("server.url")
    if server is None:
        raise AgentError("server: say where it is, with --server URL or as server.url in the file")
    server_url = check_server_url(server)
    ca_file = arguments.ca_file or configuration.read_text("server.ca_file")
    line = LineSettings(
        server_url,
        str(Path(ca_file).absolute()) if ca_file else None,
        configuration.read_text("server.proxy"),
    )
    state = options.open_state(arguments, configuration)
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
        enrolment = asyncio.run(enrol(line, options.read_token(arguments), name))
        state.write_identity(
            Identity(server_url, enrolment.client_id, enrolment.name, enrolment.key, line.ca_file)
        )
    print(f"enrolled at {server_url} as {enrolment.name!r}, client {enrolment.client_id}")
    return 0


async def enrol(line: LineSettings, token: str, name: str) -> Enrolment:
    """The identity a server gives for a token.

    Raises: CallFailed without an answer, CallRefused with the server's reason.
    """
    inventory = await asyncio.to_thread(collect_inventory, tuple(PROBES))
    tls = make_tls_context(line.server_url, line.ca_file)
    client = ServerClient(open_http(line.server_url, tls, proxy=line.proxy))
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
