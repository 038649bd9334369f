"""Orders of arrival, calls, histograms, clocks and random times, by their definitions."""

from dataclasses import replace
from itertools import accumulate, islice
from math import log
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.aes import BLOCK, encrypt_block, expand_key
from streamswarm_agent.probes.exponential import LN2, draw_variate, generate_variates
from streamswarm_agent.probes.histogram import BOUNDS_SECONDS, count_in_buckets
from streamswarm_agent.probes.ordering import Arrival, measure_disorder
from streamswarm_agent.probes.peer_clock import (
    Exchange,
    bound_error,
    estimate_offset,
    estimate_skew_ppm,
)
from streamswarm_agent.probes.statistics import burst_ratio, loss_distances
from streamswarm_agent.probes.voice import impair_by_waiting, rate_call, score_opinion


def arrive(*numbers):
    return [Arrival(number, float(place)) for place, number in enumerate(numbers)]


# Order


def test_the_example_of_rfc_4737_has_three_reordered_packets():
    disorder = measure_disorder(arrive(1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11))
    assert disorder.reordered_count == 3
    assert disorder.greatest_extent == 6
    assert disorder.overtaken_by_three_count == 1
    assert disorder.greatest_late_seconds == 6.0


def test_a_late_packet_is_reordered_and_those_that_passed_it_are_not():
    disorder = measure_disorder(arrive(1, 3, 2, 4))
    assert (disorder.reordered_count, disorder.greatest_extent) == (1, 1)
    assert disorder.overtaken_by_three_count == 0


def test_nothing_out_of_nothing_is_reordered():
    assert measure_disorder([]).reordered_count == 0


@given(st.permutations(range(30)))
def test_disorder_is_what_the_definitions_say(numbers):
    disorder = measure_disorder(arrive(*numbers))
    reordered = [
        place for place, number in enumerate(numbers) if number < max(numbers[:place], default=-1)
    ]
    extents = [
        place - next(at for at in range(place) if numbers[at] > numbers[place])
        for place in reordered
    ]
    by_three = [
        place
        for place in range(3, len(numbers))
        if all(numbers[at] > numbers[place] for at in range(place - 3, place))
    ]
    assert disorder.reordered_count == len(reordered)
    assert disorder.greatest_extent == max(extents, default=0)
    assert disorder.overtaken_by_three_count == len(by_three)


# Losses


def test_the_distances_of_losses_are_those_of_rfc_3357():
    assert loss_distances([None, 1.0, None, None, 1.0, 1.0, None]) == [2, 1, 3]
    assert loss_distances([None, 1.0]) == []


def test_bursts_are_longer_than_chance_would_have_them():
    assert burst_ratio([1.0] * 6 + [None, None]) == pytest.approx(2 * 6 / 8)
    assert burst_ratio([1.0, 1.0]) == 1.0
    assert burst_ratio([None, None]) == 1.0


# Calls


def rate(*, delay_ms=0.0, loss=0.0, burst=1.0, jitter_ms=0.0):
    return rate_call(
        one_way_seconds=delay_ms / 1000,
        jitter_seconds=jitter_ms / 1000,
        loss_ratio=loss,
        burst_ratio=burst,
    )


def test_a_call_without_loss_is_as_good_as_the_codec_lets_it_be():
    assert rate() == pytest.approx(92.4, abs=0.1)
    assert score_opinion(rate()) == pytest.approx(4.39, abs=0.01)


def test_one_percent_of_loss_costs_what_g107_says():
    assert rate() - rate(loss=0.01) == pytest.approx(95 * 1 / (1 + 25.1))


@pytest.mark.parametrize(("delay_ms", "cost"), [(50, 0), (100, 0), (200, 3.04), (400, 24.07)])
def test_long_delays_annoy_as_the_curve_of_g107_says(delay_ms, cost):
    assert impair_by_waiting(delay_ms) == pytest.approx(cost, abs=0.01)


@given(
    st.floats(0, 2000), st.floats(0, 1), st.floats(1, 20), st.floats(0, 200), st.floats(0.001, 200)
)
def test_more_delay_loss_or_jitter_never_makes_a_call_better(delay, loss, burst, jitter, more):
    rating = rate(delay_ms=delay, loss=loss, burst=burst, jitter_ms=jitter)
    assert 0 <= rating <= 100
    assert 1 <= score_opinion(rating) <= 4.5
    assert rate(delay_ms=delay + more, loss=loss, burst=burst, jitter_ms=jitter) <= rating + 1e-9
    assert rate(delay_ms=delay, loss=loss, burst=burst, jitter_ms=jitter + more) <= rating + 1e-9


@pytest.mark.parametrize(("rating", "score"), [(0, 1.0), (60, 3.1), (80, 4.024), (100, 4.5)])
def test_opinions_are_those_of_g107_annex_b(rating, score):
    assert score_opinion(rating) == pytest.approx(score, abs=0.001)


# Histograms


def test_bounds_are_ten_to_a_decade_from_ten_microseconds_to_a_hundred_seconds():
    assert (BOUNDS_SECONDS[0], BOUNDS_SECONDS[-1], len(BOUNDS_SECONDS)) == (1e-5, 100.0, 71)
    assert list(BOUNDS_SECONDS) == sorted(BOUNDS_SECONDS)


@given(st.lists(st.floats(0, 1000)), st.lists(st.floats(0, 1000)))
def test_histograms_add_up(first, second):
    together = count_in_buckets([*first, *second])
    parts = zip(count_in_buckets(first)["counts"], count_in_buckets(second)["counts"], strict=True)
    assert together["counts"] == [sum(pair) for pair in parts]
    assert sum(together["counts"]) == len(first) + len(second)


def test_a_value_lies_in_the_bucket_whose_bound_is_the_first_to_reach_it():
    counts = count_in_buckets([0.001, 0.0011, 500.0])["counts"]
    assert counts[BOUNDS_SECONDS.index(0.001)] == 1
    assert counts[BOUNDS_SECONDS.index(0.001) + 1] == 1
    assert counts[-1] == 1


# Clocks


def exchange(at_seconds=0.0, *, there=0.010, back=0.010, ahead=0.0, drift_ppm=0.0):
    offset = ahead + at_seconds * drift_ppm * 1e-6
    sent = 1_800_000_000.0 * 1e9 + at_seconds * 1e9
    reached = sent + (there + offset) * 1e9
    return Exchange(
        sent_ns=round(sent),
        reached_ns=round(reached),
        left_ns=round(reached + 1e6),
        arrived_ns=round(sent + (there + back) * 1e9 + 1e6),
        round_trip_seconds=there + back,
    )


@given(st.floats(-5, 5), st.floats(0.001, 0.1), st.floats(0.001, 0.1))
def test_the_offset_is_wrong_by_half_of_the_asymmetry_at_most(ahead, there, back):
    offset = estimate_offset([exchange(there=there, back=back, ahead=ahead)])
    assert abs(offset - ahead) <= abs(there - back) / 2 + 1e-6


def test_the_fastest_tenth_tells_the_offset():
    waited = [exchange(one, there=0.010 + one / 100, ahead=5.0) for one in range(1, 10)]
    assert estimate_offset([exchange(ahead=5.0), *waited]) == pytest.approx(5.0, abs=1e-6)


@pytest.mark.parametrize("drift_ppm", [50.0, -50.0, 0.0])
def test_the_skew_is_found_between_queues(drift_ppm):
    exchanges = [
        exchange(one / 10, there=0.010 + one % 7 / 1000, drift_ppm=drift_ppm) for one in range(300)
    ]
    assert estimate_skew_ppm(exchanges) == pytest.approx(drift_ppm, abs=2)


def test_few_exchanges_tell_no_skew():
    assert estimate_skew_ppm([]) is None
    assert estimate_skew_ppm([exchange(one / 10) for one in range(7)]) is None


def test_delays_are_believed_within_what_both_kernels_say():
    assert bound_error([exchange(ahead=0.002)], 0.001, 0.002) == pytest.approx(0.003)
    assert bound_error([exchange()], None, 0.002) is None
    assert bound_error([exchange()], 0.001, None) is None
    assert bound_error([], 0.001, 0.002) is None


def test_clocks_that_cannot_both_be_right_are_not_believed():
    assert bound_error([exchange(ahead=5.0)], 0.001, 0.002) is None


def test_no_exchange_tells_no_offset():
    with pytest.raises(ValueError, match="no exchange"):
        estimate_offset([])


def test_each_way_is_off_by_the_offset():
    one = exchange(there=0.03, back=0.0, ahead=5.0)
    assert one.forward_seconds == pytest.approx(5.03)
    assert one.reverse_seconds == pytest.approx(-5.0)
    steered = replace(one, sent_ns=one.sent_ns + 5_000_000_000)
    assert steered.forward_seconds == pytest.approx(0.03, abs=1e-6)


# Random times


def test_a_block_is_encrypted_as_fips_197_says():
    block = BLOCK.unpack(bytes.fromhex("00112233445566778899aabbccddeeff"))
    words = encrypt_block(expand_key(bytes(range(16))), block)
    assert BLOCK.pack(*words).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        expand_key(bytes(15))


def test_equal_seeds_make_equal_variates():
    seed = bytes(range(16))
    first, second = (list(islice(generate_variates(seed), 100)) for _ in range(2))
    assert first == second
    assert first != list(islice(generate_variates(bytes(16)), 100))


def test_variates_are_exponential():
    variates = [units / 2**32 for units in islice(generate_variates(bytes(16)), 20_000)]
    assert mean(variates) == pytest.approx(1.0, abs=0.03)
    for share in (0.1, 0.5, 0.9, 0.99):
        below = sum(one < -log(1 - share) for one in variates) / len(variates)
        assert below == pytest.approx(share, abs=0.015)


def test_a_fraction_all_of_ones_ends_at_32_times_ln_2():
    assert draw_variate(iter([0xFFFFFFFF])) == 32 * LN2


def test_a_fraction_beyond_ln_2_takes_the_smallest_of_several():
    assert draw_variate(iter([0x70000000, 0x80000000, 0x40000000])) == 0x40000000 * LN2 >> 32


def test_times_rise_whatever_is_drawn():
    times = list(accumulate(islice(generate_variates(bytes(16)), 1000)))
    assert times == sorted(times)
