"""What users say about themselves, on the page and through the API, and what it changes."""

from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry, Token, User
from apps.accounts.services.preferences import check_field
from tests.factories.accounts import bearer, make_token, make_user

ME = "/api/v1/users/me/"
FORM = {
    "first_name": "Ann",
    "last_name": "Lee",
    "email": "ann@example.org",
    "time_zone": "Pacific/Kiritimati",
    "language": "en",
    "theme": "dark",
}


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def ann(db):
    return make_user("ann", "viewer")


@pytest.fixture
def page(client, ann):
    client.force_login(ann)
    return client


def patch(client, document, **options):
    return client.patch(ME, document, content_type="application/json", **options)


def test_the_page_keeps_what_was_typed_and_audits_what_changed(page, ann):
    answer = page.post("/profile/", FORM)
    assert answer.headers["Location"] == "/profile/"
    ann.refresh_from_db()
    assert {name: getattr(ann, name) for name in FORM} == FORM
    entry = AuditEntry.objects.get(action="change")
    assert (entry.actor, entry.via, entry.after) == (ann, "ui", FORM)
    assert entry.before["theme"] == "system"


def test_saving_what_is_there_already_is_no_change(page):
    page.post("/profile/", FORM)
    page.post("/profile/", FORM)
    assert AuditEntry.objects.filter(action="change").count() == 1


def test_the_api_changes_only_what_is_named(page, ann):
    answer = patch(page, {"time_zone": "Europe/Vienna", "theme": "light"})
    assert answer.status_code == 200
    assert (answer.json()["time_zone"], answer.json()["theme"]) == ("Europe/Vienna", "light")
    assert AuditEntry.objects.get().before == {"time_zone": "", "theme": "system"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("time_zone", "Mars/Olympus", "IANA"),
        ("time_zone", "../../etc/passwd", "IANA"),
        ("time_zone", "europe/vienna", "IANA"),
        ("language", "tlh", "en"),
        ("theme", "pink", "light"),
        ("email", "no address", "valid"),
        ("email", "a" * 250 + "@example.org", "254"),
        ("first_name", "x" * 151, "150"),
        ("last_name", "a\x00b", "NUL"),
    ],
)
def test_a_wrong_value_names_its_field_and_rule(page, ann, field, value, words):
    answer = patch(page, {field: value})
    assert answer.status_code == 400
    problem = answer.json()["data"]["errors"][0]
    assert problem["field"] == field
    shown = page.post("/profile/", {**FORM, field: value})
    assert shown.status_code == 422
    if field != "theme" and "\x00" not in value:
        assert words in problem["detail"]
        assert words in shown.content.decode()
    ann.refresh_from_db()
    assert getattr(ann, field) in {"", "system"}
    assert not AuditEntry.objects.exists()


def test_an_api_token_changes_nothing_of_its_owner(client, ann):
    secret = make_token(ann, "admin")
    assert patch(client, {"email": "thief@example.org"}, **bearer(secret)).status_code == 403
    ann.refresh_from_db()
    assert ann.email == ""


def test_times_on_every_page_are_in_the_zone_of_the_profile(page, ann):
    ann.time_zone = "Pacific/Kiritimati"
    ann.save()
    for path in ("/profile/", "/clients/"):
        assert 'data-zone="Pacific/Kiritimati"' in page.get(path).content.decode(), path


def test_pages_speak_the_language_of_the_profile(page, ann, settings):
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    assert patch(page, {"language": "de"}).status_code == 200
    assert '<html lang="de"' in page.get("/profile/").content.decode()


def test_the_name_in_the_side_bar_leads_to_the_profile(page):
    assert 'href="/profile/"' in page.get("/").content.decode()


def test_the_theme_button_writes_to_the_audit_too(page, ann):
    page.post("/preferences/theme/", {"theme": "dark"})
    assert AuditEntry.objects.get(action="change").after == {"theme": "dark"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/accounts/password/change/", "/profile/password/"),
        ("/accounts/email/", "/profile/"),
        ("/accounts/2fa/", "/profile/security/"),
        ("/accounts/2fa/totp/activate/", "/profile/security/authenticator/"),
        ("/accounts/2fa/recovery-codes/", "/profile/security/"),
        ("/accounts/sessions/", "/profile/sessions/"),
        ("/accounts/reauthenticate/", "/profile/security/"),
    ],
)
def test_pages_that_the_profile_replaces_lead_to_it(page, old, new):
    assert page.get(old).headers["Location"] == new


def test_a_token_is_shown_once_works_and_is_revoked(page, client, ann):
    form = {"name": "Grafana", "scopes": ["read"], "days": "30"}
    text = page.post("/profile/tokens/", form).content.decode()
    token = Token.objects.get()
    secret = text.split('id="copy-text">')[1].split("<")[0]
    assert client.get(ME, **bearer(secret)).status_code == 200
    later = page.get("/profile/tokens/").content.decode()
    assert "Grafana" in later
    assert secret not in later
    page.post(f"/profile/tokens/{token.token_key}/revoke/")
    assert client.get(ME, **bearer(secret)).status_code == 401
    assert [entry.action for entry in AuditEntry.objects.filter(object_type="token")] == [
        "revoke",
        "create",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "x" * 101}, "100"),
        ({"scopes": []}, "required"),
        ({"scopes": ["everything"]}, "everything"),
        ({"days": "731"}, "731"),
        ({"days": "0"}, "0"),
        ({"days": "soon"}, "soon"),
    ],
)
def test_a_wrong_token_is_not_made(page, change, words):
    form = {"name": "Grafana", "scopes": ["read"], "days": "30", **change}
    answer = page.post("/profile/tokens/", form)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Token.objects.exists()


def test_a_token_of_somebody_else_does_not_exist(page):
    bea = make_user("bea", "admin")
    make_token(bea, "read")
    token = Token.objects.get()
    assert page.post(f"/profile/tokens/{token.token_key}/revoke/").status_code == 404
    assert Token.objects.exists()


def test_an_administrator_sees_only_the_own_tokens_here(client, ann):
    make_token(ann, "read")
    client.force_login(make_user("root", "admin"))
    assert "No token yet" in client.get("/profile/tokens/").content.decode()


@pytest.mark.parametrize("zone", ["Europe/Vienna", "UTC", "America/Argentina/Buenos_Aires"])
def test_every_zone_is_offered(page, zone):
    assert f'value="{zone}"' in page.get("/profile/").content.decode()


@given(st.one_of(st.text(max_size=80), st.sampled_from(sorted(available_timezones()))))
def test_a_time_zone_is_taken_exactly_when_the_list_has_it(value):
    is_known = value == "" or value in available_timezones()
    assert (check_field("time_zone", value) == []) == is_known


def test_hostile_names_stay_text(page, ann):
    User.objects.filter(pk=ann.pk).update(first_name="<script>alert(1)</script>")
    text = page.get("/profile/").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
