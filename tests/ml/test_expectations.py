"""What a test will probably measure: by whose results, with which interval, and for whom."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.ml.algorithms.expectations import expect_next
from apps.ml.selectors.expectations import Basis, expect_test
from apps.tests.models import Run
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.observing import draw_observations, store_results
from tests.factories.tests import make_assignment


def test_the_interval_holds_the_next_value_as_often_as_it_promises():
    rng = np.random.default_rng(0)
    held = []
    for _number in range(1500):
        values = rng.lognormal(size=61)
        expected = expect_next(values[:60])
        held.append(expected.low <= values[60] <= expected.high)
    assert np.mean(held) == pytest.approx(0.81, abs=0.03)


def test_fewer_than_twenty_values_say_nothing():
    values = np.arange(20.0)
    assert expect_next(values[:19]) is None
    assert expect_next(np.append(values[:19], np.nan)) is None
    assert expect_next(np.append(values, np.nan)).count == 20


@given(st.lists(st.floats(-1e12, 1e12), min_size=20, max_size=60))
def test_the_middle_lies_in_the_interval_and_order_means_nothing(values):
    expected = expect_next(np.array(values))
    assert min(values) <= expected.low <= expected.middle <= expected.high <= max(values)
    assert expect_next(np.array(values[::-1])) == expected


@pytest.fixture
def ann():
    return make_user("ann", "admin")


def measure(client, name, target, count=30, **fields):
    assignment = make_assignment(client, name, target=target, **fields)
    observations = draw_observations(count, every_seconds=600.0, until=read_now())
    return store_results(assignment, observations)


def expect(user, *clients, target="192.0.2.1", kind="ping"):
    ids = [client.id for client in clients]
    return expect_test(user, kind=kind, target=target, client_ids=ids)


@pytest.mark.django_db
def test_the_closest_results_that_are_enough_decide(ann):
    here = make_client("here", site="vienna")
    near = make_client("near", site="vienna")
    far = make_client("far", site="graz")
    measure(far, "far elsewhere", "192.0.2.9")
    assert expect(ann, here).basis == Basis.KIND
    measure(near, "near elsewhere", "192.0.2.8")
    assert expect(ann, here).basis == Basis.SITE
    measure(far, "far", "192.0.2.1")
    assert expect(ann, here).basis == Basis.TARGET
    measure(here, "few", "192.0.2.1", count=19)
    assert expect(ann, here).basis == Basis.TARGET
    measure(here, "enough", "192.0.2.1", count=20)
    found = expect(ann, here)
    assert (found.basis, found.count, found.client_count) == (Basis.SAME, 39, 1)
    assert set(found.figures) >= {"net.rtt.median", "net.packet.loss.ratio"}
    rtt = found.figures["net.rtt.median"]
    assert 0.015 < rtt.low < rtt.middle < rtt.high < 0.04


@pytest.mark.django_db
def test_nothing_is_made_up_where_nothing_was_measured(ann):
    here = make_client("here")
    measure(here, "few", "192.0.2.1", count=7)
    found = expect(ann, here)
    assert (found.basis, found.count, found.figures) == (None, 7, {})
    assert expect(ann, here, kind="dns").count == 0


@pytest.mark.django_db
def test_disturbed_and_old_results_say_nothing(ann):
    here = make_client("here")
    runs = measure(here, "test", "192.0.2.1")
    Run.objects.filter(id__in=[run.id for run in runs[:15]]).update(is_overlapped=True)
    assert expect(ann, here).basis is None
    Run.objects.update(is_overlapped=False)
    assert expect(ann, here).basis == Basis.SAME
    Run.objects.update(start_at=read_now() - timedelta(days=31))
    assert expect(ann, here).basis is None


@pytest.mark.django_db
def test_results_of_clients_that_somebody_may_not_see_say_nothing_to_them():
    vienna, graz = make_client("here", site="vienna"), make_client("far", site="graz")
    measure(graz, "theirs", "192.0.2.1")
    ben = make_user("ben", "operator", site="vienna")
    found = expect(ben, vienna)
    assert (found.basis, found.count) == (None, 0)
    measure(vienna, "ours", "192.0.2.1")
    assert expect(ben, vienna).basis == Basis.SAME


@pytest.mark.django_db
def test_no_test_outweighs_the_others(ann):
    here, far = make_client("here"), make_client("far")
    measure(here, "often", "192.0.2.1", count=150)
    measure(far, "seldom", "192.0.2.1", count=25)
    found = expect(ann)
    assert (found.basis, found.count, found.client_count) == (Basis.TARGET, 125, 2)


@pytest.mark.django_db
def test_it_takes_as_many_queries_for_many_tests_as_for_one(ann, django_assert_max_num_queries):
    here = make_client("here")
    for number in range(6):
        measure(here, f"test {number}", "192.0.2.1", count=20)
    with django_assert_max_num_queries(16):
        assert expect(ann, make_client("new"), target="192.0.2.77").basis == Basis.KIND
