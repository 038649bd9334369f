"""Policers, shapers and plain paths, modelled here anew, and what the sweep makes of them."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamswarm_agent.probes.policing import SweptPacket, find_policing

SIZE = 1428
OFFERED = 20e6
CLOCK_AHEAD = 1234.5


def send_times(seconds=4.0, *, pause_at=None, pause_seconds=0.02):
    spacing, now, moments = SIZE * 8 / OFFERED, 0.0, []
    while now < seconds:
        if pause_at is not None and now >= pause_at:
            now, pause_at = now + pause_seconds, None
        moments.append(now)
        now += spacing
    return moments


def uneven_times(seed, seconds=4.0):
    """As a host without time for it sends: mostly far too slowly, in between at up to 40 Mbit/s."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    now, moments = 0.0, []
    fast_share = chance.choice([0.05, 0.1, 0.2, 0.3])
    while now < seconds:
        is_fast = chance.random() < fast_share
        pace = chance.choice([0.25, 0.5] if is_fast else [1.5, 2, 3])
        for _ in range(chance.randrange(20, 400 if is_fast else 200)):
            moments.append(now)
            now += pace * SIZE * 8 / OFFERED
        now += chance.choice([0, 0.002, 0.01, 0.03])
    return moments


def police(moments, rate, burst):
    tokens, last, packets = burst, 0.0, []
    for sent in moments:
        tokens = min(tokens + (sent - last) * rate / 8, burst)
        last = sent
        passes = tokens >= SIZE
        tokens -= SIZE if passes else 0
        reached = CLOCK_AHEAD + sent + 0.01 if passes else None
        packets.append(SweptPacket(sent, SIZE, passes, reached))
    return packets


def shape(moments, rate, queue):
    free_at, packets = 0.0, []
    for sent in moments:
        start = max(free_at, sent)
        passes = (start - sent) * rate / 8 + SIZE <= queue
        if passes:
            free_at = start + SIZE * 8 / rate
        reached = CLOCK_AHEAD + free_at + 0.01 if passes else None
        packets.append(SweptPacket(sent, SIZE, passes, reached))
    return packets


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(1e6, 16e6), burst=st.integers(3_000, 200_000), pause=st.floats(0.5, 3.5))
def test_a_policer_is_found_with_its_rate_and_burst(rate, burst, pause):
    found = find_policing(police(send_times(pause_at=pause), rate, burst))
    assert found.verdict == "policer"
    assert found.rate == pytest.approx(rate, rel=0.05)
    assert found.burst_bytes == pytest.approx(burst, abs=2 * SIZE)


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(2e6, 14e6), burst=st.integers(20_000, 120_000), pause=st.floats(0.001, 0.5))
def test_a_long_stop_of_the_sender_does_not_hide_the_burst(rate, burst, pause):
    moments = send_times(pause_at=0.002, pause_seconds=pause)
    found = find_policing(police(moments, rate, burst))
    assert found.verdict == "policer"
    assert found.rate == pytest.approx(rate, rel=0.05)
    assert found.burst_bytes == pytest.approx(burst, abs=3 * SIZE)


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(1e6, 16e6), queue=st.integers(20_000, 400_000))
def test_a_shaper_is_found_with_its_rate(rate, queue):
    found = find_policing(shape(send_times(), rate, queue))
    assert found.verdict == "shaper"
    assert found.rate == pytest.approx(rate, rel=0.05)
    assert found.burst_bytes is None


@settings(deadline=None, max_examples=200)
@given(rate=st.floats(5e6, 25e6), queue=st.integers(20_000, 200_000), seed=st.integers(0, 10**6))
def test_uneven_sending_makes_no_policer_of_a_shaper(rate, queue, seed):
    found = find_policing(shape(uneven_times(seed), rate, queue))
    assert found.verdict in {"shaper", "none", "unclear"}


@settings(deadline=None, max_examples=200)
@given(rate=st.floats(2e6, 25e6), burst=st.integers(20_000, 200_000), seed=st.integers(0, 10**6))
def test_uneven_sending_makes_no_shaper_of_a_policer(rate, burst, seed):
    found = find_policing(police(uneven_times(seed), rate, burst))
    assert found.verdict in {"policer", "none", "unclear"}


@settings(deadline=None, max_examples=25)
@given(noise=st.floats(0, 0.002), loss=st.floats(0, 0.02), seed=st.integers(0, 1000))
def test_a_path_without_limits_has_none(noise, loss, seed):
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    packets = []
    for sent in send_times(2.0):
        passes = chance.random() >= loss
        reached = CLOCK_AHEAD + sent + chance.random() * noise if passes else None
        packets.append(SweptPacket(sent, SIZE, passes, reached))
    found = find_policing(packets)
    assert found.verdict == "none"
    assert found.rate is None
    assert found.arrived == pytest.approx(OFFERED, rel=0.04)


def test_heavy_random_loss_is_no_policer():
    chance = random.Random(5)  # noqa: S311 - repeatable, not secret
    packets = []
    for sent in send_times(8.0):
        # Bursts of losses, as radio makes them: long good and long bad times.
        passes = int(sent / 0.5) % 3 != 2 or chance.random() > 0.5
        packets.append(SweptPacket(sent, SIZE, passes, sent + 0.01 if passes else None))
    assert find_policing(packets).verdict == "unclear"


@pytest.mark.parametrize("count", [0, 1, 49])
def test_too_few_packets_tell_nothing(count):
    packets = [SweptPacket(number * 0.01, SIZE, True, number * 0.01) for number in range(count)]
    assert find_policing(packets).verdict == "unclear"


def test_silence_tells_nothing():
    packets = [SweptPacket(number * 0.01, SIZE, False) for number in range(100)]
    assert find_policing(packets).verdict == "unclear"
