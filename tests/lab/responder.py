"""A host behind a faulty path: answers ICMP echo on a TUN device and says what it really did.

Started inside a network namespace as `python responder.py DEVICE '{"delay_seconds": 0.02}'`. It
says `ready`, works until SIGTERM, its deadline or its last packet, and then says its ledger:
a JSON list with one `Entry` for each echo request, in the order of arrival.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

LIFE_SECONDS = 60.0
MOST_REQUESTS = 20_000
PACKET_BYTES = 65_535
PR_SET_TIMERSLACK = 29
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IPPROTO_ICMP = 1
ECHO_REQUEST = 8


@dataclass(frozen=True, slots=True)
class Impairment:
    """What the path does to the n-th request (from 0); a number of 0 means never.

    Of `burst_every` requests the last `burst_length` are dropped together.
    """

    delay_seconds: float = 0.0
    drop_every: int = 0
    drop_ratio: float = 0.0
    burst_every: int = 0
    burst_length: int = 0
    duplicate_every: int = 0
    corrupt_every: int = 0
    seed: int = 1


@dataclass(slots=True)
class Entry:
    """What became of one request; `held_seconds` from its reading to the writing of its reply."""

    copies: int
    is_corrupt: bool
    held_seconds: float | None = None


@dataclass(order=True, frozen=True, slots=True)
class Waiting:
    """A reply on its way through the path."""

    due: float
    number: int
    arrived: float = field(compare=False)
    packet: bytes = field(compare=False)


class Path:
    """Decides about each request, the same way for the same seed."""

    def __init__(self, impairment):
        self._impairment = impairment
        self._random = random.Random(impairment.seed)  # noqa: S311 - repeatable, not secret

    def decide(self, number):
        wanted = self._impairment
        is_unlucky = self._random.random() < wanted.drop_ratio
        from_end = wanted.burst_every - number % (wanted.burst_every or 1)
        is_in_burst = 0 < from_end <= wanted.burst_length
        if is_unlucky or is_in_burst or is_turn(number, wanted.drop_every):
            return Entry(copies=0, is_corrupt=False)
        return Entry(
            copies=2 if is_turn(number, wanted.duplicate_every) else 1,
            is_corrupt=is_turn(number, wanted.corrupt_every),
        )


class Responder:
    def __init__(self, device, impairment):
        self.ledger = []
        self._device = device
        self._path = Path(impairment)
        self._delay_seconds = impairment.delay_seconds
        self._heap = []

    def run(self, life_seconds=LIFE_SECONDS):
        end = time.monotonic() + life_seconds
        while (now := time.monotonic()) < end and len(self.ledger) < MOST_REQUESTS:
            wake = min(end, self._heap[0].due) if self._heap else end
            readable, _, _ = select.select([self._device], [], [], max(wake - now, 0))
            if readable:
                self._take(os.read(self._device, PACKET_BYTES))
            while self._heap and self._heap[0].due <= time.monotonic():
                self._release(heapq.heappop(self._heap))

    def _take(self, packet):
        arrived = time.monotonic()
        if not is_echo_request(packet):
            return
        number = len(self.ledger)
        entry = self._path.decide(number)
        self.ledger.append(entry)
        if entry.copies:
            reply = answer(packet)
            reply = damage(reply) if entry.is_corrupt else reply
            due = arrived + self._delay_seconds
            heapq.heappush(self._heap, Waiting(due, number, arrived, reply))

    def _release(self, waiting):
        entry = self.ledger[waiting.number]
        for _ in range(entry.copies):
            os.write(self._device, waiting.packet)
            if entry.held_seconds is None:
                entry.held_seconds = time.monotonic() - waiting.arrived


def is_turn(number, every):
    return bool(every) and number % every == every - 1


def is_echo_request(packet):
    is_icmp = len(packet) >= 28 and packet[0] >> 4 == 4 and packet[9] == IPPROTO_ICMP
    return is_icmp and packet[header_length(packet)] == ECHO_REQUEST


def header_length(packet):
    return (packet[0] & 0x0F) * 4


def answer(packet):
    """The reply: addresses swapped, type 0, the checksum adjusted as RFC 1624 says."""
    start = header_length(packet)
    header = packet[:12] + packet[16:20] + packet[12:16] + packet[20:start]
    (checksum,) = struct.unpack_from("!H", packet, start + 2)
    total = checksum + (ECHO_REQUEST << 8)
    adjusted = struct.pack("!H", (total & 0xFFFF) + (total >> 16))
    return header + b"\0\0" + adjusted + packet[start + 4 :]


def damage(packet):
    return packet[:-1] + bytes([packet[-1] ^ 0x01])


def open_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def become_punctual():
    """Timers without slack and, where allowed, ahead of ordinary processes."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(name, settings):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    become_punctual()
    responder = Responder(open_device(name), Impairment(**json.loads(settings)))
    say("ready")
    try:
        responder.run()
    finally:
        say(json.dumps([asdict(entry) for entry in responder.ledger]))


if __name__ == "__main__":
    main(*sys.argv[1:])
