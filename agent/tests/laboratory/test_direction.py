"""What a direction decides; times are made up, nothing is sent."""

import socket
import struct

import pytest

from streamswarm_agent.laboratory.direction import Direction, Routers
from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.ledger import Counts, read_direction, write_direction
from streamswarm_agent.laboratory.packets import Packet, read_packet

SIZE_BYTES = 1000
START = 100.0


def packet(number=0, *, traffic_class=0, size_bytes=SIZE_BYTES, port=2000, protocol=17, fragment=0):
    head = struct.pack("!BBHHHBBH", 0x45, traffic_class, size_bytes, 0, fragment, 64, protocol, 0)
    addresses = socket.inet_aton("198.18.0.1") + socket.inet_aton("198.18.0.2")
    ports = struct.pack("!HHHHI", 1000, port, size_bytes - 20, 0, number)
    return read_packet(head + addresses + ports + bytes(size_bytes - 32))


@pytest.fixture
def direction():
    return Direction(Routers("198.18.0.254", "2001:db8::fe"))


def send(direction, count, *, every_seconds=0.01, **options):
    """The departures, None for packets that stay away."""
    moments = [START + number * every_seconds for number in range(count)]
    return [
        direction.take(packet(number, **options), moment) for number, moment in enumerate(moments)
    ]


def leave(direction, departures):
    for departure in sorted(filter(None, departures), key=lambda one: (one.due_at, one.number)):
        direction.note_departure(departure, departure.due_at)


def lost_numbers(departures):
    return [number for number, departure in enumerate(departures) if departure is None]


def delays(departures):
    return [each.due_at - START - number * 0.01 for number, each in enumerate(departures)]


def test_a_sound_path_passes_everything_at_once(direction):
    departures = send(direction, 5)
    leave(direction, departures)
    assert delays(departures) == pytest.approx([0.0] * 5)
    assert direction.ledger.total == Counts(arrived=5, arrived_bytes=5000, left=5, left_bytes=5000)


@pytest.mark.parametrize(
    ("impairment", "lost"),
    [
        (Impairment(drop_every=4), [3, 7, 11]),
        (Impairment(burst_every=6, burst_length=2), [4, 5, 10, 11]),
        (Impairment(drop_every=1), list(range(12))),
    ],
)
def test_losses_come_where_they_are_asked_for(direction, impairment, lost):
    direction.impair(impairment)
    assert lost_numbers(send(direction, 12)) == lost
    assert direction.ledger.total.lost == len(lost)
    assert [
        place for place, entry in enumerate(direction.ledger.entries) if entry.fate == "lost"
    ] == lost


def test_the_same_seed_loses_the_same_packets_whatever_else_is_done(direction):
    direction.impair(Impairment(drop_ratio=0.2, seed=5))
    first = lost_numbers(send(direction, 500))
    direction.impair(Impairment(drop_ratio=0.2, seed=5, jitter_seconds=0.1, duplicate_ratio=0.5))
    assert lost_numbers(send(direction, 500)) == first
    assert 70 < len(first) < 130


def test_two_copies_of_a_duplicated_packet_leave(direction):
    direction.impair(Impairment(duplicate_every=2))
    leave(direction, send(direction, 4))
    assert [entry.copies for entry in direction.ledger.entries] == [1, 2, 1, 2]
    assert direction.ledger.total.left == 6


def test_reordering_is_counted_by_the_order_of_leaving(direction):
    direction.impair(Impairment(reorder_every=3, reorder_seconds=0.015))
    leave(direction, send(direction, 8))
    # The third and the sixth are overtaken by the one after them.
    reordered = [place for place, each in enumerate(direction.ledger.entries) if each.is_reordered]
    assert reordered == [2, 5]
    assert direction.ledger.total.reordered == 2


def test_uniform_jitter_stays_within_its_width_and_normal_within_time(direction):
    direction.impair(Impairment(delay_seconds=0.02, jitter_seconds=0.005))
    assert all(0.015 <= delay <= 0.025 for delay in delays(send(direction, 300)))
    direction.impair(Impairment(delay_seconds=0.001, jitter_seconds=0.005, jitter_shape="normal"))
    found = delays(send(direction, 300))
    assert min(found) == pytest.approx(0.0, abs=1e-9)
    assert max(found) > 0.01


def test_each_class_has_its_own_delay(direction):
    direction.impair(Impairment(delay_seconds=0.001, dscp_delay_seconds={46: 0.002, 0: 0.02}))
    for traffic_class, seconds in ((46 << 2, 0.003), (0, 0.021), (10 << 2, 0.001)):
        (departure,) = send(direction, 1, traffic_class=traffic_class)
        assert departure.due_at - START == pytest.approx(seconds)


def test_a_line_sends_one_packet_after_the_other_and_its_queue_is_full_in_the_end(direction):
    direction.impair(Impairment(rate_bits_per_second=8_000_000, queue_bytes=3500))
    departures = send(direction, 5, every_seconds=0)
    assert [each.due_at - START for each in departures[:3]] == pytest.approx([0.001, 0.002, 0.003])
    assert lost_numbers(departures) == [3, 4]
    assert direction.ledger.total.queue_full == 2
    assert direction.take(packet(), START + 1).due_at == pytest.approx(START + 1.001)


def test_a_policer_passes_its_burst_and_then_its_rate(direction):
    direction.impair(Impairment(policer_bits_per_second=800_000, policer_burst_bytes=3000))
    departures = send(direction, 103, every_seconds=0.001)
    # 3 of the burst at once, then 100 kB/s for the next 0.1 s: 10 more.
    assert direction.ledger.total.policed == 103 - 3 - 10
    assert all(departures[:3])


def test_only_capable_packets_are_marked_and_bleaching_keeps_the_mark(direction):
    direction.impair(Impairment(ce_every=1, is_dscp_bleached=True))
    capable, incapable = (
        send(direction, 1, traffic_class=46 << 2 | ecn)[0].pieces[0][1] for ecn in (2, 0)
    )
    assert (capable, incapable) == (3, 0)
    assert direction.ledger.total.marked == 1
    assert direction.ledger.total.bleached == 2


def test_the_mtu_refuses_cuts_or_swallows(direction):
    direction.impair(Impairment(mtu_bytes=600))
    (cut,) = send(direction, 1)
    assert [len(piece) for piece in cut.pieces] == [596, 424]
    (refused,) = send(direction, 1, fragment=0x4000)
    assert refused.entry is None
    assert refused.pieces[0][20:22] == b"\x03\x04"
    direction.impair(Impairment(mtu_bytes=600, is_mtu_silent=True))
    assert send(direction, 1, fragment=0x4000) == [None]
    assert send(direction, 1, size_bytes=600, fragment=0x4000) != [None]
    assert (direction.ledger.total.too_big, direction.ledger.total.fragmented) == (2, 1)


def test_other_protocols_pass_untouched_when_one_is_meant(direction):
    direction.impair(Impairment(drop_every=1, delay_seconds=1, only="udp"))
    assert send(direction, 1) == [None]
    (tcp,) = send(direction, 1, protocol=6)
    assert tcp.due_at == START


def test_flows_are_counted_apart(direction):
    direction.impair(Impairment(drop_every=2))
    for port in (2000, 3000):
        leave(direction, send(direction, 3, port=port))
    ledger = direction.ledger
    assert ledger.count(destination_port=2000).lost == 1
    assert ledger.count(destination_port=3000).lost == 2
    assert [entry.tag for entry in ledger.select(destination_port=3000)] == [0, 1, 2]
    assert ledger.is_complete


def test_what_leaves_after_a_new_ledger_was_opened_is_in_none(direction):
    departures = send(direction, 2)
    direction.open_ledger()
    leave(direction, departures)
    assert direction.ledger.total == Counts()


def test_a_ledger_is_the_same_after_its_way_as_json(direction):
    direction.impair(Impairment(drop_every=2, ce_ratio=0.5))
    leave(direction, send(direction, 4, traffic_class=2))
    assert read_direction(write_direction(direction.ledger)) == direction.ledger


def test_a_packet_is_remembered_by_value():
    assert packet(3) == Packet(packet(3).raw, True, 20, 17, 0)
