"""How the two ends of a TCP test prove themselves to each other, and what they say then.

The initiator opens a connection and greets (64 bytes); only a greeting that the run's key made is
answered, with fewer bytes than came; the initiator then proves that it is not a greeting caught
and sent again. Messages on the control connection are JSON with a code over their number.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAGIC = b"SWST"
GREETING = struct.Struct("!4sHH8s16s16x")
CODE_BYTES = 16
NONCE_BYTES = 16
GREETING_BYTES = GREETING.size + CODE_BYTES
CHALLENGE_BYTES = NONCE_BYTES + CODE_BYTES
LENGTH = struct.Struct("!I")
MOST_MESSAGE_BYTES = 1 << 20
CONTROL = 0xFFFF
"""Where a stream has its number, the control connection has this."""


class StreamRefused(Exception):
    """The other end did not prove itself, went away, or said what no end says."""


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """What proves the connections of one run, another key each way."""

    forward: bytes = field(repr=False)
    reverse: bytes = field(repr=False)
    tag: bytes

    @classmethod
    def derive(cls, key: bytes, run_id: str) -> "StreamKeys":
        """The keys of the run, and the 8 bytes that tell it apart on a port."""
        forward, reverse = (
            hmac.digest(key, f"streamswarm stream {way} {run_id}".encode(), "sha256")
            for way in ("forward", "reverse")
        )
        return cls(forward, reverse, hashlib.sha256(run_id.encode()).digest()[:8])


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first bytes of a connection."""

    number: int
    tag: bytes
    raw: bytes


def sign(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts, its first 16 bytes."""
    return hmac.digest(key, b"".join(parts), "sha256")[:CODE_BYTES]


def build_greeting(keys: StreamKeys, number: int) -> bytes:
    """The greeting of a stream, or of the control connection."""
    head = GREETING.pack(MAGIC, 1, number, keys.tag, secrets.token_bytes(NONCE_BYTES))
    return head + sign(keys.forward, head)


def read_greeting(raw: bytes) -> Greeting | None:
    """What a greeting claims; None for something else."""
    magic, version, number, tag, _ = GREETING.unpack_from(raw)
    return Greeting(number, tag, raw) if (magic, version) == (MAGIC, 1) else None


async def receive_exactly(opened: socket.socket, count: int) -> bytes:
    """So many bytes. Raises: StreamRefused when the connection ends before."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < count:
        part = await loop.sock_recv(opened, count - len(received))
        if not part:
            raise StreamRefused("the other end closed the connection")
        received += part
    return bytes(received)


async def introduce(opened: socket.socket, keys: StreamKeys, number: int) -> "Channel":
    """Prove this end to the responder, and the responder to this end. Raises: StreamRefused."""
    loop = asyncio.get_running_loop()
    greeting = build_greeting(keys, number)
    await loop.sock_sendall(opened, greeting)
    challenge = await receive_exactly(opened, CHALLENGE_BYTES)
    nonce, code = challenge[:NONCE_BYTES], challenge[NONCE_BYTES:]
    if not hmac.compare_digest(code, sign(keys.reverse, greeting, nonce)):
        raise StreamRefused("the other end does not have the run's key")
    await loop.sock_sendall(opened, sign(keys.forward, greeting, challenge))
    return Channel(opened, keys.forward, keys.reverse, greeting + nonce)


async def challenge(opened: socket.socket, keys: StreamKeys, greeting: Greeting) -> "Channel":
    """Let whoever greeted prove that it has the run's key, now. Raises: StreamRefused."""
    head, code = greeting.raw[: GREETING.size], greeting.raw[GREETING.size :]
    if not hmac.compare_digest(code, sign(keys.forward, head)):
        raise StreamRefused("not a greeting of this run")
    nonce = secrets.token_bytes(NONCE_BYTES)
    answer = nonce + sign(keys.reverse, greeting.raw, nonce)
    await asyncio.get_running_loop().sock_sendall(opened, answer)
    proof = await receive_exactly(opened, CODE_BYTES)
    if not hmac.compare_digest(proof, sign(keys.forward, greeting.raw, answer)):
        raise StreamRefused("the greeting was not proved")
    return Channel(opened, keys.reverse, keys.forward, greeting.raw + nonce)


class Channel:
    """A proved connection; messages go both ways on it, each with its number under its code."""

    def __init__(
        self, opened: socket.socket, own_key: bytes, other_key: bytes, session: bytes
    ) -> None:
        self.socket = opened
        self._own_key = own_key
        self._other_key = other_key
        self._session = session
        self._sent_count = 0
        self._received_count = 0

    async def send(self, message: Mapping[str, Any]) -> None:
        """Say it. Raises: OSError when the other end is gone."""
        body = json.dumps(message, separators=(",", ":")).encode()
        code = sign(self._own_key, self._session, self._sent_count.to_bytes(8), body)
        self._sent_count += 1
        packed = LENGTH.pack(len(body)) + code + body
        await asyncio.get_running_loop().sock_sendall(self.socket, packed)

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises: StreamRefused for a wrong one; OSError."""
        (length,) = LENGTH.unpack(await receive_exactly(self.socket, LENGTH.size))
        if length > MOST_MESSAGE_BYTES:
            raise StreamRefused("a message is too long")
        code = await receive_exactly(self.socket, CODE_BYTES)
        body = await receive_exactly(self.socket, length)
        number = self._received_count.to_bytes(8)
        if not hmac.compare_digest(code, sign(self._other_key, self._session, number, body)):
            raise StreamRefused("a message does not bear the run's code")
        self._received_count += 1
        try:
            message = json.loads(body)
        except ValueError as error:
            raise StreamRefused("a message is no JSON") from error
        if not isinstance(message, dict):
            raise StreamRefused("a message is no object")
        return message
