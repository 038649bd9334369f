"""Lists ask the database as often for many rows as for few, and as often as written down."""

import json
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.clock import read_now
from apps.tests.models import Assignment
from tests.dashboard.scene import note_last, record_host_frame
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result, make_test

COUNTS = json.loads((Path(__file__).parents[1] / "query_counts.json").read_text())
FEW, MANY = 2, 20


@pytest.fixture
def fill():
    """Adds clients, each with figures, tags and a failing test, all running one test together."""
    everyone = []

    def add(count):
        for number in range(len(everyone), len(everyone) + count):
            client = make_client(
                f"probe-{number:03d}",
                site=f"site{number % 3}",
                tags=[f"tag{number % 4}", "all"],
                presence="online" if number % 2 else "offline",
                presence_since=read_now(),
                last_heartbeat_at=read_now(),
            )
            record_host_frame(client, read_now())
            assignment = make_assignment(client, f"alone-{number:03d}")
            note_last(assignment, make_result(assignment, is_success=False))
            everyone.append(client)
        shared = make_test(f"shared-{len(everyone)}", *everyone)
        for assignment in Assignment.objects.filter(test=shared):
            note_last(assignment, make_result(assignment))
        return shared

    return add


def count_queries(page, path):
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        answer = page.get(path)
    assert answer.status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dashboard:overview", "/"),
        ("dashboard:clients", "/clients/?sort=-heartbeat"),
        ("dashboard:tests", "/tests/"),
        ("dashboard:runs", "/runs/"),
        ("dashboard:search", "/search/?q=o"),
        ("dashboard:new-test", "/tests/new/"),
        ("dashboard:enrol", "/clients/enrol/"),
    ],
)
def test_a_list_asks_as_often_for_many_rows_as_for_few(page, fill, name, path):
    fill(FEW)
    few = count_queries(page, path)
    fill(MANY)
    assert (few, count_queries(page, path)) == (COUNTS[name], COUNTS[name])


def test_the_page_of_a_test_asks_as_often_for_many_clients_as_for_few(page, fill):
    counts = [count_queries(page, f"/tests/{fill(size).id}/") for size in (FEW, MANY)]
    assert counts == [COUNTS["dashboard:test"]] * 2
