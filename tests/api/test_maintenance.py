"""Maintenance windows through the API."""

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.clients.models import MaintenanceWindow
from apps.core.clock import read_now
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.maintenance import make_window, select

pytestmark = pytest.mark.django_db

WINDOWS = "/api/v1/maintenance-windows/"
JSON = "application/json"
TUESDAYS = {
    "name": "Router updates",
    "starts_at": "2026-03-24T21:00:00Z",
    "duration_seconds": 5400,
    "time_zone": "Europe/Berlin",
    "recurrence": "FREQ=WEEKLY;BYDAY=TU",
    "selector": {"sites": ["vienna"]},
}


@pytest.fixture
def probe():
    return make_client("vienna-1", site="vienna", tags=["edge"])


@pytest.fixture
def operator(client, probe):
    client.force_login(make_user("ann", "operator", site="vienna"))
    return client


def errors(answer):
    return {item["field"]: item["code"] for item in answer.json()["data"]["errors"]}


def test_a_window_is_made_shown_changed_and_deleted(operator):
    made = operator.post(WINDOWS, TUESDAYS, content_type=JSON)
    assert made.status_code == 201
    shown = operator.get(f"{WINDOWS}{made.json()['id']}/").json()
    assert shown["description"] == "every Tuesday 22:00\N{EN DASH}23:30 Europe/Berlin"
    assert shown["selector"] == {"sites": ["vienna"], "tags": [], "clients": []}
    assert (shown["created_by"], shown["effect"]) == ("ann", "pause")
    path = f"{WINDOWS}{shown['id']}/"
    changed = operator.patch(path, {"duration_seconds": 3600}, content_type=JSON).json()
    assert changed["duration_seconds"] == 3600
    assert changed["recurrence"] == TUESDAYS["recurrence"]
    assert operator.delete(path).status_code == 204
    assert operator.get(WINDOWS).json()["results"] == []


def test_a_window_that_goes_on_says_so_and_can_be_ended(operator):
    window = make_window(selector=select(sites=["vienna"]))
    path = f"{WINDOWS}{window.id}/"
    shown = operator.get(path).json()
    assert shown["is_active"]
    assert shown["next_occurrence"]["end"] > shown["next_occurrence"]["start"]
    ended = operator.post(f"{path}end-now/").json()
    assert (ended["is_active"], ended["next_occurrence"]) == (False, None)
    again = operator.post(f"{path}end-now/")
    assert (again.status_code, again.json()["code"]) == (409, "not_running")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"effect": "explode"}, "effect"),
        ({"duration_seconds": 59}, "duration_seconds"),
        ({"duration_seconds": 31 * 86_400 + 1}, "duration_seconds"),
        ({"duration_seconds": "long"}, "duration_seconds"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"starts_at": "soon"}, "starts_at"),
        ({"recurrence": "FREQ=WEEKLY;BYDAY=XX"}, "recurrence"),
        ({"recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence"),
        ({"recurrence": "FREQ=HOURLY"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;BYHOUR=" + "1," * 250 + "2"}, "recurrence"),
        ({"selector": {"sites": ["nowhere"]}}, "selector.sites"),
        ({"selector": {"tags": ["nothing"]}}, "selector.tags"),
        ({"selector": {"clients": [str(uuid4())]}}, "selector.clients"),
    ],
)
def test_what_is_wrong_is_named(operator, changes, field):
    answer = operator.post(WINDOWS, {**TUESDAYS, **changes}, content_type=JSON)
    assert answer.status_code == 400
    assert field in errors(answer)
    assert not MaintenanceWindow.objects.exists()


@pytest.mark.parametrize("selector", [{}, {"sites": ["graz"]}, {"sites": ["vienna", "graz"]}])
def test_an_operator_of_one_site_selects_no_other(operator, selector):
    make_client("graz-1", site="graz")
    answer = operator.post(WINDOWS, {**TUESDAYS, "selector": selector}, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    window = make_window(selector=select(sites=["vienna"]))
    path = f"{WINDOWS}{window.id}/"
    assert operator.patch(path, {"selector": selector}, content_type=JSON).status_code == 403


def test_a_preview_says_when_and_how_many_and_stores_nothing(operator):
    asked = {
        "starts_at": (read_now() + timedelta(days=1)).isoformat(),
        "duration_seconds": 3600,
        "time_zone": "Europe/Berlin",
        "recurrence": "FREQ=DAILY",
        "sites": "vienna",
    }
    preview = operator.get(f"{WINDOWS}preview/", asked).json()
    assert len(preview["occurrences"]) == 5
    assert preview["clients"] == 1
    assert preview["description"].startswith("every day")
    refused = operator.get(f"{WINDOWS}preview/", {**asked, "recurrence": "nonsense"})
    assert errors(refused) == {"recurrence": "malformed"}
    assert not MaintenanceWindow.objects.exists()


def test_windows_are_filtered_and_ordered(operator):
    make_window("b", selector=select(sites=["vienna"]))
    make_window("a", effect="mute", selector=select(sites=["vienna"]))

    def names(query):
        return [row["name"] for row in operator.get(f"{WINDOWS}?{query}").json()["results"]]

    assert names("ordering=name") == ["a", "b"]
    assert names("effect=mute") == ["a"]
    assert names("name__icontains=B") == ["b"]
