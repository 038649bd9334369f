"""The kernel's struct, whole and as older kernels give it, and the figures made of it."""

import socket
import struct

import pytest

from streamswarm_agent.probes.tcp import TcpProbe
from streamswarm_agent.probes.tcp_info import (
    TCP_NUMBERS,
    find_receive_rtt,
    measure_tcp,
    parse_tcp_info,
    read_tcp_details,
    state_tcp,
)

IN_LINUX_4_0_BYTES = 104
SMALLEST_BYTES = 8


def write_tcp_info(**values):
    """The struct of a recent kernel with these fields, all others 0."""
    flags = bytes([1, values.pop("ca_state", 0), 0, 0, 0, values.pop("options", 0)])
    scales = bytes([values.pop("snd_wscale", 0) | values.pop("rcv_wscale", 0) << 4, 0])
    words = [
        "rto",
        "ato",
        "snd_mss",
        "rcv_mss",
        "unacked",
        "sacked",
        "lost",
        "retrans",
        "fackets",
        "last_data_sent",
        "last_ack_sent",
        "last_data_recv",
        "last_ack_recv",
        "pmtu",
        "rcv_ssthresh",
        "rtt",
        "rttvar",
        "snd_ssthresh",
        "snd_cwnd",
        "advmss",
        "reordering",
        "rcv_rtt",
        "rcv_space",
        "total_retrans",
    ]
    rates = ["pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received"]
    segments = ["segs_out", "segs_in", "notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out"]
    times = ["delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited"]
    delivered, octets = ["delivered", "delivered_ce"], ["bytes_sent", "bytes_retrans"]
    last = ["dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd"]
    names = [*words, *rates, *segments, *times, *delivered, *octets, *last]
    layout = f"={len(words)}I4Q6I4Q2I2Q4I"
    return flags + scales + struct.pack(layout, *(values.get(name, 0) for name in names))


SEEN = write_tcp_info(
    ca_state=3, options=1 | 2 | 8, snd_wscale=7, rcv_wscale=10, rto=204_000, rtt=20_500,
    rttvar=1_000, min_rtt=20_069, snd_ssthresh=14, snd_cwnd=20, snd_mss=1448, rcv_mss=536,
    advmss=1448, pmtu=1500, total_retrans=26, data_segs_out=1000, bytes_retrans=37_648,
    busy_time=4_000_000, rwnd_limited=1_000_000, sndbuf_limited=0, delivery_rate=1_000_000,
    reordering=3, dsack_dups=1, snd_wnd=65_536,
)  # fmt: skip


def test_every_figure_is_what_the_struct_says():
    values = measure_tcp([parse_tcp_info(SEEN)])
    assert set(values) == set(TCP_NUMBERS)
    assert values["net.tcp.rtt.min"] == pytest.approx(0.020069)
    assert values["net.tcp.rto"] == pytest.approx(0.204)
    assert values["net.tcp.retransmits"] == 26
    assert values["net.tcp.retransmit.ratio"] == pytest.approx(0.026)
    assert values["net.tcp.rwnd_limited.ratio"] == pytest.approx(0.25)
    assert values["net.tcp.sndbuf_limited.ratio"] == 0
    assert (values["net.tcp.window_scale.send"], values["net.tcp.window_scale.receive"]) == (7, 10)
    assert values["net.tcp.option.sack"] == values["net.tcp.option.ecn"] == 1
    assert values["net.tcp.snd_wnd"] == 65_536
    # Nothing was received, so the kernel has no such round trip: absent, not 0.
    assert values["net.tcp.rtt.receive"] == "N"


def test_a_receivers_round_trip_is_known_once_it_received_enough():
    assert find_receive_rtt(parse_tcp_info(write_tcp_info(rcv_rtt=40_250))) == 0.04025
    assert find_receive_rtt(parse_tcp_info(write_tcp_info(rcv_rtt=0))) is None
    assert find_receive_rtt(parse_tcp_info(write_tcp_info(rcv_rtt=40_250)[:SMALLEST_BYTES])) is None
    assert find_receive_rtt(None) is None


def test_an_endless_threshold_and_shares_of_nothing_do_not_apply():
    raw = write_tcp_info(snd_ssthresh=0x7FFFFFFF)
    values = measure_tcp([parse_tcp_info(raw)])
    assert values["net.tcp.ssthresh"] == "N"
    assert values["net.tcp.retransmit.ratio"] == values["net.tcp.rwnd_limited.ratio"] == "N"
    assert values["net.tcp.retransmits"] == 0


def test_what_an_older_kernel_does_not_tell_is_unsupported():
    values = measure_tcp([parse_tcp_info(SEEN[:IN_LINUX_4_0_BYTES])])
    assert values["net.tcp.retransmits"] == 26
    assert values["net.tcp.rtt.min"] == values["net.tcp.busy_time"] == "U"
    assert values["net.tcp.bytes_retransmitted"] == values["net.tcp.snd_wnd"] == "U"


@pytest.mark.parametrize("length", range(len(SEEN) + 1))
def test_no_length_of_the_struct_is_too_odd(length):
    details = parse_tcp_info(SEEN[:length])
    assert (details is None) == (length < SMALLEST_BYTES)
    if details is not None:
        whole = measure_tcp([parse_tcp_info(SEEN)])
        found = measure_tcp([details])
        assert {key for key in found if found[key] not in ("U", whole[key])} == set()


def test_what_a_newer_kernel_adds_is_left_out():
    assert parse_tcp_info(SEEN + b"\xff" * 48) == parse_tcp_info(SEEN)


def test_counts_of_several_connections_are_added_up_and_states_are_of_the_last():
    first = parse_tcp_info(write_tcp_info(total_retrans=4, data_segs_out=100, snd_cwnd=10))
    second = parse_tcp_info(write_tcp_info(total_retrans=1, data_segs_out=900, snd_cwnd=30))
    values = measure_tcp([first, second])
    assert values["net.tcp.retransmits"] == 5
    assert values["net.tcp.retransmit.ratio"] == pytest.approx(0.005)
    assert values["net.tcp.cwnd"] == 30


def test_algorithm_and_state_are_facts():
    facts, absent = state_tcp([parse_tcp_info(SEEN, "cubic")])
    assert facts["net.tcp.congestion.algorithm"] == "cubic"
    assert facts["net.tcp.congestion.state"] == "recovery"
    assert absent == {}
    assert state_tcp([]) == ({}, dict.fromkeys(absent | facts, "T"))


def test_a_system_that_refuses_tells_nothing():
    def refuse(opened, option, size):
        raise OSError(92, "Protocol not available")

    with socket.socket() as unopened:
        assert read_tcp_details(unopened, refuse) is None


async def test_the_tcp_probe_tells_what_the_kernel_knows(
    clock, resolver, request_for, measure, web_server
):
    port = await web_server(lambda _, writer: writer.close())
    found = await measure(TcpProbe(clock, resolver), request_for("tcp", "127.0.0.1", port=port))
    values, facts = found.outcome.values, found.outcome.facts
    assert 0 < values["net.tcp.rtt.smoothed"] < 1
    assert values["net.tcp.mss.advertised"] > 1000
    assert values["net.tcp.retransmits"] == 0
    assert facts["net.tcp.congestion.state"] == "open"
    assert facts["net.tcp.congestion.algorithm"]
    assert set(found.outcome.document["options"]) >= {"timestamps", "sack"}


async def test_without_a_connection_nothing_is_known(
    clock, resolver, request_for, measure, closed_port
):
    request = request_for("tcp", "127.0.0.1", port=closed_port)
    found = await measure(TcpProbe(clock, resolver), request)
    assert {found.outcome.absent[key] for key in TCP_NUMBERS} == {"T"}
