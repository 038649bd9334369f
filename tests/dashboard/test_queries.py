"""Pages ask the database as often for many rows as for few, and as often as written down."""

import json
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.dashboard.routes import PAGES, build_path
from tests.factories.crowd import Centre, add_crowd

pytestmark = pytest.mark.any_database

COUNTS = json.loads((Path(__file__).parents[1] / "query_counts.json").read_text())
FEW, MANY = 2, 12
# What a list shows only when asked for.
QUERIES = {
    "search": "?q=o",
    "clients": "?sort=-heartbeat",
    "users": "?sort=-seen",
    "client-history": ("?source=host&subject=&key=system.cpu.utilization&columns=all&forecast=on"),
    "test-history": "?source=assignment&subject=&key=net.rtt.median&columns=all&compare=day",
    "assignment-history": "?source=assignment&subject=&key=net.rtt.median&columns=all&compare=day",
    # Entries link to their objects, which takes a query for each kind that is there.
    "audit": "?object_type=user",
}


@pytest.fixture
def centre(admin, scene):
    """The corner whose pages are asked for; the administrator looks at them."""
    return Centre(scene.vienna.assignment, owner=admin, person=scene.vienna.person)


def count_queries(page, path):
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        answer = page.get(path)
    assert answer.status_code == 200, path
    return len(captured)


@pytest.fixture
def paths(scene):
    """The path of every page by its route, for the corner that the crowd gathers at."""
    return {
        f"dashboard:{name}": f"{build_path(name, scene.vienna)}{QUERIES.get(name, '')}"
        for name in PAGES
    }


def test_every_page_has_a_number_of_queries_and_no_other_has():
    assert sorted(COUNTS) == sorted(f"dashboard:{name}" for name in PAGES)


def test_every_page_asks_as_often_for_many_rows_as_for_few(page, paths, centre):
    add_crowd(centre, range(FEW))
    # What the database can do is asked once a process.
    assert connection.features.supports_json_field
    # The first page view of a session writes down that it is used.
    page.get("/", headers={"Accept": "text/html"})
    few = {route: count_queries(page, path) for route, path in paths.items()}
    add_crowd(centre, range(FEW, MANY))
    many = {route: count_queries(page, path) for route, path in paths.items()}
    assert many == few
    assert few == COUNTS
