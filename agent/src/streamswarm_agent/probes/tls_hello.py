"""TLS hellos by hand: what Python's ssl neither asks for (stapling) nor still speaks (TLS 1.0)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

Version = tuple[int, int]
TLS_1_0, TLS_1_1, TLS_1_2 = (3, 1), (3, 2), (3, 3)
HANDSHAKE = 22
CLIENT_HELLO, SERVER_HELLO, HELLO_DONE, CERTIFICATE_STATUS = 1, 2, 14, 22
RECORD_HEAD_BYTES, MESSAGE_HEAD_BYTES = 5, 4
MAX_FLIGHT_BYTES = 1 << 18
CIPHERS = (
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC009, 0xC013, 0xC00A, 0xC014,
    0x009C, 0x009D, 0x0033, 0x0039, 0x002F, 0x0035, 0x000A,
)  # fmt: skip
"""Suites of TLS 1.0 to 1.2 with certificates, the better ones first."""
GROUPS = (29, 23, 24, 25)
SIGNATURE_SCHEMES = (
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0806, 0x0601, 0x0807, 0x0203, 0x0201,
)  # fmt: skip


def build_client_hello(version: Version, server_name: str, random: bytes) -> bytes:
    """A hello that offers `version` and older ones, and asks for a stapled OCSP response.

    `server_name` is an ASCII name, or empty for none; `random` has 32 bytes.
    Source: RFC 5246 section 7.4.1.2, RFC 6066 sections 3 and 8, RFC 8422 section 5.1.
    """
    extensions = [
        (5, b"\x01" + bytes(4)),
        (10, _with_length(_pack_all(GROUPS))),
        (11, b"\x01\x00"),
    ]
    if server_name:
        entry = b"\x00" + _with_length(server_name.encode("ascii"))
        extensions.append((0, _with_length(entry)))
    if version >= TLS_1_2:
        extensions.append((13, _with_length(_pack_all(SIGNATURE_SCHEMES))))
    packed = b"".join(struct.pack("!H", kind) + _with_length(body) for kind, body in extensions)
    body = (
        bytes(version)
        + random
        + b"\x00"
        + _with_length(_pack_all(CIPHERS))
        + b"\x01\x00"
        + _with_length(packed)
    )
    message = bytes([CLIENT_HELLO]) + len(body).to_bytes(3, "big") + body
    return bytes([HANDSHAKE, *TLS_1_0]) + _with_length(message)


@dataclass(slots=True)
class ServerFlight:
    """What a server answers to a hello, read as its bytes come in.

    `version` is None until the server has chosen one; `is_over` when nothing more is needed.
    """

    version: Version | None = None
    is_stapled: bool = False
    is_over: bool = False
    _received: bytearray = field(default_factory=bytearray)
    _messages: bytearray = field(default_factory=bytearray)
    _byte_count: int = 0

    def take(self, received: bytes) -> None:
        """The next bytes of the stream; none means that it has ended."""
        self._received += received
        self._byte_count += len(received)
        while not self.is_over and self._take_record():
            continue
        if not received or self._byte_count > MAX_FLIGHT_BYTES:
            self.is_over = True

    def _take_record(self) -> bool:
        if len(self._received) < RECORD_HEAD_BYTES:
            return False
        kind = self._received[0]
        end = RECORD_HEAD_BYTES + int.from_bytes(self._received[3:5], "big")
        if kind != HANDSHAKE:
            self.is_over = True
            return False
        if len(self._received) < end:
            return False
        self._messages += self._received[RECORD_HEAD_BYTES:end]
        del self._received[:end]
        while not self.is_over and self._take_message():
            continue
        return True

    def _take_message(self) -> bool:
        if len(self._messages) < MESSAGE_HEAD_BYTES:
            return False
        end = MESSAGE_HEAD_BYTES + int.from_bytes(self._messages[1:4], "big")
        if len(self._messages) < end:
            return False
        kind = self._messages[0]
        if kind == SERVER_HELLO and end >= MESSAGE_HEAD_BYTES + 2:
            self.version = (self._messages[4], self._messages[5])
        self.is_stapled |= kind == CERTIFICATE_STATUS
        self.is_over = kind == HELLO_DONE
        del self._messages[:end]
        return True


def _with_length(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _pack_all(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)
