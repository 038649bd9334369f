"""What pages say of learning: of a result, a test, a client, the hour ahead, and of models."""

from uuid import uuid4

import pytest

from apps.core.clock import read_now
from apps.dashboard.selectors.coming import place_bar
from apps.dashboard.selectors.learned import describe_class, draw_bars
from apps.ml.algorithms.expectations import Expected
from apps.ml.models import Finding
from apps.ml.selectors.health_class import ClassBeside, HealthClass, compare
from apps.ml.selectors.joint_sentences import Part
from tests.factories.clients import make_client
from tests.factories.forecasts import make_forecast
from tests.factories.learning import make_version
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

USUAL = {metric.key: 0.02 for metric in METRICS}


def read(page, url):
    return " ".join(page.get(url).content.decode().split())


@pytest.fixture
def assignment():
    return make_assignment(make_client("probe"), "Path", target="192.0.2.1")


def test_a_run_that_became_a_finding_shows_its_score_and_contributions(page, assignment):
    run = store_one(assignment, USUAL)
    parts = [
        {"subject": METRICS[1].key, "points": 61.0, "value": 0.031, "low": 0.0, "high": 0.002},
        {"subject": "context:gap", "points": 7.0, "value": 0.4, "low": 0.0, "high": 0.1},
        {"subject": METRICS[2].key, "points": 3.0, "value": None, "low": 0.001, "high": 0.002},
    ]
    Finding.objects.create(
        kind="joint_anomaly",
        severity="info",
        client=assignment.client,
        test=assignment.test,
        run=run,
        started_at=read_now(),
        ended_at=read_now(),
        score=1.64,
        is_provisional=True,
        evidence={"contributions": parts, "version": 4},
        created_at=read_now(),
    )
    text = read(page, f"/runs/{run.id}/")
    for words in ("This result as a whole", "1.64", "unusual", "3.1 %", "usual 0 to 0.2 %", "+61"):
        assert words in text
    assert "pause since the last result" in text
    assert "not measured" in text
    assert "judged when it came in" in text


def test_without_a_model_run_test_and_client_say_how_far_learning_is(page, assignment):
    store_results(assignment, draw_observations(36, every_seconds=60.0, until=read_now()))
    run = store_one(assignment, USUAL)
    text = read(page, f"/runs/{run.id}/")
    assert "learning 37/50: until then rules alone decide" in text
    text = read(page, f"/tests/{assignment.test_id}/")
    assert "learning 37/50: a first model at 50 results" in text
    assert "learning 37/200: a first model at 200 results" in text
    assert "What comes next" not in text
    text = read(page, f"/clients/{assignment.client_id}/")
    assert "of 1 tests: 1 learning; the furthest that learns has 37/50 results" in text
    text = read(page, f"/health/assignments/{assignment.id}/")
    assert "The hour ahead" in text
    assert "Nothing was learned yet that may be used." in text
    assert "with 30 outages on 2 clients" in text


def test_the_next_hour_of_a_forecast_stands_beside_the_charts(page, assignment):
    key = METRICS[0].key
    figures = {"middle": [0.024] * 24, "lower": [0.022] * 24, "upper": [0.026] * 24}
    subject = str(assignment.id)
    row = make_forecast(
        assignment.client, kind="assignment", subject=subject, metric=key, limit=None, **figures
    )
    assignment.source = row.source
    assignment.save()
    text = read(page, f"/tests/{assignment.test_id}/")
    for words in ("What comes next", "next hour", "24.0 ms", "22.0 ms", "26.0 ms", "31 % better"):
        assert words in text


def test_score_and_class_are_compared_in_words():
    assert compare(True, False).startswith("They agree")
    assert compare(False, True).startswith("They agree")
    assert "still healthy" in compare(True, True)
    assert "costs points" in compare(False, False)


def test_both_probabilities_add_up_and_tiny_contributions_are_left_out():
    points = {"net.jitter.rfc3550": 74.2, "context:failed": -3.0, "net.rtt.min": 0.2}
    found = HealthClass(True, 0.888, points, 0.2, 38, uuid4())
    card = describe_class(ClassBeside(found))
    assert card.missed_percent + card.kept_percent == 100
    assert [bar.points for bar in card.bars] == ["+74", "\N{MINUS SIGN}3"]
    assert [bar.is_less for bar in card.bars] == [False, True]
    assert card.bars[0].length == 100


def test_bars_of_nothing_have_no_length():
    assert draw_bars([]) == ()
    assert draw_bars([Part("a", "", "", 0.0)])[0].length == 0


@pytest.mark.parametrize(("low", "middle", "high"), [(0.0, 0.0, 0.0), (1, 2, 3), (-3, -2, 1)])
def test_a_bar_lies_within_its_scale(low, middle, high):
    row = place_bar("net.rtt.median", Expected(middle, low, high, 20))
    assert 0 <= row.low_place <= row.middle_place <= 100
    assert row.low_place + row.width <= 101


def test_models_say_their_stage_and_what_acting_means_before_it_is_done(page, assignment):
    scope = f"assignment:{assignment.id}"
    make_version(
        kind="joint_anomaly", scope=scope, state="champion", row_count=48, held_count=12, version=1
    )
    newer = make_version(kind="joint_anomaly", scope=scope, state="shadow", version=2)
    text = read(page, "/models/")
    assert "provisional, learning 60/200: it may alert at 200 results" in text
    assert "90 % less" in text
    assert "can be rolled back to" in text
    assert f"/models/{newer.id}/promote/" in text
    assert "each figure by itself against its usual range" in text


def test_drift_of_features_and_of_what_is_said_are_bars(page):
    drift = {
        "rows": 600,
        "indices": {"rtt": 0.4, "loss": 0.15, "jitter": 0.01},
        "is_drifted": True,
        "drifted_share": 1 / 3,
        "distance": 0.31,
        "is_distance_significant": True,
    }
    version = make_version(state="champion", drift=drift, reviewed_at=read_now())
    text = read(page, f"/models/{version.id}/")
    for words in ("drift-drift", "drift-watch", "drift-stable", "0.31", "beyond chance", "33.3 %"):
        assert words in text
    version.drift = {"rows": 120}
    version.save()
    text = read(page, f"/models/{version.id}/")
    assert "120 new rows; below 500" in text
    assert "What it looks at" in text
    assert "not known" not in text
