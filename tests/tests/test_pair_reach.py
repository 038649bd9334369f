"""Who sees what two clients measured between them: whoever may see either, and a denial wins."""

import pytest

from apps.core.errors import NotFound, Refused
from apps.tests.selectors import (
    get_run,
    get_test,
    get_test_to_change,
    list_assignments,
    list_results,
    list_runs,
)
from tests.factories.accounts import deny, make_user
from tests.factories.clients import make_site
from tests.factories.kinds import install_kinds
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def pair():
    return make_pair(make_end("near", site="vienna"), make_end("far", site="graz", tags=["edge"]))


@pytest.fixture
def run(pair):
    return make_result(pair).run


def list_what_is_seen(user, run):
    return [
        list_assignments(user).filter(id=run.assignment_id).exists(),
        list_runs(user).filter(id=run.id).exists(),
        list_results(user).filter(run=run).exists(),
    ]


@pytest.mark.parametrize("place", [{"site": "vienna"}, {"site": "graz"}, {"tag": "edge"}, {}])
def test_whoever_may_see_either_end_sees_the_pair_its_runs_and_results(run, place):
    viewer = make_user("viewer", "viewer", **place)
    assert list_what_is_seen(viewer, run) == [True] * 3
    assert get_run(viewer, run.id) == run
    assert get_test(viewer, run.assignment.test_id) == run.assignment.test


def test_whoever_may_see_neither_end_sees_nothing(run):
    viewer = make_user("viewer", "viewer", site=make_site("linz").slug)
    assert list_what_is_seen(viewer, run) == [False] * 3
    with pytest.raises(NotFound):
        get_run(viewer, run.id)


@pytest.mark.parametrize("denied", ["vienna", "graz"])
def test_a_denial_of_either_end_wins(run, denied):
    everywhere = make_user("everywhere", "viewer")
    deny(everywhere, "viewer", site=denied)
    assert list_what_is_seen(everywhere, run) == [False] * 3


def test_a_denial_elsewhere_takes_no_test_without_a_far_end(run):
    alone = make_assignment(make_end("alone", site="linz"))
    everywhere = make_user("everywhere", "viewer")
    deny(everywhere, "viewer", site="graz")
    deny(everywhere, "viewer", tag="edge")
    assert list(list_assignments(everywhere)) == [alone]


def test_to_see_a_pair_is_not_to_change_it(run):
    operator = make_user("operator", "operator", site="graz")
    with pytest.raises(Refused):
        get_test_to_change(operator, run.assignment.test_id)
