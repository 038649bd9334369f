"""The lists of users, invitations and the audit ask the database a fixed number of times."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.services import Grant, create_user, invite
from tests.factories.accounts import make_user
from tests.factories.clients import make_site

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FEW, MANY = 2, 20
PATHS = {
    "dashboard:users": "/users/?sort=-seen",
    "dashboard:invitations": "/users/invitations/",
    "dashboard:audit": "/audit/",
}


@pytest.mark.parametrize("name", PATHS)
def test_a_list_asks_as_often_for_many_rows_as_for_few(client, settings, name):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    make_site("vienna")
    boss = make_user("boss", "admin")
    client.force_login(boss)
    counts, grants = [], [Grant("viewer", site_slug="vienna"), Grant("operator")]
    # The first page view of a session writes down that it is used.
    client.get("/", headers={"Accept": "text/html"})
    for size in (FEW, MANY):
        for number in range(size):
            create_user(username=f"u{size}-{number}", grants=grants)
            invite(email=f"u{size}-{number}@example.org", grants=grants, invited_by=boss)
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(PATHS[name]).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
