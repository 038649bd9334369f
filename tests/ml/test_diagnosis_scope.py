"""Who may ask about what, and who may read the answer."""

import pytest

from apps.core.errors import NotFound
from apps.ml.selectors.diagnoses import (
    get_assignment_to_diagnose,
    get_client_to_diagnose,
    get_diagnosis,
    get_run_to_diagnose,
    list_diagnoses,
)
from apps.ml.services.diagnosing import diagnose_run
from tests.factories.accounts import grant, make_user
from tests.factories.clients import make_client
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_assignment, make_result

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def run():
    client = make_client("host", site="vienna")
    return make_result(make_assignment(client, "Ping", target="192.0.2.1")).run


def make_person(role, site):
    person = make_user(f"{role}-{site}")
    grant(person, role, site=site)
    return person


def test_an_operator_of_the_client_may_ask(run):
    operator = make_person("operator", "vienna")
    assignment = run.assignment
    assert get_run_to_diagnose(operator, run.id) == run
    assert get_client_to_diagnose(operator, assignment.client_id) == assignment.client
    found = get_assignment_to_diagnose(
        operator, test_id=assignment.test_id, client_id=assignment.client_id
    )
    assert found == assignment


def test_a_viewer_reads_the_answer_and_may_not_ask(run):
    viewer = make_person("viewer", "vienna")
    diagnosis = diagnose_run(run, asked_by=None)
    assert get_diagnosis(viewer, diagnosis.id) == diagnosis
    with pytest.raises(NotFound):
        get_run_to_diagnose(viewer, run.id)
    with pytest.raises(NotFound):
        get_assignment_to_diagnose(
            viewer, test_id=run.assignment.test_id, client_id=run.assignment.client_id
        )


def test_an_operator_of_another_site_knows_nothing_of_it(run):
    stranger = make_person("operator", "graz")
    diagnosis = diagnose_run(run, asked_by=None)
    assert not list_diagnoses(stranger).exists()
    with pytest.raises(NotFound):
        get_diagnosis(stranger, diagnosis.id)


def test_the_far_end_of_a_pair_is_not_enough_to_read_of_the_near_host():
    near, far = make_end("near", site="vienna"), make_end("far", site="graz")
    assignment = make_pair(near, far, kind="udp_session")
    far_operator = make_person("operator", "graz")
    run = make_result(assignment).run
    diagnose_run(run, asked_by=None)
    assert not list_diagnoses(far_operator).exists()
    with pytest.raises(NotFound):
        get_run_to_diagnose(far_operator, run.id)
