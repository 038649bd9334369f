"""Looking through the audit: filters, pages, links, and what is exported."""

import csv
import json
from datetime import timedelta
from io import StringIO

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import OperationalError

from apps.accounts.actors import Actor, act_as
from apps.accounts.algorithms.changes import list_changes
from apps.accounts.models import AuditEntry
from apps.accounts.services import record_audit, verify_audit
from apps.clients.services import create_tag, delete_tag
from apps.core.clock import read_now
from apps.dashboard.templatetags.swarm import object_kind
from tests.factories.accounts import make_user
from tests.factories.clients import make_site

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def page(client):
    client.force_login(make_user("boss", "admin"))
    return client


@pytest.fixture
def entries():
    """Two people, two doors, two kinds of object."""
    for name, via, address in (("ann", "ui", "192.0.2.1"), ("bob", "api", "192.0.2.2")):
        with act_as(Actor(label=name, via=AuditEntry.Via(via), address=address)):
            create_tag(slug=name, name=name.upper())
    with act_as(Actor(label="ann", via=AuditEntry.Via.UI)):
        delete_tag(tag=create_tag(slug="gone", name="Gone"))
    return list(AuditEntry.objects.order_by("id"))


def find(page, query):
    """The ids on the page, and those the API gives and exports for the same filter.

    Exporting is written down as well; such entries are left out.
    """
    text = page.get(f"/audit/?{query}").content.decode()
    entries = AuditEntry.objects.exclude(action="export")
    shown = [entry.id for entry in entries if f'id="entry-{entry.id}"' in text]
    rows = page.get(f"/api/v1/audit/?{query}").json()["results"]
    exported = json.loads(page.get(f"/api/v1/exports/audit.json?{query}").getvalue())["rows"]
    listed, taken = (
        [row["id"] for row in found if row["action"] != "export"] for found in (rows, exported)
    )
    assert shown == listed
    assert taken == sorted(listed)
    return taken


def test_each_filter_stands_in_the_address(page, entries):
    first, second, third, last = (entry.id for entry in entries)
    assert find(page, "") == [first, second, third, last]
    assert find(page, "person=bob") == [second]
    assert find(page, "via=ui") == [first, third, last]
    assert find(page, "action=delete") == [last]
    assert find(page, "object_type=tag&object_id=" + entries[1].object_id) == [second]
    assert find(page, "object_type=site") == []
    assert find(page, "q=192.0.2.2") == [second]
    assert find(page, "q=gone") == [third, last]
    assert find(page, f"older={third}") == [first, second]
    tomorrow = (read_now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    assert find(page, f"after={tomorrow}") == []
    assert find(page, f"before={tomorrow}") == [first, second, third, last]


@pytest.mark.parametrize("query", ["older=x", "older=²", "after=soon", "via=moon", "older=9" * 9])
def test_what_no_browser_sends_breaks_no_page(page, entries, query):
    assert page.get(f"/audit/?{query}").status_code == 200


def test_times_are_typed_in_the_users_zone(page, entries):
    user = entries[0]
    from apps.accounts.models import User

    User.objects.update(time_zone="Pacific/Auckland")
    local = "2000-01-01T13:00"
    text = page.get(f"/audit/?before={local}").content.decode()
    assert "No entry fits" in text
    assert f'id="entry-{user.id}"' in page.get(f"/audit/?after={local}").content.decode()


def test_pages_go_on_by_id_and_count_nothing(page, monkeypatch):
    site = make_site()
    for number in range(120):
        record_audit(action="change", target=site, after={"n": number})
    with CaptureQueriesContext(connection) as captured:
        text = page.get("/audit/").content.decode()
    assert "COUNT(" not in " ".join(query["sql"] for query in captured).upper()
    assert text.count('class="entry"') == 50
    ids = sorted(AuditEntry.objects.values_list("id", flat=True), reverse=True)
    assert f"older={ids[49]}" in text
    older = page.get(f"/audit/?older={ids[99]}").content.decode()
    assert 'class="entry"' in older
    assert f"older={ids[-1]}" not in older


def test_the_number_of_queries_stays_the_same(page):
    site = make_site()

    def count():
        with CaptureQueriesContext(connection) as captured:
            page.get("/audit/")
        return len(captured)

    record_audit(action="change", target=site)
    few = count()
    for number in range(30):
        record_audit(action="change", target=make_site(f"s{number}"))
    assert count() == few


def test_what_still_exists_is_linked_and_what_is_gone_is_not(page, entries):
    text = page.get("/audit/?person=ann").content.decode()
    assert text.count('<a href="/places/">') == 1


def test_a_change_is_shown_field_by_field(page):
    record_audit(
        action="change",
        target=make_site(),
        before={"name": "<b>Old</b>", "kept": 1},
        after={"name": "New", "kept": 1, "tags": ["a"]},
    )
    text = page.get("/audit/?action=change").content.decode()
    assert "<del>&lt;b&gt;Old&lt;/b&gt;</del>" in text
    assert "<ins>New</ins>" in text
    assert text.count('class="is-changed"') == 2


def test_changed_fields_come_first():
    changes = list_changes({"a": 1, "z": 1}, {"a": 1, "z": 2, "m": None})
    assert [(change.field, change.is_changed) for change in changes] == [
        ("m", True),
        ("z", True),
        ("a", False),
    ]
    assert (changes[0].before, changes[0].after) == (None, "null")


def test_the_export_button_carries_the_filters(page, entries):
    text = page.get("/audit/?person=ann&via=ui").content.decode()
    assert "/exports/?dataset=audit&amp;person=ann&amp;via=ui" in text


def test_an_exported_entry_is_guarded_and_keeps_what_was_before_and_after(page):
    with act_as(Actor(label="=1+1", via=AuditEntry.Via.UI)):
        entry = record_audit(action="change", target=make_site(), after={"level": -3.2})
    content = page.get("/api/v1/exports/audit.csv?action=change").getvalue().decode()
    row, _end = csv.DictReader(StringIO(content, newline=""))
    assert (row["id"], row["actor_label"]) == (str(entry.id), "'=1+1")
    assert json.loads(row["after"]) == {"level": -3.2}


def test_the_page_tells_when_the_chain_was_verified(page, entries):
    assert "Never verified" in page.get("/audit/").content.decode()
    verify_audit()
    text = " ".join(page.get("/audit/").content.decode().split())
    assert f"up to entry {entries[-1].id}, 4 in all" in text


def test_the_button_asks_the_worker(page, monkeypatch):
    asked = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_options: asked.append(name))
    assert "checking every entry" in page.post("/audit/verify/", follow=True).content.decode()
    assert asked == ["apps.accounts.tasks.verify_audit"]

    def refuse(_name, args):
        raise OperationalError

    monkeypatch.setattr(current_app, "send_task", refuse)
    text = page.post("/audit/verify/", follow=True).content.decode()
    assert "manage.py verify_audit" in text


def test_an_empty_audit_says_what_it_is_for(page):
    assert "Nothing has been changed" in page.get("/audit/").content.decode()


def test_a_kind_of_object_is_called_as_people_call_it():
    assert object_kind("maintenancewindow") == "maintenance window"
    assert object_kind("gone") == "gone"
