"""How much one key may send: its bucket fills with time, and is its own."""

from hypothesis import given
from hypothesis import strategies as st

from streamswarm import shares as shares_module
from streamswarm.shares import BURST_CALLS, CALLS_PER_SECOND, Shares

KEY, OTHER = b"Agent a", b"Agent b"


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def read(self):
        return self.seconds


def make_shares(clock, most_open_calls=1):
    return Shares(most_open_calls=most_open_calls, read_seconds=clock.read)


def call(shares, key=KEY):
    """Whether a call was let in; it is answered at once."""
    is_let_in = shares.take(key)
    if is_let_in:
        shares.give_back(key)
    return is_let_in


def spend_burst(shares, key=KEY):
    while call(shares, key):
        pass


def test_a_burst_is_let_in_and_what_follows_is_not():
    shares = make_shares(Clock())
    assert all(call(shares) for _ in range(int(BURST_CALLS)))
    assert not call(shares)


def test_a_key_that_is_over_its_share_costs_another_nothing():
    shares = make_shares(Clock())
    spend_burst(shares)
    assert call(shares, OTHER)


def test_open_calls_are_bounded_apart_from_the_rate():
    shares = make_shares(Clock(), most_open_calls=2)
    assert [shares.take(KEY) for _ in range(3)] == [True, True, False]
    shares.give_back(KEY)
    assert shares.take(KEY)


def test_the_keys_used_longest_ago_are_forgotten_first(monkeypatch):
    monkeypatch.setattr(shares_module, "MOST_KEYS", 2)
    shares = make_shares(Clock())
    spend_burst(shares)
    spend_burst(shares, OTHER)
    assert call(shares, b"Agent c")
    assert not call(shares, OTHER)
    assert call(shares, KEY)


def test_an_answer_to_a_forgotten_key_gives_nobody_more(monkeypatch):
    monkeypatch.setattr(shares_module, "MOST_KEYS", 1)
    shares = make_shares(Clock())
    assert shares.take(KEY)
    assert shares.take(OTHER)
    assert shares.take(KEY)
    shares.give_back(KEY)
    shares.give_back(KEY)
    assert [shares.take(KEY) for _ in range(2)] == [True, False]


@given(waits=st.lists(st.floats(0, 20), max_size=50))
def test_no_key_is_let_in_more_often_than_its_burst_and_rate(waits):
    clock = Clock()
    shares = make_shares(clock)
    let_in = 0
    for wait in waits:
        clock.seconds += wait
        let_in += sum(call(shares) for _ in range(200))
        assert let_in <= BURST_CALLS + (clock.seconds - 1000.0) * CALLS_PER_SECOND + 1e-6
