"""One TLS handshake, timed, over a connection that may begin in the clear."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from streamswarm_agent.errors import AgentError
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.tls_hello import ServerFlight, Version, build_client_hello

StartTls = Literal["none", "smtp", "imap"]
PIECE_BYTES = 1 << 14
MAX_LINE_BYTES = 1 << 12
MAX_LINES = 100
TICKET_WAIT_SECONDS = 0.5
DER_ENCODING = 2


class StartTlsRefused(AgentError):
    """The server does not go on to TLS; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, the name to ask for there, and how TLS begins."""

    address: str
    port: int
    server_name: str
    start_tls: StartTls
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Handshake:
    """A handshake that came to its end after `seconds`, the connection not counted.

    `chain` are the certificates that the server sent, as DER, its own first; `is_chain_known` is
    false when this Python tells only the server's own.
    """

    seconds: float
    version: str
    cipher: str
    alpn: str
    is_resumed: bool
    session: ssl.SSLSession | None
    chain: tuple[bytes, ...]
    is_chain_known: bool


class Handshaker:
    """Makes handshakes with one endpoint, each over a connection of its own."""

    def __init__(self, clock: Clock, endpoint: Endpoint) -> None:
        self._clock = clock
        self._endpoint = endpoint

    async def shake(
        self,
        context: ssl.SSLContext,
        session: ssl.SSLSession | None = None,
        *,
        is_ticket_wanted: bool = False,
    ) -> Handshake:
        """The handshake; with `is_ticket_wanted` it waits a moment for the ticket of TLS 1.3.

        Raises: ssl.SSLCertVerificationError, ssl.SSLError, OSError, TimeoutError, EOFError,
        StartTlsRefused.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = context.wrap_bio(
            incoming, outgoing, server_hostname=self._endpoint.server_name, session=session
        )
        async with (
            asyncio.timeout(self._endpoint.timeout_seconds),
            self._open() as (reader, writer),
        ):
            start = self._clock.monotonic()
            await _complete(connection, incoming, outgoing, reader=reader, writer=writer)
            seconds = self._clock.monotonic() - start
            if is_ticket_wanted:
                await _take_ticket(connection, incoming, reader)
            return _describe(connection, seconds)

    async def greet(self, version: Version) -> ServerFlight:
        """What the server answers to a hello of that version at most; nothing is a flight too.

        Raises: OSError, TimeoutError, EOFError, StartTlsRefused.
        """
        name = self._endpoint.server_name
        has_name = not name.replace(".", "").isdigit() and ":" not in name
        hello = build_client_hello(version, name if has_name else "", secrets.token_bytes(32))
        flight = ServerFlight()
        async with (
            asyncio.timeout(self._endpoint.timeout_seconds),
            self._open() as (reader, writer),
        ):
            writer.write(hello)
            while not flight.is_over:
                flight.take(await reader.read(PIECE_BYTES))
        return flight

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            self._endpoint.address, self._endpoint.port, limit=MAX_LINE_BYTES
        )
        try:
            await _start_tls(self._endpoint.start_tls, reader, writer)
            yield reader, writer
        finally:
            writer.transport.abort()


async def _complete(
    connection: ssl.SSLObject,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    *,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            await writer.drain()
            received = await reader.read(PIECE_BYTES)
            if not received:
                raise EOFError("the server closed the connection during the handshake") from None
            incoming.write(received)
        else:
            writer.write(outgoing.read())
            await writer.drain()
            return


async def _take_ticket(
    connection: ssl.SSLObject, incoming: ssl.MemoryBIO, reader: asyncio.StreamReader
) -> None:
    """In TLS 1.3 the ticket follows the handshake; a server that sends none keeps us waiting."""
    try:
        async with asyncio.timeout(TICKET_WAIT_SECONDS):
            while not (connection.session and connection.session.has_ticket):
                received = await reader.read(PIECE_BYTES)
                if not received:
                    return
                incoming.write(received)
                _read_on(connection)
    except TimeoutError:
        return


def _read_on(connection: ssl.SSLObject) -> None:
    try:
        connection.read(1)
    except ssl.SSLWantReadError:
        return


def _describe(connection: ssl.SSLObject, seconds: float) -> Handshake:
    chain = _read_chain(connection)
    own = connection.getpeercert(binary_form=True)
    cipher = connection.cipher()
    session = connection.session
    return Handshake(
        seconds=seconds,
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=connection.selected_alpn_protocol() or "",
        is_resumed=bool(connection.session_reused),
        session=session,
        chain=chain or ((own,) if own else ()),
        is_chain_known=bool(chain),
    )


def _read_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """Public from Python 3.13 on; before, the object inside has had it since 3.10."""
    public: Any = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return tuple(public() or ())
    inner: Any = getattr(getattr(connection, "_sslobj", None), "get_unverified_chain", None)
    if inner is None:
        return ()
    return tuple(bytes(one.public_bytes(DER_ENCODING)) for one in inner() or ())


async def _start_tls(
    form: StartTls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """The words before TLS. Source: RFC 3207 (SMTP), RFC 9051 section 6.2.1 (IMAP)."""
    if form == "smtp":
        await _expect(reader, "220")
        writer.write(b"EHLO streamswarm.invalid\r\n")
        await _expect(reader, "250")
        writer.write(b"STARTTLS\r\n")
        await _expect(reader, "220")
    elif form == "imap":
        await _expect(reader, "* OK")
        writer.write(b"a1 STARTTLS\r\n")
        await _expect(reader, "a1 OK")


async def _expect(reader: asyncio.StreamReader, wanted: str) -> None:
    """Reads to the last line of a reply, which must begin so."""
    for _ in range(MAX_LINES):
        try:
            line = (await reader.readuntil(b"\n")).decode("ascii", "replace").strip()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise EOFError("the server ended the talk before TLS") from error
        is_more = line[3:4] == "-" if wanted[0].isdigit() else line[:2] == "* " and wanted[0] != "*"
        if is_more:
            continue
        if not line.upper().startswith(wanted.upper()):
            raise StartTlsRefused(f"no STARTTLS: {line[:100]}")
        return
    raise StartTlsRefused("no STARTTLS: the reply has no end")
