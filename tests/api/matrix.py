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
DONE_BY_ADMINS = {"POST": ADMINISTER}
FORM = {"GET": OPERATE, "POST": OPERATE}
OWN = {"GET": VIEW, "POST": VIEW}

API = {
    "api/v1/users/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "api/v1/users/<int:id>/": {"GET": ADMINISTER, "PATCH": ADMINISTER, "DELETE": ADMINISTER},
    "api/v1/users/<int:id>/deactivate/": DONE_BY_ADMINS,
    "api/v1/users/<int:id>/reactivate/": DONE_BY_ADMINS,
    "api/v1/users/<int:id>/end-sessions/": DONE_BY_ADMINS,
    "api/v1/users/<int:id>/reset-second-factor/": DONE_BY_ADMINS,
    "api/v1/users/<int:id>/password-link/": DONE_BY_ADMINS,
    "api/v1/users/<int:id>/effect/": SEEN_BY_ADMINS,
    "api/v1/users/<int:id>/roles/": {
        "GET": ADMINISTER,
        "POST": ADMINISTER,
        "PUT": ADMINISTER,
    },
    "api/v1/users/<int:id>/roles/<int:role_id>/": {"DELETE": ADMINISTER},
    "api/v1/invitations/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "api/v1/invitations/<int:id>/": {"GET": ADMINISTER, "DELETE": ADMINISTER},
    "api/v1/invitations/<int:id>/resend/": DONE_BY_ADMINS,
    "api/v1/audit/export/": SEEN_BY_ADMINS,
    "api/v1/users/me/": {"GET": VIEW, "PATCH": SESSION},
    "api/v1/users/me/password/": {"POST": SESSION},
    "api/v1/sessions/": {"GET": SESSION, "DELETE": SESSION},
    "api/v1/sessions/<int:id>/": {"DELETE": SESSION},
    "api/v1/jwt/": {"POST": PUBLIC},
    "api/v1/jwt/refresh/": {"POST": PUBLIC},
    "api/v1/jwt/revoke/": {"POST": PUBLIC},
    "api/v1/tokens/": {"GET": VIEW, "POST": SESSION},
    "api/v1/tokens/<str:id>/": {"DELETE": VIEW},
    "api/v1/settings/": {"GET": ADMINISTER, "PATCH": ADMINISTER},
    "api/v1/settings/mail-test/": {"POST": ADMINISTER},
    "api/v1/audit/": SEEN_BY_ADMINS,
    "api/v1/audit/<int:id>/": SEEN_BY_ADMINS,
    "api/v1/jobs/": SEEN_BY_ADMINS,
    "api/v1/jobs/<uuid:id>/": SEEN_BY_ADMINS,
    "api/v1/jobs/<uuid:id>/retry/": DONE_BY_ADMINS,
    "api/v1/jobs/<uuid:id>/discard/": DONE_BY_ADMINS,
    "api/v1/clients/": READ,
    "api/v1/clients/<uuid:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/clients/bulk/": DONE,
    "api/v1/clients/<uuid:id>/keys/": {"GET": OPERATE, "POST": OPERATE},
    "api/v1/clients/<uuid:id>/keys/<str:prefix>/revoke/": DONE,
    "api/v1/clients/<uuid:id>/clear-clone/": DONE,
    "api/v1/clients/<uuid:id>/revoke-keys/": DONE,
    "api/v1/clients/<uuid:id>/rotate-key/": DONE,
    "api/v1/clients/<uuid:id>/documents/": READ,
    "api/v1/storage/": SEEN_BY_ADMINS,
    "api/v1/sites/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/sites/<int:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/tags/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/tags/<int:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/maintenance-windows/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/maintenance-windows/<uuid:id>/": {"GET": VIEW, "PATCH": OPERATE, "DELETE": OPERATE},
    "api/v1/maintenance-windows/<uuid:id>/end-now/": DONE,
    "api/v1/maintenance-windows/preview/": SEEN_BY_OPERATORS,
    "api/v1/enrolment-tokens/": {"GET": OPERATE, "POST": OPERATE},
    "api/v1/enrolment-tokens/<int:id>/": SEEN_BY_OPERATORS,
    "api/v1/enrolment-tokens/<int:id>/revoke/": DONE,
    "api/v1/tests/": {"GET": VIEW, "POST": OPERATE},
    "api/v1/tests/bulk/": DONE,
    "api/v1/tests/dry-run/": DONE,
    "api/v1/quotas/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "api/v1/quotas/<int:id>/": {"GET": ADMINISTER, "PATCH": ADMINISTER, "DELETE": ADMINISTER},
    "api/v1/quotas/use/": SEEN_BY_ADMINS,
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
    "metrics": READ,
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
    "profile/": OWN,
    "profile/password/": OWN,
    "profile/security/": READ,
    "profile/security/authenticator/": OWN,
    "profile/security/authenticator/remove/": {"POST": VIEW},
    "profile/security/recovery-codes/": {"POST": VIEW},
    "profile/sessions/": READ,
    "profile/sessions/end-others/": {"POST": VIEW},
    "profile/sessions/<int:session_id>/end/": {"POST": VIEW},
    "profile/tokens/": OWN,
    "profile/tokens/<str:public_id>/revoke/": {"POST": VIEW},
    "clients/": READ,
    "clients/enrol/": FORM,
    "clients/enrol/<int:token_id>/": SEEN_BY_OPERATORS,
    "clients/enrol/<int:token_id>/revoke/": DONE,
    "clients/<uuid:client_id>/": READ,
    "clients/<uuid:client_id>/history.json": READ,
    "clients/<uuid:client_id>/tests/": READ,
    "clients/<uuid:client_id>/host/": READ,
    "clients/<uuid:client_id>/processes/": READ,
    "clients/<uuid:client_id>/connections/": READ,
    "clients/<uuid:client_id>/settings/": SEEN_BY_OPERATORS,
    "clients/<uuid:client_id>/change/": DONE,
    "clients/<uuid:client_id>/delete/": DONE,
    "clients/<uuid:client_id>/rotate/": DONE,
    "clients/<uuid:client_id>/revoke/": DONE,
    "clients/bulk/": DONE,
    "clients/<uuid:client_id>/keys/": DONE,
    "clients/<uuid:client_id>/keys/<str:prefix>/revoke/": DONE,
    "clients/<uuid:client_id>/clone/": DONE,
    "places/": READ,
    "places/sites/new/": FORM,
    "places/sites/<int:site_id>/": READ,
    "places/sites/<int:site_id>/change/": DONE,
    "places/sites/<int:site_id>/delete/": DONE,
    "places/tags/new/": FORM,
    "places/tags/<int:tag_id>/": READ,
    "places/tags/<int:tag_id>/change/": DONE,
    "places/tags/<int:tag_id>/delete/": DONE,
    "users/": SEEN_BY_ADMINS,
    "users/new/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "users/<int:user_id>/": SEEN_BY_ADMINS,
    "users/<int:user_id>/change/": DONE_BY_ADMINS,
    "users/<int:user_id>/roles/": DONE_BY_ADMINS,
    "users/<int:user_id>/roles/<int:role_id>/remove/": DONE_BY_ADMINS,
    "users/<int:user_id>/password-link/": DONE_BY_ADMINS,
    "users/<int:user_id>/do/<slug:deed>/": DONE_BY_ADMINS,
    "users/invitations/": SEEN_BY_ADMINS,
    "users/invitations/new/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "users/invitations/<int:invitation_id>/resend/": DONE_BY_ADMINS,
    "users/invitations/<int:invitation_id>/revoke/": DONE_BY_ADMINS,
    "audit/": SEEN_BY_ADMINS,
    "audit/verify/": DONE_BY_ADMINS,
    "storage/": SEEN_BY_ADMINS,
    "jobs/": SEEN_BY_ADMINS,
    "jobs/<uuid:job_id>/retry/": DONE_BY_ADMINS,
    "jobs/<uuid:job_id>/discard/": DONE_BY_ADMINS,
    "maintenance/": READ,
    "maintenance/new/": FORM,
    "maintenance/preview/": DONE,
    "maintenance/<uuid:window_id>/edit/": FORM,
    "maintenance/<uuid:window_id>/end/": DONE,
    "maintenance/<uuid:window_id>/delete/": DONE,
    "tests/": READ,
    "tests/new/": FORM,
    "tests/parameters/": DONE,
    "tests/preview/": DONE,
    "tests/dry-run/": DONE,
    "tests/bulk/": DONE,
    "quotas/": {"GET": ADMINISTER, "POST": ADMINISTER},
    "quotas/<int:quota_id>/remove/": {"POST": ADMINISTER},
    "tests/<uuid:test_id>/": READ,
    "tests/<uuid:test_id>/clients/<uuid:client_id>/history.json": READ,
    "tests/<uuid:test_id>/edit/": FORM,
    "tests/<uuid:test_id>/run/": DONE,
    "tests/<uuid:test_id>/pause/": DONE,
    "tests/<uuid:test_id>/resume/": DONE,
    "tests/<uuid:test_id>/stop/": DONE,
    "tests/<uuid:test_id>/delete/": DONE,
    "settings/": {"GET": ADMINISTER},
    "settings/mail-test/": {"POST": ADMINISTER},
    "settings/reset/": {"POST": ADMINISTER},
    "settings/save/": {"POST": ADMINISTER},
    "runs/": READ,
    "runs/<uuid:run_id>/": READ,
}
OPEN = {
    # Whoever has the secret in the address makes an account, or sets a password.
    "invitation/<str:secret>/": {"GET": PUBLIC, "POST": PUBLIC},
    "password/<str:secret>/": {"GET": PUBLIC, "POST": PUBLIC},
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
