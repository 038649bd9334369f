from hypothesis import given
from hypothesis import strategies as st

from apps.dashboard.outbox import Outbox

FRAME = {"topic": "client:x", "at": 1.0, "values": {}}


def test_hints_of_one_topic_are_sent_once_and_frames_in_order():
    outbox = Outbox()
    for message in ({"hint": "overview"}, {"frames": [{"at": 1}]}, {"hint": "overview"}):
        outbox.add(message)
    outbox.add({"frames": [{"at": 2}]})
    assert outbox.take() == {"seq": 1, "hints": ["overview"], "frames": [{"at": 1}, {"at": 2}]}
    assert outbox.take() == {"seq": 2}


def test_dropped_frames_leave_a_gap_in_the_numbers_and_the_latest_are_kept():
    outbox = Outbox(maximum_frames=2)
    outbox.add({"frames": [{"at": 1}, {"at": 2}]})
    outbox.add({"frames": [{"at": 3}]})
    assert outbox.take() == {"seq": 2, "frames": [{"at": 3}]}
    assert outbox.take() == {"seq": 3}


def test_of_more_frames_at_once_than_there_is_room_for_the_last_are_kept():
    outbox = Outbox(maximum_frames=2)
    outbox.add({"frames": [{"at": 1}, {"at": 2}, {"at": 3}]})
    assert outbox.take() == {"seq": 2, "frames": [{"at": 2}, {"at": 3}]}


@given(st.lists(st.lists(st.integers(0, 9), max_size=9), max_size=40))
def test_numbers_always_rise_and_a_batch_is_never_over_the_limit(batches):
    outbox = Outbox(maximum_frames=5)
    seen = 0
    for sizes in batches:
        for size in sizes:
            outbox.add({"frames": [FRAME] * size})
        batch = outbox.take()
        assert batch["seq"] > seen
        assert len(batch.get("frames", ())) <= 5
        seen = batch["seq"]
