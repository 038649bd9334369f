"""Asking what is wrong, and reading the answer."""

import pytest
from django.urls import reverse

from apps.ml.models import Diagnosis
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db


@pytest.fixture
def result():
    assignment = make_assignment(make_client("host"), "Ping", target="192.0.2.1")
    return make_result(assignment, values={"net.rtt.median": 0.02, "net.packet.loss.ratio": 0.3})


def test_the_button_of_a_run_leads_to_its_answer(page, result):
    answer = page.post(reverse("dashboard:diagnose-run", args=[result.run_id]), follow=True)
    text = answer.content.decode()
    assert "Loss on the path is the first cause" in text
    assert "30 % is lost end to end." in text
    assert "no MTU test of this target: add one" in text
    assert Diagnosis.objects.get().run_id == result.run_id


def test_a_test_is_asked_about_as_a_client_sees_it(page, result):
    assignment = result.run.assignment
    path = reverse("dashboard:diagnose-test", args=[assignment.test_id])
    answer = page.post(path, {"client": str(assignment.client_id)}, follow=True)
    assert answer.status_code == 200
    assert Diagnosis.objects.get().test_id == assignment.test_id


@pytest.mark.parametrize("named", ["", "no-id", "00000000-0000-0000-0000-000000000000"])
def test_without_a_client_of_the_test_nothing_is_asked(page, result, named):
    path = reverse("dashboard:diagnose-test", args=[result.run.assignment.test_id])
    assert page.post(path, {"client": named}).status_code in {400, 404}
    assert not Diagnosis.objects.exists()


def test_a_client_is_asked_about_as_a_whole(page, result):
    client = result.run.assignment.client
    answer = page.post(reverse("dashboard:diagnose-client", args=[client.id]), follow=True)
    assert answer.status_code == 200
    assert Diagnosis.objects.get().test is None


def test_the_list_is_narrowed_to_a_cause(page, result):
    page.post(reverse("dashboard:diagnose-run", args=[result.run_id]))
    path = reverse("dashboard:diagnoses")
    assert "Loss on the path is" in page.get(path, {"cause": "path_loss"}).content.decode()
    assert "Loss on the path is" not in page.get(path, {"cause": "tls"}).content.decode()


def test_an_empty_list_says_how_to_ask(page):
    assert "press Diagnose" in page.get(reverse("dashboard:diagnoses")).content.decode()
