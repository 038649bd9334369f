"""Two hosts at a switch that tags what goes to the near one, by class (IEEE 802.1Q)."""

import os
import selectors
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamswarm_agent.laboratory.devices import open_tun
from streamswarm_agent.laboratory.namespaces import Namespace, open_namespaces
from streamswarm_agent.laboratory.packets import UDP, read_packet
from streamswarm_agent.laboratory.path import Addresses, give_addresses, number_link
from tests.lab.answering import PORT

DEVICE = "lan0"
ETHERNET_BYTES = 14
FRAME_BYTES = 2048
HARDWARE_ADDRESSES = 12
TAG = struct.Struct("!HH")
TAGGED = 0x8100
# Of the packets that come back the reports are longer, and no class has them.
ANSWER_BYTES = 20 + 8 + 112


@dataclass(slots=True)
class Switch:
    """`tagged` counts what got a tag and is as long as an answer, by port, DSCP and priority.

    A tag of VLAN 0 gives a priority alone, which every host takes. That of another reaches only
    hosts with an interface for it: what such a host's kernel makes of it is sent behind it.
    """

    hosts: Mapping[str, Namespace]
    near: Addresses
    far: Addresses
    priorities: Mapping[int, int] = field(default_factory=dict)
    vlan: int = 0
    tagged: Counter = field(default_factory=Counter)

    def run_in(self, side, argv, **options):
        return self.hosts[side].run(argv, **options)

    def start_in(self, side, argv, **options):
        return self.hosts[side].start(argv, **options)

    def count_tagged(self, dscp, *, by):
        """The answers of that class at the port that alone also gets those of class `by`."""
        (port,) = {port for port, other, _ in self.tagged if other == by}
        return self.tagged[port, dscp, self.priorities[dscp]]

    def forward(self, frame):
        """What leaves for the near host when this frame came from the far one."""
        packet = read_packet(frame[ETHERNET_BYTES:])
        if packet is None or packet.protocol != UDP or packet.dscp not in self.priorities:
            return [frame]
        flow = packet.describe_flow()
        if flow.source_port != PORT:
            return [frame]
        priority = self.priorities[packet.dscp]
        if len(packet.raw) == ANSWER_BYTES and not packet.traffic_class & 3:
            self.tagged[flow.destination_port, packet.dscp, priority] += 1
        tag = TAG.pack(TAGGED, priority << 13 | self.vlan)
        tagged = frame[:HARDWARE_ADDRESSES] + tag + frame[HARDWARE_ADDRESSES:]
        return [tagged, frame] if self.vlan else [tagged]


@contextmanager
def open_switch(**options):
    """The switch with both hosts at it, until the block ends; options are fields of `Switch`."""
    link = number_link(0)
    # The same process may have a faulty path between a near and a far host.
    with open_namespaces("switched-near", "switched-far") as opened:
        hosts = {side: opened[f"switched-{side}"] for side in ("near", "far")}
        switch = Switch(hosts, link.near, link.far, **options)
        taps = [open_tun(DEVICE, hosts[side].name, has_frames=True) for side in ("near", "far")]
        stop, stopped = os.pipe()
        for side, addresses in (("near", link.near), ("far", link.far)):
            give_addresses(hosts[side], DEVICE, addresses)
        # Only now: a device that is down takes nothing.
        carrier = threading.Thread(target=carry, args=(switch, *taps, stop))
        carrier.start()
        try:
            yield switch
        finally:
            os.close(stopped)
            carrier.join()
            for descriptor in (*taps, stop):
                os.close(descriptor)


def carry(switch, near, far, stop):
    """Carry frames both ways until the other end of `stop` is closed."""
    with selectors.DefaultSelector() as selector:
        for descriptor in (near, far, stop):
            selector.register(descriptor, selectors.EVENT_READ)
        while True:
            ready = [key.fd for key, _ in selector.select()]
            if stop in ready:
                return
            for source in ready:
                frame = os.read(source, FRAME_BYTES)
                if source == near:
                    os.write(far, frame)
                    continue
                for out in switch.forward(frame):
                    os.write(near, out)
