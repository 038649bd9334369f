"""Others who use the line: datagrams in bursts, more in a burst than the line carries.

python -m tests.injection.crowd ADDRESS PORT BITS_PER_SECOND SECONDS_ON SECONDS_OFF
"""

import socket
import sys
import threading
import time

PAYLOAD = bytes(1172)
PACKET_BITS = 1200 * 8


def main(address, port, bits_per_second, seconds_on, seconds_off):
    gap = PACKET_BITS / float(bits_per_second)
    pause = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while True:
            begin, count = time.monotonic(), 0
            while (passed := time.monotonic() - begin) < float(seconds_on):
                while count * gap <= passed:
                    sender.sendto(PAYLOAD, (address, int(port)))
                    count += 1
                pause.wait(0.002)
            pause.wait(float(seconds_off))


if __name__ == "__main__":
    main(*sys.argv[1:])
