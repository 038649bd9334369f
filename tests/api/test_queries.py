"""Lists of the REST API ask the database as often for many rows as for few."""

import pytest
from django.core.cache import cache
from django.db import connection

from apps.accounts.models import User
from apps.metrics.selectors.storage import CACHE_NAME as STORAGE_CACHE_NAME
from apps.tests.models import Assignment
from tests.api import matrix
from tests.api.counting import count_queries
from tests.api.objects import fill, make_objects
from tests.factories.accounts import make_user
from tests.factories.crowd import Centre, add_crowd

pytestmark = pytest.mark.any_database

FEW, MANY = 2, 10
READS = sorted(
    route
    for route, methods in matrix.API.items()
    # A download writes to the audit and reads in steps; tests/reports counts them.
    if "GET" in methods and route not in {"api/schema/", "api/v1/exports/<str:name>"}
)
# What a list needs to be asked for, and what these lists are of.
QUERIES = {
    "api/v1/series/": "?metric=net.rtt.median&client={client}&test={test}",
    "api/v1/sources/": "?client={client}",
    "api/v1/prometheus/api/v1/query": '?query={{client=~".%2B"}}',
    "api/v1/prometheus/api/v1/query_range": (
        '?query={{client=~".%2B"}}&start=1769860800&end=1769861800&step=100'
    ),
    "api/v1/prometheus/api/v1/series": '?match[]={{client=~".%2B"}}',
    "api/v1/clients/<uuid:id>/documents/": "?kind=processes",
    "api/v1/maintenance-windows/preview/": (
        "?starts_at=2026-01-01T00:00:00Z&duration_seconds=3600&time_zone=UTC"
    ),
}


def build_path(route, objects):
    return f"{fill(route, objects)}{QUERIES.get(route, '').format(**objects)}"


def test_everything_read_takes_as_many_queries_for_many_rows_as_for_few(db, client):
    objects = make_objects("vienna")
    owner = User.objects.get(username="owner-vienna")
    assignment = Assignment.objects.get(id=objects["assignment"])
    centre = Centre(assignment, owner=owner, person=make_user("person", "viewer"))
    client.force_login(owner)
    paths = {route: build_path(route, objects) for route in READS}
    add_crowd(centre, range(FEW))
    client.get("/", headers={"Accept": "text/html"})
    # What the database can do is asked once a process.
    assert connection.features.supports_json_field
    few = count_all(client, paths)
    add_crowd(centre, range(FEW, MANY))
    assert count_all(client, paths) == few


def count_all(client, paths):
    # What is remembered for a minute would be asked for once only.
    cache.delete(STORAGE_CACHE_NAME)
    return {
        route: count_queries(lambda path=path: client.get(path)) for route, path in paths.items()
    }
