"""Both ends of a QoS test over loopback."""

from dataclasses import replace

import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.frame_tap import open_tap
from streamswarm_agent.probes.loaded_latency import name_session
from streamswarm_agent.probes.policing import find_policing
from streamswarm_agent.probes.qos import QosProbe, list_markings
from streamswarm_agent.probes.qos_link import SWEEP, Marking, SweepLink, build_marked_request
from streamswarm_agent.probes.responders.qos import QosResponder
from streamswarm_agent.probes.responders.stream_port import StreamPorts
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import GREETING_ATTEMPTS
from streamswarm_agent.probes.session_packet import PACKET_BYTES, SessionKeys, is_request

KEY = bytes(range(32))
LINK = "streamswarm_agent.probes.session_link"
FAST = {"classes": "0,46", "interval_seconds": 0.005, "timeout_seconds": 0.5}


@pytest.fixture
def answering(clock, serve):
    return lambda: serve(QosResponder(clock, UdpPorts(), StreamPorts()))


@pytest.fixture
def ecn_setting(tmp_path):
    path = tmp_path / "tcp_ecn"
    path.write_text("2\n")
    return path


@pytest.fixture
def qos(request_for, measure, clock, free_port, ecn_setting):
    async def run(key=KEY, *, duration_seconds=1.0, open_tap=open_tap, **parameters):
        request = request_for(
            "qos", "", duration_seconds=duration_seconds, sample_interval_seconds=0.25,
            **(FAST | parameters),
        )  # fmt: skip
        peer = Peer("127.0.0.1", free_port, key, "run")
        probe = QosProbe(clock, None, ecn_setting=ecn_setting, open_tap=open_tap)
        return await measure(probe, replace(request, peer=peer))

    return run


async def test_each_class_comes_back_as_it_left(answering, qos):
    async with answering():
        found = await qos()
    values = found.outcome.values
    assert found.outcome.is_success, found.outcome.reason
    for dscp in (0, 46):
        assert values[f"qos.dscp.sent{{dscp={dscp}}}"] == dscp
        assert values[f"qos.class.loss.ratio{{dscp={dscp}}}"] == 0
        assert values[f"qos.class.rtt.median{{dscp={dscp}}}"] > 0
        for direction in ("forward", "reverse"):
            names = f"{{direction={direction},dscp={dscp}}}"
            assert values[f"qos.dscp.received{names}"] == dscp
            assert values[f"qos.dscp.bleached{names}"] == 0
    for codepoint in ("ect0", "ect1"):
        for direction in ("forward", "reverse"):
            names = f"{{codepoint={codepoint},direction={direction}}}"
            assert values[f"qos.ecn.ect_survives{names}"] == 1
            assert values[f"qos.ecn.ce.ratio{names}"] == values[f"qos.ecn.bleached{names}"] == 0
    assert "qos.class.differentiation" in values
    assert found.outcome.absent["qos.policing.detected{direction=forward}"] == "N"
    assert found.outcome.absent["qos.ecn.negotiated"] == "U"
    assert len(found.samples) >= 3


async def test_priorities_are_those_of_the_tags_that_came(answering, qos, recorded_tap):
    async with answering():
        found = await qos(open_tap=lambda _: recorded_tap)
    assert found.outcome.values["qos.cos.pcp{dscp=0}"] == 1
    assert found.outcome.values["qos.cos.pcp{dscp=46}"] == 5
    assert found.outcome.document["priorities"] == {
        "method": "af_packet", "vlans": [], "by_dscp": {"0": {"1": 6}, "46": {"5": 6}},
    }  # fmt: skip


async def test_over_loopback_nothing_is_tagged(answering, qos, may_tap):
    async with answering():
        found = await qos()
    assert found.outcome.absent["qos.cos.pcp{dscp=46}"] == "N"
    (counts,) = {tuple(one) for one in found.outcome.document["priorities"]["by_dscp"].values()}
    assert counts == ("none",)


@pytest.mark.parametrize(
    ("refusal", "code", "remedy"),
    [
        (PermissionError(1, "Operation not permitted"), "P", "setcap cap_net_raw"),
        (OSError("only Linux offers this"), "U", ""),
    ],
)
async def test_a_host_that_shows_no_frames_says_why(answering, qos, refusal, code, remedy):
    def refuse(_flow):
        raise refusal

    async with answering():
        found = await qos(open_tap=refuse)
    assert found.outcome.is_success
    assert found.outcome.absent["qos.cos.pcp{dscp=0}"] == code
    (missing,) = found.outcome.document["missing"]
    assert missing["code"] == code
    assert missing["remedy"].startswith(remedy)


async def test_a_host_that_asks_for_ecn_is_told_what_the_peer_said(answering, qos, ecn_setting):
    ecn_setting.write_text("1\n")
    async with answering():
        found = await qos(duration_seconds=0.3)
    assert found.outcome.values["qos.ecn.negotiated"] in {0, 1}


async def test_a_sweep_over_a_path_without_limits_finds_none(answering, qos):
    async with answering():
        found = await qos(duration_seconds=2.0, has_sweep=True, sweep_megabits=4)
    values, sweep = found.outcome.values, found.outcome.document["sweep"]
    assert values["qos.shaping.detected{direction=forward}"] in {0, 1}
    assert sweep["loss_ratio"] == 0
    assert values["qos.policing.detected{direction=forward}"] == 0
    assert values["qos.class.throughput{dscp=0}"] > 1e6


@pytest.mark.parametrize("key", [KEY, bytes(32)])
async def test_silence_is_a_result(qos, answering, key, monkeypatch):
    monkeypatch.setattr(f"{LINK}.GREETING_ATTEMPTS", GREETING_ATTEMPTS[:2])
    if key == KEY:
        found = await qos(key, duration_seconds=0.2)
    else:
        async with answering():
            found = await qos(key, duration_seconds=0.2)
    assert not found.outcome.is_success
    assert "so no packets were sent" in found.outcome.reason
    assert "qos.class.loss.ratio{dscp=46}" in found.outcome.absent
    assert found.outcome.absent["qos.class.rtt.median{dscp=46}"] == "T"
    assert found.outcome.absent["qos.cos.pcp{dscp=46}"] == "T"


async def test_what_the_own_queue_refused_was_never_the_paths_to_lose(answering, free_port):
    peer = Peer("127.0.0.1", free_port, KEY, name_session("run", SWEEP))
    async with answering():
        link = SweepLink(peer, 0, SessionClocks())
        opened = link._socket

        class FullSocket:
            """Takes two packets of three."""

            sent_count = 0

            def __getattr__(self, name):
                return getattr(opened, name)

            def send(self, packet):
                self.sent_count += 1
                if self.sent_count % 3 == 0:
                    raise BlockingIOError
                return opened.send(packet)

        link._socket = FullSocket()
        try:
            packets = await link.sweep(5e6, 0.3)
        finally:
            link._socket = opened
            link.close()
    assert packets
    assert find_policing(packets).loss_ratio < 0.05


def test_markings_are_each_class_once_and_both_codepoints():
    assert list_markings("0,46,0", has_ecn=True) == [
        Marking(0), Marking(46), Marking(0, 2), Marking(0, 1),
    ]  # fmt: skip
    assert list_markings("8", has_ecn=False) == [Marking(8)]
    with pytest.raises(ProbeFailed, match="64"):
        list_markings("64", has_ecn=False)


@pytest.mark.parametrize("octet", range(PACKET_BYTES - 16))
def test_what_a_request_asks_for_is_under_its_code(octet):
    keys = SessionKeys.derive(KEY, "run")
    packet = bytearray(build_marked_request(keys, 7, sent_ns=1, answer_class=184))
    assert is_request(keys, bytes(packet))
    packet[octet] ^= 1
    assert not is_request(keys, bytes(packet))
