"""What the server adds to a result out of it and the one before."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.tests.algorithms.comparison import compare_results, reckon_apdex
from apps.tests.models import Result, Run
from apps.tests.services.results import NewResult, record_result
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment

COUNTS = {"satisfied": 6, "tolerating": 2, "all": 10}


@pytest.mark.parametrize(
    ("document", "previous", "expected"),
    [
        ({"answers": ["a"]}, None, {"dns.answer.changed": "I"}),
        ({"answers": ["a"]}, {"answers": ["a"]}, {"dns.answer.changed": 0}),
        ({"answers": ["a"]}, {"answers": ["b"]}, {"dns.answer.changed": 1}),
        ({"answers": []}, {"answers": ["b"]}, {"dns.answer.changed": 1}),
        (
            {"apdex": COUNTS, "body_sha256": "x"},
            {"body_sha256": "y"},
            {"http.content.changed": 1, "http.apdex": 0.7},
        ),
        ({"apdex": COUNTS}, None, {"http.content.changed": "N", "http.apdex": 0.7}),
        ({"address": "192.0.2.1"}, None, {}),
    ],
)
def test_a_result_is_compared_with_the_one_before(document, previous, expected):
    assert compare_results(document, previous) == pytest.approx(expected)


@pytest.mark.parametrize(
    "counts",
    [
        {"satisfied": 0, "tolerating": 0, "all": 0},
        {"satisfied": 5, "tolerating": 5, "all": 9},
        {"satisfied": -1, "tolerating": 1, "all": 9},
        {"satisfied": "many", "tolerating": 1, "all": 9},
        {},
        None,
    ],
)
def test_counts_that_cannot_be_give_no_apdex(counts):
    assert reckon_apdex(counts) == "I"


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_apdex_is_between_none_and_all(satisfied, tolerating, frustrated):
    total = satisfied + tolerating + frustrated
    index = reckon_apdex({"satisfied": satisfied, "tolerating": tolerating, "all": total})
    assert index == "I" if total == 0 else 0 <= index <= 1


def store(assignment, start_at, document):
    run = Run.objects.create(
        id=uuid4(), assignment=assignment, schedule_revision=0, start_at=start_at,
        end_at=start_at + timedelta(seconds=1), state=Run.State.RUNNING,
    )  # fmt: skip
    result = NewResult(
        run_id=run.id, assignment_id=assignment.id, slot=None, revision=0,
        started_at=start_at, finished_at=start_at + timedelta(seconds=1),
        outcome="completed", reason="", is_success=True, method="dns",
        values={"dns.timeout.ratio": 0.0}, absent={}, facts={}, document=document,
    )  # fmt: skip
    record_result(client_id=assignment.client_id, result=result, received_at=read_now())
    return Result.objects.get(run=run)


@pytest.mark.django_db
def test_late_results_are_compared_with_the_run_before_theirs():
    assignment = make_assignment(
        make_client(), kind="dns", parameters={"name": "x"}, target="192.0.2.1"
    )
    start_at = datetime(2026, 1, 1, tzinfo=UTC)
    first = store(assignment, start_at, {"answers": ["a"]})
    third = store(assignment, start_at + timedelta(minutes=2), {"answers": ["b"]})
    second = store(assignment, start_at + timedelta(minutes=1), {"answers": ["a"]})
    assert first.absent == {"dns.answer.changed": "I"}
    assert third.values == {"dns.timeout.ratio": 0.0, "dns.answer.changed": 1.0}
    assert second.values["dns.answer.changed"] == 0.0
