import pytest

from streamswarm_agent.probes import measures


def test_a_percentile_needs_enough_answers_to_mean_anything():
    few = measures.measure_round_trips([0.1] * 19)
    some = measures.measure_round_trips([0.1] * 20)
    many = measures.measure_round_trips([0.1] * 100)
    assert (few["net.rtt.p95"], some["net.rtt.p99"]) == ("I", "I")
    assert some["net.rtt.p95"] == pytest.approx(0.1)
    assert many["net.rtt.p99"] == pytest.approx(0.1)


def test_without_an_answer_every_time_is_absent_and_none_is_zero():
    silent = measures.measure_round_trips([None] * 5) | measures.measure_variation([None] * 5)
    assert set(silent.values()) == {"T"}


def test_one_answer_gives_no_deviation_and_no_variation():
    lonely = measures.measure_round_trips([None, 0.2]) | measures.measure_variation([None, 0.2])
    assert lonely["net.rtt.stddev"] == "I"
    assert lonely["net.jitter.rfc3550"] == "I"
    assert lonely["net.ipdv.mean_abs"] == "I"
    assert lonely["net.rtt.median"] == 0.2


def test_losses_are_counted_over_the_probes_sent():
    lossy = measures.measure_loss([0.1, None, None, 0.1])
    assert lossy["net.packet.loss.ratio"] == 0.5
    assert lossy["net.packet.loss.burst.max"] == 2
    assert lossy["net.packet.loss.period.count"] == 1
    assert lossy["net.availability.ratio"] == 0.5


def test_nothing_sent_is_too_few_samples_not_a_loss():
    nothing = measures.measure_loss([])
    assert nothing["net.packet.sent"] == 0
    assert nothing["net.packet.loss.ratio"] == "I"
    assert nothing["net.availability.ratio"] == "I"


def test_a_sample_keeps_numbers_and_reason_codes_apart():
    sample = measures.sample_of({"a": 1, "b": "T", "c": 2.5}, {"a", "b"})
    assert sample.values == {"a": 1.0}
    assert sample.absent == {"b": "T"}
