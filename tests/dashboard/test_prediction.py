"""The button "Predict" of the form of a test."""

import pytest

from apps.core.clock import read_now
from apps.tests.models import Test
from tests.factories.clients import make_client
from tests.factories.observing import draw_observations, store_results
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db
TYPED = {"name": "", "kind": "ping", "target": "192.0.2.1", "selection_kind": "clients"}


def text_of(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def probe():
    probe = make_client("probe")
    assignment = make_assignment(probe, "known", target="192.0.2.1")
    store_results(assignment, draw_observations(40, every_seconds=600.0, until=read_now()))
    return probe


def test_a_half_typed_form_is_told_what_to_expect_and_by_what(page, probe):
    shown = text_of(page.post("/tests/prediction/", {**TYPED, "clients": [str(probe.id)]}))
    assert "By what these clients measured to this target." in shown
    assert "40 results, 1 client, of the last 30 days" in shown
    assert shown.count("80 %:") == 3
    assert Test.objects.count() == 1


def test_others_results_are_named_as_such(page, probe):
    other = make_client("other")
    shown = text_of(page.post("/tests/prediction/", {**TYPED, "clients": [str(other.id)]}))
    assert "By what other clients measured to this target." in shown
    elsewhere = {**TYPED, "target": "192.0.2.50"}
    shown = text_of(page.post("/tests/prediction/", elsewhere))
    assert "By what clients measured to other targets." in shown


def test_without_results_it_says_how_many_are_needed(page, probe):
    shown = text_of(page.post("/tests/prediction/", {**TYPED, "kind": "dns", "target": ""}))
    assert "there are 0 results of this type of test where 20 are needed" in shown


def test_a_malformed_target_is_said_beside_what_is_known_of_the_type(page, probe):
    shown = text_of(page.post("/tests/prediction/", {**TYPED, "target": "300.1.1.1"}))
    assert "is no IPv4 address" in shown
    assert "By what clients measured to other targets." in shown


def test_the_form_has_the_button(page, probe):
    assert 'hx-post="/tests/prediction/"' in page.get("/tests/new/").content.decode()
