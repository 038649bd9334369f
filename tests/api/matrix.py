"""Who may do what: a row for every route, a level for every method it takes.

What is not in a row must never succeed for anybody. A new route without a row fails a test.
"""

from django.urls import get_resolver

PUBLIC = "public"  # anybody
SIGNED_IN = "signed in"  # a session or a token, whatever its role
VIEW, OPERATE, ADMINISTER = "view", "operate", "administer"
SESSION = "session"  # to view, by a session only
AGENT = "agent"  # an agent's key

READ = {"GET": VIEW}
SEEN_BY_OPERATORS = {"GET": OPERATE}
SEEN_BY_ADMINS = {"GET": ADMINISTER}
DONE = {"POST": OPERATE}
FORM = {"GET": OPERATE, "POST": OPERATE}

API = {
    "api/v1/users/": SEEN_BY_ADMINS,
    "api/v1/users/<int:id>/": SEEN_BY_ADMINS,
    "api/v1/users/me/": READ,
    "api/v1/tokens/": {"GET": VIEW, "POST": SESSION},
    "api/v1/tokens/<str:id>/": {"DELETE": VIEW},
    "api/v1/audit/": SEEN_BY_ADMINS,
    "api/v1/audit/<int:id>/": SEEN_BY_ADMINS,
    "api/v1/clients/": READ,
    "api/v1/clients/<uuid:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/clients/<uuid:id>/revoke-keys/": DONE,
    "api/v1/clients/<uuid:id>/rotate-key/": DONE,
    "api/v1/sites/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/sites/<int:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/tags/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/tags/<int:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/enrolment-tokens/": {"GET": OPERATE, "POST": OPERATE},
    "api/v1/enrolment-tokens/<int:id>/": SEEN_BY_OPERATORS,
    "api/v1/enrolment-tokens/<int:id>/revoke/": DONE,
    "api/v1/tests/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/tests/<uuid:id>/": {"GET": VIEW, "PUT": OPERATE, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/tests/<uuid:id>/assign/": DONE,
    "api/v1/tests/<uuid:id>/pause/": DONE,
    "api/v1/tests/<uuid:id>/resume/": DONE,
    "api/v1/tests/<uuid:id>/run-now/": DONE,
    "api/v1/tests/<uuid:id>/stop/": DONE,
    "api/v1/assignments/": READ,
    "api/v1/assignments/<uuid:id>/": READ,
    "api/v1/runs/": READ,
    "api/v1/runs/<uuid:id>/": READ,
    "api/v1/results/": READ,
    "api/v1/results/<uuid:id>/": READ,
    "api/v1/kinds/": READ,
    "api/v1/kinds/<str:name>/": READ,
    "api/v1/series/": READ,
    "api/v1/metrics/": READ,
    "api/v1/sources/": READ,
    "api/schema/": {"GET": SIGNED_IN},
}
DOOR = {
    "api/v1/agent/enrol": {"POST": PUBLIC},
    "api/v1/agent/heartbeat": {"POST": AGENT},
    "api/v1/agent/leases": {"POST": AGENT},
    "api/v1/agent/records": {"POST": AGENT},
    "api/v1/agent/config": {"GET": AGENT},
}
PAGES = {
    "api/docs/": READ,
    "api/redoc/": READ,
    "": READ,
    "overview/trend.json": READ,
    "search/": READ,
    "preferences/theme/": {"POST": VIEW},
    "clients/": READ,
    "clients/enrol/": FORM,
    "clients/enrol/<int:token_id>/": SEEN_BY_OPERATORS,
    "clients/enrol/<int:token_id>/revoke/": DONE,
    "clients/<uuid:client_id>/": READ,
    "clients/<uuid:client_id>/tests/": READ,
    "clients/<uuid:client_id>/host/": READ,
    "clients/<uuid:client_id>/settings/": SEEN_BY_OPERATORS,
    "clients/<uuid:client_id>/change/": DONE,
    "clients/<uuid:client_id>/delete/": DONE,
    "clients/<uuid:client_id>/rotate/": DONE,
    "clients/<uuid:client_id>/revoke/": DONE,
    "tests/": READ,
    "tests/new/": FORM,
    "tests/parameters/": DONE,
    "tests/<uuid:test_id>/": READ,
    "tests/<uuid:test_id>/edit/": FORM,
    "tests/<uuid:test_id>/run/": DONE,
    "tests/<uuid:test_id>/pause/": DONE,
    "tests/<uuid:test_id>/resume/": DONE,
    "tests/<uuid:test_id>/stop/": DONE,
    "tests/<uuid:test_id>/delete/": DONE,
    "runs/": READ,
    "runs/<uuid:run_id>/": READ,
}
OPEN = {
    "healthz": {"GET": PUBLIC},
    "readyz": {"GET": PUBLIC},
    # Open while there is no user, and never again (tests/dashboard).
    "setup/": {},
}
ROWS = {**API, **DOOR, **PAGES, **OPEN}
# Django's admin and allauth guard their own routes; tests of this folder ask each of them.
FAMILIES = ("admin/", "accounts/")


def walk(patterns=None, prefix=""):
    """Every route of the project with its view."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = f"{prefix}{pattern.pattern}"
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns, route)
        else:
            yield route, pattern
