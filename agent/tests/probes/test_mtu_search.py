"""The search for a path MTU against paths that are known, whatever routers say of them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.mtu_search import Search, Step

LARGEST = 9000
SIZES = st.integers(1280, LARGEST)


def search(mtu_bytes, *, low=1200, high=LARGEST, answer=None):
    """The size found, and how many sizes were tried."""
    found = Search(low, high)
    for count in range(200):
        step = found.find_next()
        if step is None:
            return found.good_bytes, count
        (answer or answer_truly)(found, step, mtu_bytes)
    raise AssertionError("the search does not end")


def answer_truly(found, step, mtu_bytes):
    if step.size_bytes <= mtu_bytes:
        found.note_delivered(step.size_bytes)
    else:
        found.note_lost(step)


def answer_with_errors(found, step, mtu_bytes):
    if step.size_bytes <= mtu_bytes:
        found.note_delivered(step.size_bytes)
    else:
        found.note_refused(step.size_bytes, mtu_bytes)


@given(SIZES)
def test_a_black_hole_is_measured_exactly(mtu_bytes):
    assert search(mtu_bytes)[0] == mtu_bytes


@given(SIZES)
def test_a_router_s_word_is_taken_as_a_hint_and_proved(mtu_bytes):
    size, count = search(mtu_bytes, answer=answer_with_errors)
    assert size == mtu_bytes
    assert count <= 3


@given(SIZES, st.integers(0, 2 * LARGEST))
def test_a_router_that_lies_misleads_nobody(mtu_bytes, lie_bytes):
    def lie(found, step, truth):
        if step.size_bytes <= truth:
            found.note_delivered(step.size_bytes)
        else:
            found.note_refused(step.size_bytes, lie_bytes)

    assert search(mtu_bytes, answer=lie)[0] == mtu_bytes


@given(SIZES, st.integers(0, 1_000))
def test_packets_lost_for_other_reasons_are_found_out(mtu_bytes, seed):
    """Half of the hasty questions get lost; careful ones are tried until they are sure."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret

    def lose(found, step, truth):
        is_unlucky = not step.is_careful and chance.random() < 0.5
        if step.size_bytes <= truth and not is_unlucky:
            found.note_delivered(step.size_bytes)
        else:
            found.note_lost(step)

    assert search(mtu_bytes, answer=lose)[0] == mtu_bytes


def test_a_path_that_carries_all_is_known_after_one_question():
    assert search(LARGEST) == (LARGEST, 1)
    assert Search(1500, 1500).find_next() is None


def test_the_size_above_the_result_is_doubted_once():
    found = Search(1200, 1202)
    found.note_lost(Step(1202, is_careful=False))
    found.note_delivered(1201)
    assert found.find_next() == Step(1202, is_careful=True)
    found.note_lost(Step(1202, is_careful=True))
    assert found.find_next() is None
    assert found.good_bytes == 1201
