"""A UDP sender and a receiver that writes down what came, for the bridge's own tests.

`send ADDRESS PORT COUNT SIZE RATE CLASS`: datagrams of SIZE bytes, paced to RATE bit/s.
`receive ADDRESS PORT`: says `ready`, and once a line comes in, a JSON list of what it received.
"""

import json
import select
import socket
import struct
import sys
import time

HEADER = struct.Struct("!IQ")


def send(address, port, count, size_bytes, rate, traffic_class):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(traffic_class))
        # Never fragmented, never held back by what the kernel believes about the path.
        sender.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
        start, spacing = time.monotonic(), (int(size_bytes) + 28) * 8 / float(rate)
        for number in range(int(count)):
            select.select([], [], [], max(start + number * spacing - time.monotonic(), 0))
            head = HEADER.pack(number, time.monotonic_ns())
            sender.sendto(head.ljust(int(size_bytes), b"\0"), (address, int(port)))


def receive(address, port):
    received = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind((address, int(port)))
        say("ready")
        while True:
            readable, _, _ = select.select([receiver, sys.stdin], [], [])
            if receiver in readable:
                received.append(read_datagram(receiver))
            elif sys.stdin in readable:
                break
    say(json.dumps(received))


def read_datagram(receiver):
    content, ancillary, _, _ = receiver.recvmsg(2048, 256)
    number, sent_at = HEADER.unpack_from(content)
    (traffic_class,) = {text[0] for level, kind, text in ancillary if kind == socket.IP_TOS}
    delay_seconds = (time.monotonic_ns() - sent_at) / 1e9
    return {"number": number, "traffic_class": traffic_class, "delay_seconds": delay_seconds}


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
