"""The priorities of a run's answers, by the frames that a switch tagged and a host recorded."""

import pytest

from streamswarm_agent.probes.frame_tap import Flow, Frame
from streamswarm_agent.probes.loaded_latency import name_session
from streamswarm_agent.probes.qos_link import CLASSES
from streamswarm_agent.probes.qos_priorities import Priorities, watch_priorities
from streamswarm_agent.probes.session_packet import SessionKeys

KEY = bytes(range(32))
FLOW = Flow("198.18.0.2", 8620, 44195)


async def test_each_answer_of_the_session_has_its_priority(recorded_tap):
    keys = SessionKeys.derive(KEY, name_session("run", CLASSES))
    async with watch_priorities(FLOW, keys, lambda _: recorded_tap) as seen:
        pass
    assert len(seen.by_sequence) == 24
    assert seen.count(0, 4) == {1: 6}
    assert seen.count(1, 4) == {5: 6}
    assert seen.vlans == set()


async def test_frames_that_prove_no_key_do_not_count(recorded_tap):
    keys = SessionKeys.derive(KEY, name_session("another run", CLASSES))
    async with watch_priorities(FLOW, keys, lambda _: recorded_tap) as seen:
        pass
    assert not seen.by_sequence


async def test_an_interface_that_goes_down_ends_nothing(recorded_tap, monkeypatch):
    def fail(*_sizes):
        raise OSError(100, "Network is down")

    monkeypatch.setattr(recorded_tap, "recvmsg", fail)
    keys = SessionKeys.derive(KEY, name_session("run", CLASSES))
    async with watch_priorities(FLOW, keys, lambda _: recorded_tap) as seen:
        pass
    assert (seen.code, seen.by_sequence) == (None, {})


@pytest.mark.parametrize("is_tagged_first", [True, False])
def test_what_a_vlan_gets_again_without_its_tag_keeps_its_priority(is_tagged_first):
    frames = [Frame(b"", 0, 7), Frame(b"")]
    seen = Priorities()
    for frame in frames if is_tagged_first else reversed(frames):
        seen.note(3, frame)
    assert seen.count(1, 2) == {0: 1}
    assert seen.vlans == {7}
