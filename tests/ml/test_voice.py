import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.voice import estimate_voice_quality


@pytest.mark.parametrize(
    ("delay_seconds", "jitter_seconds", "loss_ratio", "expected"),
    [
        (0.0, 0.0, 0.0, 4.40),
        (0.02, 0.001, 0.0, 4.39),
        (0.15, 0.0, 0.0, 4.319),
        (0.3, 0.0, 0.0, 3.787),
        (0.02, 0.0, 0.02, 4.27),
        (0.02, 0.0, 1.0, 1.0),
    ],
)
def test_calls_sound_as_the_reduced_model_says(delay_seconds, jitter_seconds, loss_ratio, expected):
    quality = estimate_voice_quality(delay_seconds, jitter_seconds, loss_ratio)
    assert quality == pytest.approx(expected, abs=0.02)


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 1))
def test_the_score_keeps_to_its_scale(delay_seconds, jitter_seconds, loss_ratio):
    assert 1 <= estimate_voice_quality(delay_seconds, jitter_seconds, loss_ratio) <= 4.5


@pytest.mark.parametrize("inputs", [(-1, 0, 0), (0, -1, 0), (0, 0, 1.1), (0, 0, -0.1)])
def test_what_cannot_be_measured_is_refused(inputs):
    with pytest.raises(ValueError, match="negative"):
        estimate_voice_quality(*inputs)
