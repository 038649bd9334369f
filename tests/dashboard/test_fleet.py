"""One metric of many clients over a long time."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.dashboard.views import fleet
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.metrics.models import Source
from apps.metrics.services import hash_layout, know_layout
from apps.metrics.writers import RollupRow, insert_rollups
from tests.factories.accounts import make_user
from tests.factories.clients import make_client

pytestmark = pytest.mark.django_db

KEY = "system.cpu.utilization"
DAYS = 60


def add_hours(client, level, *, step_hours=1):
    """Two months of hours up to now at that level, or of every so many an hour."""
    layout = know_layout(hash_layout([KEY]), [KEY])
    source = Source.objects.create(client=client, kind="host")
    newest = floor_moment(read_now(), HOUR_SECONDS) - timedelta(hours=1)
    columns = ([60.0], [level / 2], [level], [level * 2], [level], [level])
    insert_rollups(
        [
            RollupRow(source.id, 3600, newest - timedelta(hours=hour), layout.id, columns)
            for hour in range(0, DAYS * 24, step_hours)
        ]
    )


def read_names(text):
    table = text[text.index('id="heat-clients"') :]
    return re.findall(r'<th scope="row">\s*<a [^>]*>([^<]+)</a>', table)


@pytest.fixture
def pair(db):
    calm, busy = make_client("calm-host"), make_client("busy-host")
    add_hours(calm, 0.1)
    add_hours(busy, 0.4)
    return calm, busy


def test_clients_are_listed_the_busiest_first_with_their_figures(page, pair):
    text = page.get(f"/fleet/?range=90d&key={KEY}").content.decode()
    assert read_names(text) == ["busy-host", "calm-host"]
    assert "2,880 hourly values" in text
    assert "80.0" in text[text.index('id="heat-clients"') :]


def test_a_field_leads_to_its_time_of_its_client(page, pair):
    text = page.get("/fleet/?range=30d").content.decode()
    url = reverse("dashboard:client", args=[pair[1].id])
    link = re.search(rf'href="({url}\?start=[^"]+)"', text)[1].replace("&amp;", "&")
    answer = page.get(link)
    assert answer.status_code == 200
    assert answer.context["history"].is_free


def test_the_hours_of_the_day_stand_in_the_users_zone(page, pair):
    text = page.get("/fleet/?range=30d").content.decode()
    part = text[text.index('id="heat-hours"') :]
    assert [f"{hour:02}:00" for hour in range(24)] == re.findall(r">\s*(\d\d:00)\s*</th>", part)


def test_a_site_narrows_the_clients(page, pair):
    add_hours(make_client("far-host", site="far"), 0.2)
    assert read_names(page.get("/fleet/?site=far").content.decode()) == ["far-host"]
    assert "There is no such client." in page.get("/fleet/?site=nowhere").content.decode()


def test_what_somebody_may_not_see_is_not_there(client, pair):
    add_hours(make_client("far-host", site="far"), 0.2)
    client.force_login(make_user("vera", "viewer", site="far"))
    assert read_names(client.get("/fleet/").content.decode()) == ["far-host"]


def test_more_clients_than_are_drawn_are_told(page, pair, monkeypatch):
    monkeypatch.setattr(fleet, "MOST_CLIENTS", 1)
    text = page.get("/fleet/").content.decode()
    assert "first 1 clients by name" in text
    assert read_names(text) == ["busy-host"]


def test_a_metric_that_nobody_measured_and_an_unknown_one(page, pair):
    assert "Nothing was measured" in page.get("/fleet/?key=system.io.pressure").content.decode()
    assert page.get("/fleet/?key=nonsense").context["key"] == KEY


def test_at_most_two_thousand_points_leave_the_server(page, db):
    for number in range(fleet.MOST_CLIENTS):
        add_hours(make_client(f"host-{number}"), 0.5, step_hours=5)
    answer = page.get("/fleet/?range=90d")
    drawn = answer.context["fleet"]
    cells = sum(len(row.cells) for shown in (drawn.clients, drawn.hours) for row in shown.rows)
    assert 500 < cells + len(drawn.fan["columns"][0]) <= 2000
