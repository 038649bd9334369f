"""How a test by hand gets a run of its own from whoever answers: one question, one answer.

112 bytes each way, laid out as the packets of a UDP session: the initiator shows that it has the
key, the other end names a run that nobody can have seen before. Questions sent again open nothing.
"""

import hmac
import secrets
import socket
import struct
from contextlib import suppress

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.datagram_socket import open_udp_socket, receive_within
from streamswarm_agent.probes.session_packet import (
    HEADER_BYTES,
    PACKET_BYTES,
    REPORT_SEQUENCE,
    SessionKeys,
    sign,
)

HEADER = struct.Struct("!I22xH16s52x")
NONCE_BYTES = 16
BY_HAND = "by-hand"
"""What the questions belong to; each run has a name of its own."""
ATTEMPTS = 25
ATTEMPT_SECONDS = 0.2


def derive_invitation_keys(key: bytes) -> SessionKeys:
    """What proves questions and answers."""
    return SessionKeys.derive(key, BY_HAND)


def name_run(nonce: bytes) -> str:
    """The id of the run that an answer names."""
    return f"{BY_HAND} {nonce.hex()}"


def build_question(keys: SessionKeys, nonce: bytes) -> bytes:
    """The question for a run."""
    header = HEADER.pack(REPORT_SEQUENCE, keys.tag, nonce)
    return header + sign(keys.forward, header)


def read_question(keys: SessionKeys, packet: bytes) -> bytes | None:
    """The nonce of a question; None for anything else."""
    return _read(keys.forward, packet, b"")


def build_answer(keys: SessionKeys, question_nonce: bytes, nonce: bytes) -> bytes:
    """The answer to that question, which names a run."""
    header = HEADER.pack(REPORT_SEQUENCE, keys.tag, nonce)
    return header + sign(keys.reverse, header, question_nonce)


def read_answer(keys: SessionKeys, packet: bytes, question_nonce: bytes) -> bytes | None:
    """The nonce of an answer to that question; None for anything else."""
    return _read(keys.reverse, packet, question_nonce)


async def ask_for_run(address: str, port: int, key: bytes) -> str:
    """The id of a new run at whoever answers there. Raises: ProbeFailed without an answer."""
    keys = derive_invitation_keys(key)
    opened = open_udp_socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    asked: list[bytes] = []
    try:
        with suppress(OSError):
            opened.connect((address, port))
        for _ in range(ATTEMPTS):
            asked.append(secrets.token_bytes(NONCE_BYTES))
            with suppress(OSError):
                opened.send(build_question(keys, asked[-1]))
            packet = await receive_within(opened, ATTEMPT_SECONDS)
            for question in asked:
                nonce = read_answer(keys, packet, question)
                if nonce is not None:
                    return name_run(nonce)
    finally:
        opened.close()
    raise ProbeFailed(
        f"no answer from {address} UDP port {port}: is `respond` running there, with this key?"
    )


def _read(key: bytes, packet: bytes, context: bytes) -> bytes | None:
    if len(packet) != PACKET_BYTES:
        return None
    header, code = packet[:HEADER_BYTES], packet[HEADER_BYTES:]
    if not hmac.compare_digest(code, sign(key, header, context)):
        return None
    return bytes(HEADER.unpack(header)[2])
