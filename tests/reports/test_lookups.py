"""Names of what rows point to: looked up once for each, and right for each."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.reports.algorithms.tables import Column
from apps.reports.datasets.columns import TEXT, WORD, identify
from apps.reports.datasets.runs import RUNS
from apps.reports.selectors import keyset, lookups
from apps.reports.selectors.lookups import Lookup
from apps.tests.models import Assignment
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

COLUMNS = (
    Column("test_name", TEXT, "test__name"),
    Column("site", WORD, "client__site__slug"),
    identify("id", "id"),
)


@pytest.fixture
def assignments():
    return [
        make_assignment(make_client(f"probe-{number}", site=f"site-{number}"), f"Test {number}")
        for number in range(3)
    ]


def read_keys(assignments):
    """The keys as the database gives them beside the rows that point to them."""
    key = lookups.build_row_key("pk", Assignment._meta.pk)
    rows = Assignment.objects.annotate(key=key).values_list("key")
    return [keyset.fetch(rows.filter(id=one.id))[0][0] for one in assignments]


def test_each_key_has_its_own_cells_wherever_it_comes(assignments):
    first, second, third = read_keys(assignments)
    lookup = Lookup(Assignment, COLUMNS)
    names, sites, ids = lookup.find([second, first, None, second])
    assert names == ["Test 1", "Test 0", None, "Test 1"]
    assert sites == ["site-1", "site-0", None, "site-1"]
    assert ids == [str(assignments[1].id), str(assignments[0].id), None, str(assignments[1].id)]
    with CaptureQueriesContext(connection) as captured:
        assert lookup.find([third, first])[0] == ["Test 2", "Test 0"]
        assert lookup.find([third])[0] == ["Test 2"]
    assert len(captured) == 1


def test_what_is_gone_by_now_is_empty(assignments):
    first, second, _third = read_keys(assignments)
    assignments[0].delete()
    assert Lookup(Assignment, COLUMNS).find([first, second])[0] == [None, "Test 1"]


def test_no_more_is_remembered_than_it_may(assignments, monkeypatch):
    monkeypatch.setattr(lookups, "REMEMBERED_ROWS", 1)
    first, second, third = read_keys(assignments)
    lookup = Lookup(Assignment, COLUMNS)
    assert lookup.find([first, second])[0] == ["Test 0", "Test 1"]
    assert lookup.find([third, second])[0] == ["Test 2", "Test 1"]
    assert lookup.find([first])[0] == ["Test 0"]
    assert len(lookup._known) == 2


def test_runs_of_many_assignments_keep_their_names(assignments, monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 2)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)
    bob = make_user("bob", "viewer")
    made = {}
    for number in range(7):
        one = assignments[number % 3]
        asker = bob if number % 2 else None
        run = make_run(one, state="failed", slot=number, requested_by=asker)
        made[str(run.id)] = (str(one.id), f"Test {number % 3}", asker and "bob")
    names = [column.name for column in RUNS.columns]
    rows = [
        dict(zip(names, row, strict=True))
        for chunk in RUNS.select(bob, {"state": ["failed"]}).read()
        for row in zip(*chunk.columns, strict=True)
    ]
    told = {row["run"]: (row["assignment"], row["test_name"], row["requested_by"]) for row in rows}
    assert told == made
