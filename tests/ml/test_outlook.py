"""How far learning is: what there is, what is needed, and what comes next, in words."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.metrics.models import Source
from apps.ml.algorithms.stages import Stage
from apps.ml.learners.outlook import find_series_outlook, list_client_outlooks, list_outlooks
from apps.ml.models import SeriesState
from tests.factories.clients import make_client
from tests.factories.learning import make_training, make_version
from tests.factories.observing import draw_observations, store_results
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db


@pytest.fixture
def assignment():
    return make_assignment(make_client("probe"), "Path")


def measure(assignment, count):
    store_results(assignment, draw_observations(count, every_seconds=60.0, until=read_now()))


def use(assignment, kind, *, rows, days=0, is_provisional=False, scope=None):
    """A model in use that learned from so many rows and was judged by none."""
    now = read_now()
    return make_version(
        kind=kind,
        scope=scope or f"assignment:{assignment.id}",
        state="champion",
        row_count=rows,
        held_count=0,
        is_provisional=is_provisional,
        data_from=now - timedelta(days=days),
        held_until=now,
    )


def by_kind(assignment):
    return {one.kind: one for one in list_outlooks(assignment)}


def test_without_models_every_kind_says_what_it_has_and_needs(assignment):
    measure(assignment, 37)
    found = by_kind(assignment)
    assert found["joint_anomaly"].words == "learning 37/50: a first model at 50 results"
    assert found["prediction"].words == "learning 37/200: a first model at 200 results"
    assert found["health_class"].words == (
        "learning 37/500: a first model at 500 results with 30 outages on 2 clients"
    )
    assert found["joint_anomaly"].share == pytest.approx(37 / 50)
    assert {one.stage for one in found.values()} == {Stage.LEARNING}


def test_a_provisional_model_says_when_it_may_alert(assignment):
    use(assignment, "joint_anomaly", rows=60, is_provisional=True)
    use(assignment, "prediction", rows=260, is_provisional=True)
    found = by_kind(assignment)
    joint = found["joint_anomaly"]
    assert joint.words == "provisional, learning 60/200: it may alert at 200 results"
    assert (joint.stage, joint.share) == (Stage.PROVISIONAL, 0.3)
    assert found["prediction"].words == "provisional, learning 260/500"


def test_many_results_of_few_days_are_early_and_say_what_is_missing(assignment):
    use(assignment, "joint_anomaly", rows=1500, days=5)
    assert by_kind(assignment)["joint_anomaly"].words == (
        "early, of 1500 results in less than seven days: what it finds counts as information "
        "until then"
    )
    assert by_kind(assignment)["joint_anomaly"].stage == Stage.EARLY


def test_what_has_learned_has_no_next_stage(assignment):
    version = use(assignment, "joint_anomaly", rows=800, days=9)
    use(assignment, "health_class", rows=2000, scope=f"test:{assignment.test_id}")
    found = by_kind(assignment)
    assert found["joint_anomaly"].words == "learned from 800 results"
    assert (found["joint_anomaly"].share, found["joint_anomaly"].version) == (1.0, version)
    assert found["health_class"].words == "learned from 2000 results with 24 outages"


def test_enough_results_without_a_model_say_why(assignment):
    measure(assignment, 60)
    words = by_kind(assignment)["joint_anomaly"].words
    assert words == "60 results, enough for a first model: it is trained within the hour"
    scope = f"assignment:{assignment.id}"
    make_training(kind="joint_anomaly", scope=scope, decision="The baseline is better by 0.1.")
    words = by_kind(assignment)["joint_anomaly"].words
    assert words == "no model is in use: The baseline is better by 0.1."


def test_the_tests_of_a_client_are_counted_by_stage():
    probe = make_client("probe")
    learned, some, few = (make_assignment(probe, name) for name in ("one", "two", "three"))
    use(learned, "joint_anomaly", rows=800, days=9)
    use(some, "joint_anomaly", rows=60)
    measure(few, 20)
    measure(make_assignment(make_client("other"), "four"), 45)
    [joint] = [one for one in list_client_outlooks(probe.id) if one.kind == "joint_anomaly"]
    assert joint.stages == {Stage.FULL: 1, Stage.PROVISIONAL: 1, Stage.LEARNING: 1}
    assert (joint.furthest.count, joint.furthest.needed, joint.test_count) == (20, 50, 3)


def test_it_takes_as_many_queries_for_many_tests_as_for_one(django_assert_num_queries):
    probe = make_client("probe")
    for number in range(6):
        measure(make_assignment(probe, f"test {number}"), 3)
    with django_assert_num_queries(3):
        found = list_client_outlooks(probe.id)
    assert {one.test_count for one in found} == {6}


def test_series_are_judged_from_two_hundred_values_on():
    probe = make_client("probe")
    source = Source.objects.create(client=probe, kind="host", subject="")
    for metric, count in (("a", 900), ("b", 200), ("c", 120), ("d", 20)):
        SeriesState.objects.create(source=source, metric=metric, values_count=count, state=b"")
    found = find_series_outlook(probe.id)
    assert (found.judged, found.learning, found.least_values, found.needed) == (2, 2, 20, 200)
    assert find_series_outlook(probe.id, source_id=source.id + 1).judged == 0
