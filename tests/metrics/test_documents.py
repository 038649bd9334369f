"""Documents: read by client, forgotten after an hour, the last one never."""

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.core.clock import format_moment, read_now
from apps.core.errors import NotFound
from apps.metrics.models import Document
from apps.metrics.selectors import find_document, get_document
from apps.metrics.services import (
    NewDocument,
    forget_documents,
    know_source,
    record_document,
    retention,
)
from tests.factories.accounts import make_user
from tests.factories.clients import make_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client(site="vienna")


@pytest.fixture
def viewer(client):
    client.force_login(make_user("ann", "viewer"))
    return client


def store(client, at, kind="processes", **body):
    document = NewDocument(know_source(client.id, kind, ""), kind, at, body)
    return record_document(client_id=client.id, document=document, received_at=at)


def test_the_newest_by_its_own_time_is_found_whatever_came_last(probe):
    now = read_now()
    store(probe, now, total=2)
    store(probe, now - timedelta(minutes=1), total=1)
    assert find_document(probe.id, "processes").body == {"total": 2}
    assert find_document(probe.id, "connections") is None
    assert find_document(make_client("other").id, "processes") is None


def test_the_newest_until_a_moment_is_found(probe):
    now = read_now()
    for minute in range(3):
        store(probe, now - timedelta(minutes=minute), total=minute)
    assert find_document(probe.id, "processes", now - timedelta(minutes=1)).body == {"total": 1}
    assert find_document(probe.id, "processes", now - timedelta(seconds=90)).body == {"total": 2}


def test_what_there_is_not_says_since_when_there_is_something(probe):
    with pytest.raises(NotFound, match="has sent no processes yet"):
        get_document(probe.id, "processes")
    now = read_now()
    store(probe, now)
    with pytest.raises(NotFound, match=now.isoformat().replace("+", r"\+")):
        get_document(probe.id, "processes", now - timedelta(hours=2))


def test_documents_over_an_hour_old_are_forgotten(probe):
    now = read_now()
    ages = [timedelta(minutes=age) for age in (0, 59, 61, 200)]
    for age in ages:
        store(probe, now - age)
    assert forget_documents(now) == 2
    kept = Document.objects.order_by("-at").values_list("at", flat=True)
    assert list(kept) == [now, now - timedelta(minutes=59)]


def test_the_last_one_of_each_source_stays_however_old(probe):
    now = read_now()
    other = make_client("other")
    for client in (probe, other):
        for kind in ("processes", "connections"):
            for hours in (5, 6):
                store(client, now - timedelta(hours=hours), kind)
    assert forget_documents(now) == 4
    kept = Document.objects.values_list("at", flat=True)
    assert list(kept) == [now - timedelta(hours=5)] * 4


def test_forgetting_goes_in_slices(probe, monkeypatch):
    monkeypatch.setattr(retention, "DOCUMENTS_PER_TRANSACTION", 2)
    now = read_now()
    for hours in range(2, 9):
        store(probe, now - timedelta(hours=hours))
    assert retention.forget_some_documents(now - timedelta(hours=1)) == 2
    assert forget_documents(now) == 4
    assert Document.objects.count() == 1


def test_documents_go_with_their_client(probe):
    store(probe, read_now())
    probe.delete()
    assert not Document.objects.exists()


def read(http, client, **query):
    return http.get(f"/api/v1/clients/{client.id}/documents/", query)


def test_the_api_answers_with_the_newest(viewer, probe):
    now = read_now()
    store(probe, now, total=3)
    answer = read(viewer, probe, kind="processes")
    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "processes",
        "at": format_moment(now),
        "received_at": format_moment(now),
        "document": {"total": 3},
    }


def test_the_api_answers_with_the_one_of_a_moment(viewer, probe):
    now = read_now()
    store(probe, now, total=2)
    store(probe, now - timedelta(minutes=10), total=1)
    earlier = (now - timedelta(minutes=5)).isoformat()
    assert read(viewer, probe, kind="processes", at=earlier).json()["document"] == {"total": 1}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "kind"),
        ({"kind": "frames"}, "kind"),
        ({"kind": "processes", "at": "yesterday"}, "at"),
        ({"kind": "processes", "at": "2026-13-01T00:00:00Z"}, "at"),
    ],
)
def test_the_api_names_what_is_wrong(viewer, probe, query, field):
    answer = read(viewer, probe, **query)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["data"]["errors"]] == [field]


def test_the_api_says_that_there_is_none(viewer, probe):
    answer = read(viewer, probe, kind="connections")
    assert (answer.status_code, answer.json()["code"]) == (404, "document_unknown")


def test_the_api_shows_only_the_clients_somebody_may_see(client, probe):
    store(probe, read_now())
    client.force_login(make_user("bob", "viewer", site="graz"))
    answer = read(client, probe, kind="processes")
    assert (answer.status_code, answer.json()["code"]) == (404, "client_unknown")
    assert client.get(f"/api/v1/clients/{uuid4()}/documents/?kind=processes").status_code == 404
