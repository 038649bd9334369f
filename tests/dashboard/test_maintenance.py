"""The pages of maintenance: what is active and coming, the form with its preview, the marks."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.clients.models import MaintenanceWindow
from apps.core.clock import read_now
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.maintenance import make_window, select
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

FORM = {
    "name": "Router updates",
    "effect": "pause",
    "starts_at": "2027-03-23T22:00",
    "duration_minutes": "90",
    "time_zone": "Europe/Berlin",
    "preset": "weekly",
    "weekdays": ["TU"],
    "ordinal": "1",
    "weekday": "MO",
    "recurrence": "",
}
PREVIEW = "/maintenance/preview/"


@pytest.fixture
def probe():
    return make_client("vienna-1", site="vienna", tags=["edge"])


def test_without_windows_the_page_says_what_to_do(page):
    assert "Plan the first window" in page.get("/maintenance/").content.decode()


def test_windows_stand_under_what_they_are_now(page, probe):
    now = read_now()
    make_window("running", selector=select(sites=["vienna"]))
    make_window("later", starts_at=now + timedelta(days=2))
    make_window("sooner", starts_at=now + timedelta(days=1))
    make_window("over", starts_at=now - timedelta(days=2))
    windows = page.get("/maintenance/").context["windows"]
    assert [row.window.name for row in windows.active] == ["running"]
    assert [row.window.name for row in windows.coming] == ["sooner", "later"]
    assert [row.window.name for row in windows.past] == ["over"]
    [active] = windows.active
    assert (active.selected, active.client_count, active.may_change) == ("Vienna", 1, True)
    assert windows.past[0].selected == "every client"


def test_the_list_asks_as_often_for_many_windows_as_for_few(page, probe):
    counts = []
    for number in (2, 20):
        for _more in range(number):
            make_window("again", selector=select(sites=["vienna"], clients=[probe]))
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            page.get("/maintenance/")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_window_is_made_as_typed(page, probe):
    chosen = {"sites": ["vienna"], "tags": ["edge"], "clients": [str(probe.id)]}
    answer = page.post("/maintenance/new/", {**FORM, **chosen})
    assert answer.headers["Location"] == "/maintenance/"
    window = MaintenanceWindow.objects.get()
    assert window.starts_at == datetime(2027, 3, 23, 22, tzinfo=ZoneInfo("Europe/Berlin"))
    assert (window.duration_seconds, window.recurrence) == (5400, "FREQ=WEEKLY;BYDAY=TU")
    assert window.selector == {name: chosen[name] for name in ("sites", "tags", "clients")}


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ({"preset": "once"}, ""),
        ({"preset": "daily"}, "FREQ=DAILY"),
        ({"preset": "weekly", "weekdays": ["SU", "MO"]}, "FREQ=WEEKLY;BYDAY=MO,SU"),
        ({"preset": "weekly", "weekdays": []}, "FREQ=WEEKLY"),
        ({"preset": "monthly", "ordinal": "-1", "weekday": "FR"}, "FREQ=MONTHLY;BYDAY=-1FR"),
        ({"preset": "custom", "recurrence": "RRULE:FREQ=DAILY;COUNT=3"}, "FREQ=DAILY;COUNT=3"),
    ],
)
def test_a_preset_becomes_a_rule_and_is_found_again(page, typed, rule):
    page.post("/maintenance/new/", {**FORM, **typed})
    window = MaintenanceWindow.objects.get()
    assert window.recurrence == rule
    form = page.get(f"/maintenance/{window.id}/edit/").context["form"]
    shown = {name: form[name].value() for name in FORM}
    page.post(f"/maintenance/{window.id}/edit/", shown)
    again = MaintenanceWindow.objects.get()
    assert (again.recurrence, again.starts_at) == (rule, window.starts_at)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"starts_at": ""}, "starts_at"),
        ({"duration_minutes": "0"}, "duration_minutes"),
        ({"duration_minutes": "44641"}, "duration_minutes"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"preset": "custom", "recurrence": "nonsense"}, "recurrence"),
        ({"preset": "daily", "duration_minutes": "1441"}, "preset"),
        ({"sites": ["nowhere"]}, "sites"),
        ({"clients": ["nobody"]}, "clients"),
    ],
)
def test_what_is_wrong_stands_at_its_field(page, typed, field):
    answer = page.post("/maintenance/new/", {**FORM, **typed})
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert not MaintenanceWindow.objects.exists()


def test_an_operator_of_one_site_must_choose_among_its_clients(client, probe):
    client.force_login(make_user("local", "operator", site="vienna"))
    answer = client.post("/maintenance/new/", FORM)
    assert answer.status_code == 422
    assert "Only who operates every client" in str(answer.context["form"].errors)
    assert client.post("/maintenance/new/", {**FORM, "sites": ["vienna"]}).status_code == 302


def test_the_preview_shows_the_next_five_times_in_the_zone(page, probe):
    answer = page.post(PREVIEW, {**FORM, "name": "", "sites": ["vienna"]})
    text = " ".join(answer.content.decode().split())
    assert text.count("<li>") == 5
    assert "Tue 2027-03-23 22:00" in text
    assert "Tue 2027-03-30 22:00" in text
    assert "1 client of yours" in text
    assert not MaintenanceWindow.objects.exists()


def test_the_preview_of_something_wrong_says_what(page):
    wrong = {**FORM, "preset": "custom", "recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}
    assert "Never fires" in page.post(PREVIEW, wrong).content.decode()
    unfinished = page.post(PREVIEW, {**FORM, "starts_at": ""}).content.decode()
    assert "are given" in unfinished


def test_what_is_going_on_is_ended_and_a_window_deleted(page):
    window = make_window()
    page.post(f"/maintenance/{window.id}/end/")
    assert not page.get("/maintenance/").context["windows"].active
    again = page.post(f"/maintenance/{window.id}/end/", follow=True)
    assert "not going on right now" in again.content.decode()
    page.post(f"/maintenance/{window.id}/delete/")
    assert not MaintenanceWindow.objects.exists()


def test_clients_and_tests_show_the_maintenance_they_are_in(page, probe):
    assignment = make_assignment(probe)
    make_window("Router updates", selector=select(sites=["vienna"]))
    make_client("graz-1", site="graz")
    paths = [f"/clients/{probe.id}/", f"/tests/{assignment.test_id}/"]
    for path in paths:
        assert "In maintenance: Router updates" in page.get(path).content.decode()
    assert page.get("/clients/").content.decode().count("maintenance until") == 1
    MaintenanceWindow.objects.all().delete()
    for path in (*paths, "/clients/"):
        text = page.get(path).content.decode()
        assert "In maintenance" not in text
        assert "maintenance until" not in text


def test_the_list_of_runs_shows_who_waited_and_why(page, probe):
    assignment = make_assignment(probe)
    make_run(
        assignment, state="paused", reason="maintenance: Router updates",
        start_at=read_now() - timedelta(minutes=5),
    )  # fmt: skip
    text = page.get("/runs/").content.decode()
    assert "Paused" in text
    assert "maintenance: Router updates" in text
